"""Private messages that are kept for members with `hold`, within bounds in bytes. Pure.

Each message is kept as bytes: a text of 4 KiB with one emoji in it takes 16 KiB as a string. A
message counts for the bytes that it takes, and for as many on every machine.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

import msgspec
from msgspec import Struct

from trionet.chat.state.events import Told

# How many messages are kept for a member, and how many bytes for one and for all.
MOST_A_MEMBER = 100
BYTES_A_MEMBER = 64 * 1024
BYTES_IN_ALL = 16 * 1024 * 1024

# What a message takes besides its content, in bytes. Measured: up to 346, with 42,000 kept.
OVERHEAD = 352


class _Message(Struct, array_like=True):
    """A message, without its receiver and number, and without the id that only its sender sees."""

    time: int
    member: int
    name: str
    to: str
    text: str


class _Inbox(Struct):
    """One member's messages: they have the numbers from `first` to `last`, and take `size`."""

    first: int
    last: int
    size: int = 0


class PrivateMessages:
    """The last private messages of each member that has `hold`.

    Attributes:
        size: what all of them take, in bytes.
    """

    __slots__ = ("_by_age", "_inboxes", "size")

    def __init__(self) -> None:
        self.size = 0
        # By receiver and number, the oldest first.
        self._by_age: OrderedDict[tuple[int, int], bytes] = OrderedDict()
        self._inboxes: dict[int, _Inbox] = {}

    def keep(self, told: Told) -> None:
        """Keep a message, and forget the oldest ones beyond the bounds."""
        message = _Message(told.time, told.member, told.name, told.to, told.text)
        # Copied, because the encoder's own bytes object takes up to half as much memory again.
        data = bytes(memoryview(_encoder.encode(message)))
        self._add(told.receiver, told.number, data)

    def of(self, member: int, after: int = 0) -> list[Told]:
        """Return the kept messages to a member after a number, the oldest first."""
        inbox = self._inboxes.get(member)
        if inbox is None:
            return []
        kept = []
        for number in range(max(inbox.first, after + 1), inbox.last + 1):
            one = _decoder.decode(self._by_age[member, number])
            kept.append(Told(number, one.time, one.member, member, one.name, one.to, one.text))
        return kept

    def forget(self, member: int) -> None:
        """Forget all messages to a member that is gone, or is no longer to be held."""
        inbox = self._inboxes.get(member)
        while inbox is not None and inbox.first <= inbox.last:
            self._drop_first(member, inbox)

    def dump(self) -> list[tuple[int, int, bytes]]:
        """Return all messages as data, the oldest first."""
        return [(member, number, data) for (member, number), data in self._by_age.items()]

    @classmethod
    def load(cls, dump: Iterable[tuple[int, int, bytes]]) -> PrivateMessages:
        """Keep the messages of a dump."""
        messages = cls()
        for member, number, data in dump:
            messages._add(member, number, data)
        return messages

    def _add(self, member: int, number: int, data: bytes) -> None:
        inbox = self._inboxes.get(member)
        if inbox is None:
            inbox = self._inboxes[member] = _Inbox(number, number)
        self._by_age[member, number] = data
        size = len(data) + OVERHEAD
        inbox.last = number
        inbox.size += size
        self.size += size
        while inbox.size > BYTES_A_MEMBER or number - inbox.first >= MOST_A_MEMBER:
            self._drop_first(member, inbox)
        while self.size > BYTES_IN_ALL:
            oldest = next(iter(self._by_age))[0]
            self._drop_first(oldest, self._inboxes[oldest])

    def _drop_first(self, member: int, inbox: _Inbox) -> None:
        size = len(self._by_age.pop((member, inbox.first))) + OVERHEAD
        inbox.first += 1
        inbox.size -= size
        self.size -= size
        if inbox.first > inbox.last:
            del self._inboxes[member]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Message)
