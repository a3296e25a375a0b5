"""A chat's state with the one machine that writes its log, and short forms of the operations."""

from __future__ import annotations

from typing import Any

from trionet.chat.names.names import member_name
from trionet.chat.names.room_names import parse_room
from trionet.chat.state import events as ev
from trionet.chat.state import operations as op
from trionet.chat.state.events import StateEvent
from trionet.chat.state.state import State


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

    def log_in(self, name: str, *rooms: str, **fields: Any) -> int:
        """Log a member in, and return its number."""
        told = self.do(login(name, *(rooms or ("lobby",)), connection=len(self.written), **fields))
        return next(event.member for event in told if isinstance(event, ev.LoggedIn))

    def hold(self, name: str, *rooms: str) -> int:
        """Log a member in that holds, with the token of its number, and return its number."""
        number = self.state._members.next_number
        return self.log_in(name, *rooms, token=token(number), hold=True)

    def cut(self, member: int) -> list[StateEvent]:
        """End a member's connection, although nobody has quit."""
        (connection,) = self.state.members[member].connections
        return self.do(op.Detach(member, connection))

    def resume(
        self, member: int, *rooms: str, hold: bool = True, **fields: Any
    ) -> list[StateEvent]:
        """Log in with a member's token."""
        fields = {"name": None, "connection": 100 + len(self.written)} | fields
        name = fields.pop("name")
        brought = self.state.members[member].token
        return self.do(login(name, *rooms, hold=hold, brought=brought, **fields))


def login(
    name: str | None,
    *rooms: str,
    connection: int = 1,
    id: op.RequestId = None,  # noqa: A002
    **fields: Any,
) -> op.LogIn:
    named = None if name is None else member_name(name)
    fields = {"rooms": tuple(map(parse_room, rooms))} | fields
    return op.LogIn(("here", connection), named, id=id, **fields)


def token(number: int) -> bytes:
    """Return something like the SHA-256 of a token."""
    return number.to_bytes(32, "big")


def join(member: int, room: str, **fields: Any) -> op.Join:
    return op.Join(member, parse_room(room), **fields)


def rename(member: int, name: str, id: op.RequestId = None) -> op.Rename:  # noqa: A002
    return op.Rename(member, member_name(name), id)
