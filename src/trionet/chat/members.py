"""Who the members are: their numbers, their names, and the tokens that they come back with. Pure.

A part of the state (`state.py`), which decides when somebody comes or goes and tells of it.
"""

from __future__ import annotations

from msgspec import Struct

from trionet.chat.events import Acted, Repeated, Told
from trionet.chat.operations import ConnectionId, RequestId, UniqueName
from trionet.chat.receipts import Receipt, Receipts
from trionet.chat.taken_names import TakenNames


class Claim(Struct, gc=False, array_like=True):
    """What lets a member come back.

    Attributes:
        token: the SHA-256 of its token. No other member has it: tokens are random.
        receipts: what came of its last requests; ``None``: it did not ask to be held, so it leaves
            when its connection ends.
    """

    token: bytes
    receipts: Receipts | None = None


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
    """

    id: int
    name: UniqueName
    connections: tuple[ConnectionId, ...]
    rooms: tuple[str, ...] = ()
    told: int = 0
    claim: Claim | None = None

    @property
    def receipts(self) -> Receipts | None:
        """What came of its last requests; ``None``: it does not hold."""
        return None if self.claim is None else self.claim.receipts

    @property
    def token(self) -> bytes:
        """The SHA-256 of its token; empty: it has none."""
        return b"" if self.claim is None else self.claim.token

    def again(self, text: str, id_: RequestId) -> Repeated | None:
        """Return what to tell of a request that was carried out before; ``None``: it is new."""
        receipt = None if self.receipts is None else self.receipts.find(id_)
        return None if receipt is None else receipt.repeated(self.id, self.token, text, id_)

    def keep(self, id_: RequestId, event: Acted | Told) -> None:
        """Keep what came of a request, if it holds."""
        if self.receipts is not None:
            self.receipts.keep(id_, Receipt.of(event))


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
        if not hold:
            member.claim.receipts = None
        elif member.claim.receipts is None:
            member.claim.receipts = Receipts()

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
