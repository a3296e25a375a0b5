"""Whom the members here believe to be present, after a shared log has lost a part. Pure.

`trionet.chat.session.lost_members` says when that differs from the state, and who is told.
"""

from __future__ import annotations

from collections.abc import Iterator

from trionet.chat.state import events
from trionet.chat.state.state import State


class Believed:
    """Whom the members here believe to be in each room, by name.

    Attributes:
        until: when the differences are told, on the state's clock.
    """

    def __init__(self, state: State, until: int) -> None:
        self.until = until
        self._rooms = {
            key: {member.name.shown for member in room.members.values()}
            for key, room in state.rooms.items()
        }

    def joins(self, event: events.Joined) -> bool:
        """Note that somebody has joined; return whether that is news."""
        here = self._rooms.setdefault(event.room, set())
        if event.name in here:
            return False
        here.add(event.name)
        return True

    def leaves(self, event: events.Left) -> bool:
        """Note that somebody has left; return whether that is news."""
        here = self._rooms.get(event.room, set())
        if event.name not in here:
            return False
        here.discard(event.name)
        return True

    def is_renamed(self, event: events.Renamed) -> bool:
        """Note that somebody has another name; return whether that is news."""
        here = self._rooms.setdefault(event.room, set())
        is_news = event.name in here or event.to not in here
        here.discard(event.name)
        here.add(event.to)
        return is_news

    def differences(self, state: State) -> Iterator[events.Left | events.Joined]:
        """Yield how a state differs from this. These events have no numbers of their own."""
        for key in {**self._rooms, **state.rooms}:
            room = state.rooms.get(key)
            there = (
                {} if room is None else {one.name.shown: one.id for one in room.members.values()}
            )
            believed = self._rooms.get(key, set())
            last = 0 if room is None else room.last
            for name in sorted(believed - there.keys()):
                yield events.Left(key, last, state.time, 0, name, len(there), "lost")
            for name in there:
                if name not in believed:
                    yield events.Joined(key, last, state.time, there[name], name, len(there))
