"""Lines from a peer who may send only so many a second."""

from __future__ import annotations

from typing import Any

import trio

from trionet.connection.input_end import InputEnd
from trionet.connection.pace import TokenBucket
from trionet.connection.reader import LineReader
from trionet.lines import PART_LINES, Line

# How often a peer that has used up its tokens is looked at again, in seconds. Each look costs some
# 50 µs, so that hundreds of such peers are no load, and nobody sees their lines come in tenths of a
# second.
_INTERVAL = 0.1


class PacedLineReader(LineReader):
    """A `trionet.LineReader` that hands out lines no faster than a token bucket has tokens.

    Meanwhile it reads no more: the rest waits in the kernels between, and at last the peer that
    sends too much can send no more. It is not told, and nothing is lost.

    Args:
        stream: see `LineReader`.
        rate: lines a second in the long run.
        burst: lines at once.
        options: see `LineReader`.
    """

    __slots__ = ("_bucket", "_resting")

    def __init__(
        self, stream: trio.abc.ReceiveStream, *, rate: float, burst: int, **options: Any
    ) -> None:
        super().__init__(stream, **options)
        self._bucket = TokenBucket(rate=rate, burst=burst, now=trio.current_time())
        self._resting: trio.CancelScope | None = None

    def charge(self, tokens: int) -> None:
        """Charge the peer for something that its lines caused. Never a checkpoint.

        The next lines wait until it is paid; see `LineReader.charge`.
        """
        self._bucket.charge(tokens)

    def stop(self, end: InputEnd = InputEnd.STOPPED) -> None:
        """End the input at a line boundary; see `LineReader.stop`.

        The lines that were received are handed out without a wait: nobody is slowed down by
        waiting for them any more.
        """
        super().stop(end)
        if self._resting is not None:
            self._resting.cancel()

    def _take(self, data: bytes | bytearray | None = None) -> list[Line]:
        if self.end is not None:
            return super()._take(data)
        tokens = self._bucket.count(PART_LINES, self._now())
        if not tokens:
            if data is not None:
                self._decoder.hold(bytes(data))
            return []
        batch = self._decode(data, tokens)
        self._bucket.charge(len(batch))
        return batch

    async def _wait_until_due(self) -> None:
        due = self._bucket.when(self._now(), _INTERVAL)
        # A peer that is kept waiting is not idle: what else came is not read meanwhile.
        self.waiting_since = due
        with trio.CancelScope(deadline=due) as self._resting:
            await trio.sleep_forever()
        self._resting = None
