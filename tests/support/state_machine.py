"""A chat's state with the one machine that writes its log, and short forms of the operations."""

from __future__ import annotations

from typing import Any

from trionet.chat import events as ev
from trionet.chat import operations as op
from trionet.chat.events import StateEvent
from trionet.chat.names import parse_name
from trionet.chat.room_names import parse_room, unique
from trionet.chat.state import State


class Machine:
    """A state, and the one machine that writes its log."""

    def __init__(self, **options: Any) -> None:
        self.state = State(**options)
        self.written: list[op.Entry] = []
        self.now = 1_000

    def do(self, *operations: op.Operation, later: int = 0) -> list[StateEvent]:
        self.now += later
        self.written.append(op.Entry("here", len(self.written) + 1, self.now, list(operations)))
        return self.state.apply(self.written[-1])

    def log_in(self, name: str, *rooms: str) -> int:
        """Log a member in, and return its number."""
        told = self.do(login(name, *(rooms or ("lobby",)), connection=len(self.written)))
        return next(event.member for event in told if isinstance(event, ev.LoggedIn))


def login(name: str, *rooms: str, connection: int = 1, id: op.RequestId = None) -> op.LogIn:  # noqa: A002
    named = unique(parse_name(name))
    return op.LogIn(("here", connection), named, tuple(map(parse_room, rooms)), id)


def join(member: int, room: str, **fields: Any) -> op.Join:
    return op.Join(member, parse_room(room), **fields)


def rename(member: int, name: str, id: op.RequestId = None) -> op.Rename:  # noqa: A002
    return op.Rename(member, unique(parse_name(name)), id)
