"""Whom the members here believe to be present, after a shared log has lost a part. Pure.

`trionet.chat.session.lost_members` says when that differs from the state, and who is told.
"""

from __future__ import annotations

from collections.abc import Iterator

from trionet.chat.state import events
from trionet.chat.state.state import State


class Believed:
    """Whom the members here believe to be in each room, by name.

    Args:
        state: the state as they know it.

    Attributes:
        until: when the differences are told, on the state's clock.
    """

    def __init__(self, state: State) -> None:
        self.until = 0
        # Dictionaries instead of sets, because names are listed in the order of joining.
        self._rooms = {
            key: {member.name.shown: None for member in room.members.values()}
            for key, room in state.rooms.items()
        }

    def names_in(self, room: str) -> tuple[str, ...]:
        """Return who is believed to be in a room."""
        return tuple(self._rooms.get(room, ()))

    def joins(self, event: events.Joined) -> bool:
        """Note that somebody has joined; return whether that is news."""
        here = self._rooms.setdefault(event.room, {})
        if event.name in here:
            return False
        here[event.name] = None
        return True

    def leaves(self, event: events.Left) -> bool:
        """Note that somebody has left; return whether that is news."""
        here = self._rooms.get(event.room, {})
        if event.name not in here:
            return False
        del here[event.name]
        return True

    def is_renamed(self, event: events.Renamed) -> bool:
        """Note that somebody has another name; return whether that is news.

        It is not if nobody believes that the member is there, or all know the name already.
        """
        here = self._rooms.get(event.room, {})
        if event.name not in here:
            return False
        del here[event.name]
        here[event.to] = None
        return True

    def differences(self, state: State) -> Iterator[events.Left | events.Joined]:
        """Yield how a state differs from this. These events have no numbers of their own."""
        for key in {**self._rooms, **state.rooms}:
            room = state.rooms.get(key)
            there = (
                {} if room is None else {one.name.shown: one.id for one in room.members.values()}
            )
            believed = self._rooms.get(key, {})
            last = state.highest if room is None else room.last
            for name in sorted(believed.keys() - there.keys()):
                yield events.Left(key, last, state.time, 0, name, len(there), "lost")
            for name in there:
                if name not in believed:
                    yield events.Joined(key, last, state.time, there[name], name, len(there))
