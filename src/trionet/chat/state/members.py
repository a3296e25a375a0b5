"""Who the members are: their numbers, their names, and the tokens that they come back with. Pure.

A part of the state (`state.py`), which decides when somebody comes or goes and tells of it.
"""

from __future__ import annotations

from msgspec import Struct

from trionet.chat.names.unique_name import UniqueName
from trionet.chat.state.operations import ConnectionId
from trionet.chat.state.taken_names import TakenNames


class Claim(Struct, gc=False, array_like=True):
    """What lets a member come back.

    Attributes:
        token: the SHA-256 of its token. No other member has it: tokens are random.
        hold: whether it is held when its connection ends.
        former: the SHA-256 of a token that it had as another member, before a restart for example,
            and has brought to its first login; empty: none. It proves what was said with it.
    """

    token: bytes
    hold: bool = False
    former: bytes = b""


class Member(Struct, gc=False, array_like=True):
    """Somebody in the chat. A member is not a connection: it may have several, or none.

    It has tuples, and the names of rooms instead of rooms: of thousands of members, nearly all are
    in one room.

    Attributes:
        id: its number; the state never gives one again.
        name: what it is called.
        connections: where it is connected: one connection, or none while it is held.
        rooms: in the order of joining.
        told: the last number of its private sequence.
        claim: what lets it come back; ``None``: nothing does. This is one field, because most
            members have no claim, and each message looks here.
        login: which of its logins was the last, counted from 1.
    """

    id: int
    name: UniqueName
    connections: tuple[ConnectionId, ...]
    rooms: tuple[str, ...] = ()
    told: int = 0
    claim: Claim | None = None
    login: int = 1

    @property
    def holds(self) -> bool:
        """Whether it is held when its connection ends."""
        return self.claim is not None and self.claim.hold

    @property
    def token(self) -> bytes:
        """The SHA-256 of its token; empty: it has none."""
        return b"" if self.claim is None else self.claim.token


class MembersDump(Struct, array_like=True):
    """All members as data."""

    next_number: int
    members: list[Member]


class Members:
    """All members of a chat.

    Attributes:
        by_number: in the order of logging in. Do not change it.
        by_key: by the keys of their names. Do not change it.
        next_number: the number that the next member gets.
    """

    __slots__ = ("_by_token", "_names", "by_key", "by_number", "next_number")

    def __init__(self) -> None:
        self.by_number: dict[int, Member] = {}
        self.next_number = 1
        self._names: TakenNames[Member] = TakenNames()
        self.by_key = self._names.by_key
        self._by_token: dict[bytes, Member] = {}

    def with_token(self, token: bytes) -> Member | None:
        """Return the member whose token has this SHA-256."""
        return self._by_token.get(token)

    def why_not_called(self, name: UniqueName, member: Member | None = None) -> str:
        """Return why a newcomer, or this member, cannot have a name; empty: it is free."""
        if self.by_key.get(name.key, member) is not member:
            return f"the name {name.shown} is taken"
        for twin in self._names.lookalikes(name):
            if twin is not member:
                return f"the name {name.shown} looks like {twin.name.shown}, which is taken"
        return ""

    def add(self, name: UniqueName, connection: ConnectionId, claim: Claim | None) -> Member:
        """Make a member of a connection; the name is free."""
        member = Member(self.next_number, name, (connection,), claim=claim)
        self.next_number += 1
        self._take(member)
        return member

    def remove(self, member: Member) -> None:
        """Remove a member, and free its name and its token."""
        del self.by_number[member.id]
        self._names.free(member.name)
        if member.claim is not None:
            del self._by_token[member.claim.token]

    def rename(self, member: Member, name: UniqueName) -> None:
        """Give a member another name, which is free."""
        self._names.free(member.name)
        self._names.take(name, member)
        member.name = name

    def hold(self, member: Member, *, hold: bool) -> None:
        """Set whether a member, which has a token, is held when its connection ends."""
        assert member.claim is not None, "a member without a token cannot come back"
        member.claim.hold = hold

    def dump(self) -> MembersDump:
        """Return all members as data."""
        return MembersDump(self.next_number, list(self.by_number.values()))

    @classmethod
    def load(cls, dump: MembersDump) -> Members:
        """Make the members of a dump."""
        members = cls()
        for member in dump.members:
            members._take(member)
        members.next_number = dump.next_number
        return members

    def _take(self, member: Member) -> None:
        self.by_number[member.id] = member
        self._names.take(member.name, member)
        if member.claim is not None:
            self._by_token[member.claim.token] = member
