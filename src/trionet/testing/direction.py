"""One direction of a connection in memory: bytes on their way, on the Trio clock.

Nothing here needs a task of its own: the reader looks at the clock to see which bytes have arrived.
"""

from __future__ import annotations

import math
from collections import deque

import trio

from trionet.testing.links import Link


class Direction:
    """What one end of a connection sends to the other.

    Args:
        link: how much it holds, how long bytes take, and how they are cut.

    Attributes:
        ended_by_sender: whether the sender has ended its sending.
        end_arrived: whether the reader has got everything, and the end.
        broken: whether the connection was reset.
        stalled: whether nothing arrives for now.
        interrupted: whether the reader was told to stop waiting.
        reader: where the reader waits.
        writer: where the sender waits for room.
    """

    def __init__(self, link: Link) -> None:
        self._capacity = link.capacity
        self._latency = link.latency
        try:
            self._cut = link.cut()
        except TypeError:
            raise TypeError("a link's cut is a function: write lambda: cut_at([3])") from None
        # The bytes on their way, each piece with its time of arrival; an empty piece is the end.
        self._in_flight: deque[tuple[float, bytes]] = deque()
        self._arrived = bytearray()
        self._used = 0
        self.ended_by_sender = False
        self.end_arrived = False
        self.broken = False
        self.stalled = False
        self.interrupted = False
        self.reader = trio.lowlevel.ParkingLot()
        self.writer = trio.lowlevel.ParkingLot()

    @property
    def room(self) -> int:
        """How many bytes it takes now."""
        return self._capacity - self._used

    @property
    def has_arrived(self) -> bool:
        """Whether there is something to read."""
        return bool(self._arrived)

    @property
    def has_unread(self) -> bool:
        """Whether something was sent that nobody has read, arrived or not."""
        return bool(self._used)

    def send(self, data: bytes | memoryview) -> int:
        """Take as many bytes as there is room for, and return how many."""
        taken = bytes(data[: self.room])
        if taken:
            self._used += len(taken)
            self._depart(taken)
        return len(taken)

    def end(self) -> None:
        """End the sending."""
        self.ended_by_sender = True
        self._depart(b"")

    def _depart(self, data: bytes) -> None:
        self._in_flight.append((trio.current_time() + self._latency, data))
        self.reader.unpark_all()

    def arrive(self) -> float:
        """Deliver what is due, and return when the next bytes are due."""
        now = trio.current_time()
        while self._in_flight and not self.stalled:
            due, data = self._in_flight[0]
            if due > now:
                return due
            self._in_flight.popleft()
            self._arrived += data
            self.end_arrived = not data
        return math.inf

    def receive(self, max_bytes: int) -> bytes:
        """Hand out some of what has arrived, as the cut says; empty: nothing has arrived."""
        if not self._arrived:
            return b""
        size = self._cut(min(max_bytes, len(self._arrived)))
        data = bytes(self._arrived[:size])
        del self._arrived[:size]
        self._used -= len(data)
        self.writer.unpark_all()
        return data

    def wake(self) -> None:
        """Let both sides look again."""
        self.reader.unpark_all()
        self.writer.unpark_all()

    def destroy(self) -> None:
        """Break the connection: whatever was not read is lost."""
        self.broken = True
        self._in_flight.clear()
        self._arrived.clear()
        self._used = 0
        self.wake()
