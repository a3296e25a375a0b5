"""Lines from a peer who may send only so many a second."""

from __future__ import annotations

from typing import Any

import trio

from trionet.lines import Line
from trionet.pace import TokenBucket
from trionet.stream import InputEnd, LineReader


class PacedLineReader(LineReader):
    """A `trionet.LineReader` that hands out lines no faster than a token bucket has tokens.

    Meanwhile it reads no more: the rest waits in the systems between, and at last the one who sends
    too much can send no more. Nobody is told and nothing is lost.

    Args:
        stream: see `LineReader`.
        rate: lines a second in the long run.
        burst: lines at once.
        options: see `LineReader`.
    """

    __slots__ = ("_bucket", "_held", "_resting")

    def __init__(
        self, stream: trio.abc.ReceiveStream, *, rate: float, burst: int, **options: Any
    ) -> None:
        super().__init__(stream, **options)
        self._bucket = TokenBucket(rate=rate, burst=burst, now=trio.current_time())
        self._held: list[Line] = []
        self._resting: trio.CancelScope | None = None

    async def receive_batch(self) -> list[Line]:
        """Return the lines that are there and may be handed out, or wait for some.

        See `LineReader.receive_batch`. What was received when `stop` was called, or when the
        input ended, is handed out at once: nobody is slowed down by waiting for it any more.
        """
        if self._pending:
            # Paid for already, and left over by `receive`.
            return await super().receive_batch()
        if self._held:
            await trio.lowlevel.checkpoint()
        else:
            self._held = await super().receive_batch()
        while self._held and self.end is None:
            now = trio.current_time()
            if count := self._bucket.take(len(self._held), now):
                # Who is kept waiting is not idle: what else came is not read meanwhile.
                self.received_at = now
                batch, self._held = self._held[:count], self._held[count:]
                return batch
            with trio.CancelScope(deadline=self._bucket.when(now)) as self._resting:
                await trio.sleep_forever()
            self._resting = None
        batch, self._held = self._held, []
        return batch

    def charge(self, tokens: int) -> None:
        """Charge the peer for something that its lines caused. Never a checkpoint.

        The next lines wait until it is paid; see `LineReader.charge`.
        """
        self._bucket.charge(tokens)

    def stop(self, end: InputEnd = InputEnd.STOPPED) -> None:
        """End the input at a line boundary; see `LineReader.stop`."""
        super().stop(end)
        if self._resting is not None:
            self._resting.cancel()
