"""What members are told of rooms: who is there, and which rooms there are. Pure.

Each answer is made when somebody asks, and kept until it changes: a thousand who come at once ask
the same.
"""

from __future__ import annotations

from trionet.chat.formats.answers import MAX_WELCOME_NAMES, Entered, Listed, Present, RoomList
from trionet.chat.session.believed import Believed
from trionet.chat.state.operations import RequestId
from trionet.chat.state.state import State


class RoomViews:
    """Answers about the rooms of a state. Whoever changes the state says what has changed.

    Args:
        state: the state.
        believed: who counts as present after a shared log has lost a part, until that is told;
            default ``None``: whoever is in the state.
    """

    __slots__ = ("_believed", "_first_names", "_listed", "_present", "_state")

    def __init__(self, state: State, believed: Believed | None = None) -> None:
        self._state = state
        self._believed = believed
        # The names that a newcomer to a room is told, once there are as many as it is told at most.
        # They are kept until one of them leaves or is renamed: a thousand who join at once make
        # the tuple 20 times, not 1,000.
        self._first_names: dict[str, tuple[str, ...]] = {}
        self._present: dict[str, Present] = {}
        self._listed: tuple[Listed, ...] | None = None

    def entered(self, member: int, room: str, id_: RequestId) -> Entered:
        """Return what to tell a member that has entered a room."""
        there = self._state.rooms[room]
        names = self._first_names.get(room)
        if names is None or len(names) < MAX_WELCOME_NAMES:
            names = self._names_in(room, MAX_WELCOME_NAMES)
            if len(names) == MAX_WELCOME_NAMES:
                self._first_names[room] = names
        name = self._state.members[member].name.shown
        count = len(there.members if self._believed is None else self._believed.names_in(room))
        return Entered(name, room, there.topic, names, count, there.last, id_)

    def present(self, room: str, id_: RequestId) -> Present:
        """Return who is in a room. Whoever asks without an id gets the same object as others."""
        if room not in self._state.rooms:
            return Present((), room, id_)
        present = self._present.get(room)
        if present is None:
            present = self._present[room] = Present(self._names_in(room), room)
        return present if id_ is None else Present(present.names, room, id_)

    def _names_in(self, room: str, most: int | None = None) -> tuple[str, ...]:
        if self._believed is None:
            return self._state.names_in(room, most)
        return self._believed.names_in(room)[:most]

    def room_list(self, id_: RequestId) -> RoomList:
        """Return which rooms there are."""
        if self._listed is None:
            rooms = self._state.listed_rooms()
            self._listed = tuple(
                [Listed(room.name.key, room.topic, len(room.members)) for room in rooms]
            )
        return RoomList(self._listed, id_)

    def rooms_changed(self) -> None:
        """Note that rooms have opened or ended, or have other topics or counts."""
        self._listed = None

    def joined(self, room: str) -> None:
        """Note that somebody has joined a room."""
        self._listed = None
        if self._present:
            self._present.pop(room, None)

    def left(self, room: str, name: str) -> None:
        """Note that somebody has left a room."""
        self._listed = None
        self._present.pop(room, None)
        if name in self._first_names.get(room, ()):
            del self._first_names[room]

    def renamed(self, room: str) -> None:
        """Note that somebody in a room has another name."""
        self._present.pop(room, None)
        self._first_names.pop(room, None)
