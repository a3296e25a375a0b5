"""Read lines from a peer no faster than a given rate.

A `trionet.connection.connection.Connection` uses this reader in place of the plain one if
`trionet.Limits.rate` is set, as it is in the chat. `trionet.connection.token_bucket` decides when a
peer may send its next lines; this file waits until then.
"""

from __future__ import annotations

from typing import Any

import trio

from trionet.connection.reader import LineReader
from trionet.connection.token_bucket import TokenBucket
from trionet.errors import BadLine
from trionet.lines import PART_LINES, LineT

# Seconds between two visits to a peer that has used up its tokens. A visit costs some 50 µs, so
# hundreds of such peers are no load, and nobody notices that their lines come in tenths of a
# second.
_INTERVAL = 0.1


class PacedLineReader(LineReader[LineT]):
    """A `trionet.LineReader` that hands out lines no faster than a token bucket has tokens.

    When the tokens are used up, it stops reading. The rest waits in the two kernels, until a peer
    that sends too much can send no more. The peer is not told, and nothing is lost.

    Args:
        stream: see `LineReader`.
        rate: lines a second in the long run, as in `trionet.Limits`.
        burst: lines at once, as in `trionet.Limits`.
        options: see `LineReader`.
    """

    __slots__ = ("_bucket",)

    def __init__(
        self, stream: trio.abc.ReceiveStream, *, rate: float, burst: int, **options: Any
    ) -> None:
        super().__init__(stream, **options)
        self.pace(rate, burst)

    def pace(self, rate: float, burst: int) -> None:
        """Begin with a full token bucket. Call it once, after `of_server`.

        Args:
            rate: as in the constructor.
            burst: as in the constructor.
        """
        self._bucket = TokenBucket(rate=rate, burst=burst, now=self.waiting_since)

    def charge(self, tokens: int) -> None:
        """Charge the peer for something that its lines caused. Never a checkpoint.

        The next lines wait until the peer has paid; see `LineReader.charge`.
        """
        self._bucket.charge(tokens)

    def _take(
        self, data: bytes | None = None, max_lines: int = PART_LINES
    ) -> list[LineT | BadLine]:
        if self.end is not None:
            # Now a wait would not slow the peer down.
            return super()._take(data, max_lines)
        tokens = self._bucket.count(max_lines, self._clock.current_time())
        if not tokens:
            if data is not None:
                self._decoder.hold(bytes(data))
            return []
        part = super()._take(data, tokens)
        self._bucket.charge(len(part))
        return part

    async def _wait_until_due(self) -> None:
        due = self._bucket.when(self._clock.current_time(), _INTERVAL)
        # A peer that is kept waiting is not idle: whatever else it has sent is not read meanwhile.
        self.waiting_since = due
        with trio.CancelScope(deadline=due) as self._scope:
            await trio.sleep_forever()
        self._scope = None
