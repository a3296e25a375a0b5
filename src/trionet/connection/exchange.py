"""Requests out and answers in, over one connection.

The next request can be sent before the last answer has come, and requests that are made together go
out in one write: 100,000 of them take some hundred system calls, not 100,000.

Sending and receiving are two tasks, because each must go on while the other waits: a server stops
reading requests when nobody reads its answers.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable
from contextlib import suppress
from typing import Any

import trio

from trionet.connection.answer_matching import Matching, Take
from trionet.connection.input_end import why_lost
from trionet.connection.linestream import LineStream
from trionet.errors import BadLine, ConnectionLost
from trionet.lines import Line


class Exchange:
    """One connection's requests and answers. Run `send` and `receive` in a task each.

    A subclass may talk to the server first, and check its answers.

    Args:
        lines: the connection; the caller closes it.
        matching: which request an answer belongs to.
        on_line: called with each good line that answers no request; ``None``: such a line is a
            mistake of the server.
        wait_room: awaited after the answers of each part. With it, a consumer slower than the
            server makes the server wait.

    Attributes:
        may_end: whether the server may end the connection now.
        on_sent: called when something was sent; ``None``: nobody is told.
    """

    def __init__(
        self,
        lines: LineStream[Any],
        matching: Matching,
        *,
        on_line: Callable[[Any], object] | None = None,
        wait_room: Callable[[], Awaitable[object]] | None = None,
    ) -> None:
        self._lines = lines
        self._stream = lines.stream
        self._send_nowait: Callable[[bytes], int] | None = getattr(
            self._stream, "send_nowait", None
        )
        self._matching = matching
        self._on_line = on_line
        self._wait_room = wait_room
        self._unsent = bytearray()
        self._is_idle = False
        self._has_unsent = trio.lowlevel.ParkingLot()
        self._answered = trio.lowlevel.ParkingLot()
        # The first request; empty: none was made yet.
        self._first = b""
        self._has_asked = trio.Event()
        self._heard = trio.Event()
        self._ended = trio.Event()
        self.may_end = False
        self.on_sent: Callable[[], object] | None = None
        # Bytes that are being sent.
        self._sending = 0

    @property
    def in_flight(self) -> int:
        """How many requests have no answer yet."""
        return len(self._matching)

    @property
    def unsent(self) -> int:
        """How many bytes are not sent yet."""
        return len(self._unsent) + self._sending

    def request(self, data: bytes, take: Take, key: Hashable = None) -> None:
        """Send a request: at once if no other is in flight, else together with the next ones.

        Never a checkpoint. The caller keeps `in_flight` within bounds.

        Args:
            data: a whole line.
            take: called with the answer. What it raises ends `receive`.
            key: the request's id, where answers have ids.

        Raises:
            ValueError: see `trionet.connection.answer_matching`; nothing was sent.
        """
        self._matching.add(take, key)
        if not self._first:
            self._first = data
            self._has_asked.set()
        self.put(data)

    def abandon(self, key: Hashable) -> bool:
        """Note that nobody waits for an answer any more, and return whether its place is free."""
        return self._matching.abandon(key)

    def put(self, data: bytes) -> None:
        """Send a whole line that has no answer. Never a checkpoint."""
        self._unsent += data
        if self._is_idle:
            self._send_or_wake()

    def _send_or_wake(self) -> None:
        """Send at once what is unsent, or wake the task that does."""
        if self.in_flight <= 1 and self._send_nowait is not None:
            # A client that asks one thing at a time should not have to wait until a task is woken.
            # Requests that follow before the answer has come are sent together.
            with suppress(trio.BrokenResourceError):
                del self._unsent[: self._send_nowait(bytes(self._unsent))]
        if self._unsent:
            self._is_idle = False
            self._has_unsent.unpark_all()

    async def wait_in_flight(self, at_most: int) -> None:
        """Wait until at most this many requests are in flight, or until no more answers can come.

        Always a checkpoint.
        """
        await trio.lowlevel.checkpoint()
        while self.in_flight > at_most:
            await self._answered.park()

    async def wait_asked(self) -> None:
        """Wait until the first request was made. Always a checkpoint."""
        await self._has_asked.wait()

    async def wait_heard(self) -> None:
        """Wait until the server has sent its first line. Always a checkpoint."""
        await self._heard.wait()

    async def wait_ended(self) -> None:
        """Wait until no more answers can come. Always a checkpoint."""
        await self._ended.wait()

    async def send(self) -> None:
        """Send what `request` and `put` leave unsent, all there is at a time, until cancelled."""
        try:
            while True:
                while not self._unsent:
                    self._is_idle = True
                    await self._has_unsent.park()
                self._is_idle = False
                data, self._unsent = self._unsent, bytearray()
                self._sending = len(data)
                await self._stream.send_all(data)
                self._sending = 0
                if self.on_sent is not None:
                    self.on_sent()
        except trio.BrokenResourceError:
            # The server's last lines are still to be read. `receive` does that, and then raises.
            pass

    async def receive(self) -> None:
        """Hand each answer to whoever asked, until the connection ends.

        Raises:
            ConnectionLost: the server closed the connection, and not because it `may_end`; or it
                speaks another protocol.
            Exception: what a `take` or `on_line` has raised.
        """
        try:
            while part := await self._lines.receive_batch():
                if not self._heard.is_set():
                    self._heard.set()
                    part = await self._judge_first(part)
                for line in part:
                    self._answer(line)
                self._answered.unpark_all()
                if self._wait_room is not None:
                    await self._wait_room()
            if not self.may_end:
                raise ConnectionLost(why_lost(self._lines.end))
        finally:
            self._matching.clear()
            self._answered.unpark_all()
            self._ended.set()

    async def _judge_first(self, part: list[Line]) -> list[Line]:
        """Look at the server's first lines, and return them as answers."""
        return part

    def _answer(self, line: Line) -> None:
        if isinstance(line, BadLine):
            # Nobody can tell whose answer it was, and whether a line follows that belongs to it.
            raise ConnectionLost(f"the server sent something that cannot be read: {line}")
        try:
            take = self._matching.match(line)
        except Exception as error:
            raise ConnectionLost(
                f"the server sent a line that has no id: {error!r:.200}"
            ) from error
        if take is not None:
            take(line)
        elif self._on_line is not None:
            self._on_line(line)
        else:
            raise ConnectionLost("the server sent a line that nobody asked for")
