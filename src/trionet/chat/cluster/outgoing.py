"""What a node has to write: what waits, what is on its way, what may have to be said again. Pure.

An operation gets a *ticket* when it is appended. It has been carried out once an entry that has it
was read back. Tickets grow, so one number says how far that is.

A node that has to begin another life writes its hello alone. When that has been read back, the
members that were lost on the way come in again. Only then goes on what waited: by then everyone has
a number again, and operations are addressed anew.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping
from enum import Enum
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from trionet.chat.cluster.entries import Again, decode_item, encode_entry, encode_item
from trionet.chat.state.operations import (
    Act,
    ConnectionId,
    LogIn,
    Operation,
    Remove,
    Say,
    SetTopic,
    Tell,
)

# How much one entry holds, in bytes and operations. A node that was cut off for long has 16 MiB.
MAX_ENTRY_BYTES = 256 << 10
MAX_ENTRY_ITEMS = 1024

# What was read back this many seconds ago is taken as safe: Redis writes to its disk each second.
SAFE_AFTER = 5.0
# And at most this many bytes are kept until then.
MAX_RECENT = 16 << 20

# What an operation takes besides its bytes, in bytes: a tuple, a number and a place in a list.
OVERHEAD = 160

# What must not be said twice or be lost. Everything else follows from who is here.
_REPEATED = (Say, Act, Tell, SetTopic, Remove)

# The ticket of what nobody waits for, and of what is made anew for each life.
_NONE = 0
_OF_THIS_LIFE = -1


class Phase(Enum):
    """How far a life is."""

    HELLO = "hello"
    RETURNING = "returning"
    LIVING = "living"


class Flight(Struct):
    """An entry on its way, or back.

    Attributes:
        life: the life.
        seq: its number.
        items: tickets and items.
        data: the entry.
        at: when it was first written, or read back, in seconds.
    """

    life: int
    seq: int
    items: list[tuple[int, bytes]]
    data: bytes
    at: float


class _Held(Struct):
    """What waits until everyone has come in again.

    Members have other numbers by then. So each operation stands with the connection of its member;
    ``None``: it is of no member, or of one that keeps its number, and `_GONE`: its member has left.

    Attributes:
        life: the life in which it was written; 0: it was not written yet.
        seq: the number of its entry.
        items: tickets, operations and connections.
        is_unread: whether it never came back. If it did, only what was said has to come again.
    """

    life: int
    seq: int
    items: list[tuple[int, Operation, ConnectionId | None]]
    is_unread: bool


_GONE: ConnectionId = ("", 0)


class Outgoing:
    """What one node has to write.

    Args:
        node: the node's name.
        draw_life: returns the number of a new life.

    Attributes:
        life: the number of the life.
        phase: how far it is.
        applied: all operations with this ticket or a smaller one have been carried out.
        bytes: what waits takes, in bytes.
        lives: how many lives there were.
    """

    def __init__(self, node: str, draw_life: Callable[[], int]) -> None:
        self.node = node
        self.life = 0
        self.phase = Phase.HELLO
        self.applied = 0
        self.bytes = 0
        self.lives = 0
        self._draw_life = draw_life
        self._seq = -1
        self._tickets = 0
        self._hello: bytes | None = None
        self._waiting: deque[tuple[int, bytes]] = deque()
        self._held_back: list[_Held] = []
        self._returns: deque[tuple[int, bytes]] = deque()
        self._unread: deque[Flight] = deque()
        self._recent: deque[Flight] = deque()
        self._recent_bytes = 0

    def __len__(self) -> int:
        """Return how many operations wait or are on their way."""
        return (
            len(self._waiting)
            + len(self._returns)
            + sum([len(flight.items) for flight in self._unread])
            + sum([len(held.items) for held in self._held_back])
        )

    def append(self, *operations: Operation) -> int:
        """Append operations, and return the ticket of the last one."""
        for operation in operations:
            data = encode_item(operation)
            self._tickets += 1
            self._waiting.append((self._tickets, data))
            self.bytes += len(data) + OVERHEAD
        return self._tickets

    def append_own(self, item: bytes) -> None:
        """Append an item that nobody waits for."""
        self._waiting.append((_OF_THIS_LIFE, item))

    @property
    def waiting(self) -> int:
        """How many operations were not written yet."""
        return len(self._waiting)

    @property
    def is_idle(self) -> bool:
        """Whether there is nothing that can be written now."""
        if self.phase is Phase.HELLO:
            return self._hello is None
        if self.phase is Phase.RETURNING:
            return not self._returns
        return not self._waiting

    @property
    def oldest_unread(self) -> float | None:
        """When the oldest entry that has not been read back was written; ``None``: all have."""
        return self._unread[0].at if self._unread else None

    def take(self, now: float) -> Flight:
        """Return the next entry. It may have no operations."""
        items: list[tuple[int, bytes]] = []
        source: deque[tuple[int, bytes]] = deque()
        if self.phase is Phase.HELLO and self._hello is not None:
            items, self._hello = [(_OF_THIS_LIFE, self._hello)], None
        elif self.phase is Phase.RETURNING:
            source = self._returns
        elif self.phase is Phase.LIVING:
            source = self._waiting
        size = 0
        while source and len(items) < MAX_ENTRY_ITEMS and size < MAX_ENTRY_BYTES:
            items.append(source.popleft())
            size += len(items[-1][1])
        self._seq += 1
        data = encode_entry(self.node, self.life, self._seq, [item for _, item in items])
        flight = Flight(self.life, self._seq, items, data, now)
        self._unread.append(flight)
        return flight

    def is_unread(self, flight: Flight) -> bool:
        """Tell whether an entry of this life is still to be written, or to be read back."""
        return bool(self._unread) and flight.life == self.life and self._unread[0].seq <= flight.seq

    def read_back(self, life: int, seq: int, now: float) -> None:
        """Note that an entry has come back, and with it all before it in the same life."""
        while self._unread and self._unread[0].life == life and self._unread[0].seq <= seq:
            flight = self._unread.popleft()
            self._note_applied(flight.items)
            # From now on, not from when it was first written: that may be an outage ago.
            flight.at = now
            self._recent.append(flight)
            self._recent_bytes += len(flight.data)
        while self._recent and (
            self._recent[0].at < now - SAFE_AFTER or self._recent_bytes > MAX_RECENT
        ):
            self._recent_bytes -= len(self._recent.popleft().data)

    def begin_life(
        self,
        hello: bytes,
        last_seq: Callable[[int], int],
        connection_of: Callable[[int], ConnectionId | None],
    ) -> None:
        """Begin another life. What was not read back, and what was lost, is written again in it.

        Args:
            hello: the hello of the life, encoded.
            last_seq: returns the last entry of a life that has counted.
            connection_of: returns the connection of a member by its number until now; ``None``: it
                has none here any more.
        """

        def address(member: int) -> ConnectionId:
            return connection_of(member) or _GONE

        kept: deque[Flight] = deque()
        known_back = len(self._recent)
        later, self._held_back = self._held_back, []
        for index, flight in enumerate([*self._recent, *self._unread]):
            if flight.seq <= last_seq(flight.life):
                if index >= known_back:
                    self._note_applied(flight.items)
                kept.append(flight)
                continue
            is_unread = index >= known_back
            self._hold(flight.life, flight.seq, flight.items, address, is_unread=is_unread)
        # What was held back already is newer than all that was read back. This order matters: of
        # one life, an `Again` counts only before those of later entries.
        for held in later:
            held.items = [
                item if item[2] is not None else _addressed(*item[:2], address)
                for item in held.items
            ]
        self._held_back += later
        self._hold(0, 0, self._waiting, address, is_unread=True)
        self._waiting.clear()
        self._returns.clear()
        self._unread.clear()
        self._recent = kept
        self._recent_bytes = sum([len(flight.data) for flight in kept])
        self.life = self._draw_life()
        self._seq = -1
        self._hello = hello
        self.phase = Phase.HELLO
        self.lives += 1

    def come_in_again(
        self, returns: Collection[Operation], connection_of: Callable[[int], ConnectionId | None]
    ) -> None:
        """Write what brings back members who were lost; the hello has been read back.

        The hello itself may have come after the end of the lease. Then its members get other
        numbers, and what they have said since the life began waits for these.

        Args:
            returns: the logins of these members, and whatever else has to come before all that
                waits.
            connection_of: returns the connection of a member by its number until now; ``None``: it
                has none here any more.
        """
        returning = {one.connection for one in returns if isinstance(one, LogIn)}

        def address(member: int) -> ConnectionId | None:
            # All others keep their numbers, as do those who have gone and must still be logged out.
            connection = connection_of(member)
            return connection if connection in returning else None

        own = [item for item in self._waiting if item[0] == _OF_THIS_LIFE]
        self._hold(0, 0, self._waiting, address, is_unread=True)
        self._waiting = deque(own)
        self._returns.extend([(_OF_THIS_LIFE, encode_item(one)) for one in returns])
        self.phase = Phase.RETURNING

    @property
    def has_returns(self) -> bool:
        """Whether logins of members who come in again wait, or are on their way."""
        return bool(self._returns) or bool(self._unread)

    def go_on(self, members: Mapping[ConnectionId, int]) -> None:
        """Go on with what was held back: everyone who could has come in again.

        Args:
            members: the members of this node by connection.
        """
        self.phase = Phase.LIVING
        later, self._waiting = self._waiting, deque()
        self.bytes = sum([len(data) + OVERHEAD for _, data in later])
        held_back, self._held_back = self._held_back, []
        for held in held_back:
            again: list[Operation] = []
            for ticket, operation, connection in held.items:
                if connection is not None:
                    member = members.get(connection)
                    if member is None:
                        continue
                    operation = replace(operation, member=member)
                if held.life:
                    again.append(operation)
                else:
                    self._wait(ticket, encode_item(operation))
            ticket = max([item[0] for item in held.items])
            if again:
                self._wait(ticket, encode_item(Again(held.life, held.seq, again)))
            elif not self._waiting:
                # It was left out, and nothing stands before it.
                self.applied = max(self.applied, ticket)
        self._waiting.extend(later)

    def _hold(
        self,
        life: int,
        seq: int,
        items: Iterable[tuple[int, bytes]],
        address: Callable[[int], ConnectionId | None],
        *,
        is_unread: bool,
    ) -> None:
        """Hold items back until everyone has come in again."""
        held = _Held(life, seq, [], is_unread)
        for ticket, data in items:
            item = decode_item(data)
            operations = item.operations if isinstance(item, Again) else [item]
            kept = [
                _addressed(ticket, one, address)
                for one in operations
                if ticket != _OF_THIS_LIFE and (is_unread or isinstance(one, _REPEATED))
            ]
            if isinstance(item, Again):
                self._held_back += [held, _Held(item.life, item.seq, kept, is_unread)]
                held = _Held(life, seq, [], is_unread)
            else:
                held.items += kept
        self._held_back.append(held)
        self._held_back = [one for one in self._held_back if one.items]

    def _wait(self, ticket: int, data: bytes) -> None:
        self._waiting.append((ticket, data))
        self.bytes += len(data) + OVERHEAD

    def _note_applied(self, items: list[tuple[int, bytes]]) -> None:
        for ticket, data in items:
            if ticket > self.applied:
                self.applied = ticket
            if ticket != _OF_THIS_LIFE:
                self.bytes = max(0, self.bytes - len(data) - OVERHEAD)


def _addressed(
    ticket: int, operation: Any, address: Callable[[int], ConnectionId | None]
) -> tuple[int, Operation, ConnectionId | None]:
    """Return an operation with the connection of its member."""
    member = getattr(operation, "member", None)
    return ticket, operation, None if member is None else address(member)
