"""The frames that a WebSocket sends by itself: answers to pings, and the one that closes.

They must not tear other frames. So they go through the outbox where there is one, and else before
the next lines, or at once where nobody is sending.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import cast

import trio

from trionet.abc import Transport


class OwnFrames:
    """The frames that one stream sends by itself.

    Args:
        wire: the stream that frames are sent on.

    Attributes:
        are_ended: whether the frame that closes was made, or can never be: nothing more is sent.
    """

    __slots__ = ("_put", "_waiting", "_wire", "are_ended")

    def __init__(self, wire: trio.abc.HalfCloseableStream) -> None:
        self._wire = wire
        self._put: Callable[[bytes], object] | None = None
        self._waiting = b""
        self.are_ended = False

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {len(self._waiting)} bytes wait>"

    def put_with(self, put: Callable[[bytes], object]) -> None:
        """Send them with a function from now on: that of an outbox."""
        self._put = put

    def answer(self, frames: bytes, *, is_free: bool) -> None:
        """Send frames, or let them wait until `take` is called.

        Args:
            frames: whole ones.
            is_free: whether nobody is sending on the wire.
        """
        if not frames or self.are_ended:
            return
        if self._put is not None:
            self._put(frames)
            return
        self._waiting += frames
        if is_free and hasattr(self._wire, "send_nowait"):
            with suppress(
                trio.BrokenResourceError, trio.ClosedResourceError, trio.BusyResourceError
            ):
                sent = cast(Transport, self._wire).send_nowait(self._waiting)
                self._waiting = self._waiting[sent:]

    def take(self) -> bytes:
        """Return those that wait. Whoever calls this sends them first."""
        frames, self._waiting = self._waiting, b""
        return frames
