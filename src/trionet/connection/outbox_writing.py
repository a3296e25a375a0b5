"""Send on a stream for an outbox: at once, or what waits in its queue in a task."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import trio

from trionet.abc import SendsNow
from trionet.connection.outbox_blocks import SMALL
from trionet.connection.outbox_queue import PIECE, LineQueue

# A stream that cannot send at once gets this much at a time, because its progress within one call
# is invisible: one TLS record (RFC 8446, 5.1).
RECORD = 16384

# Pieces that a writer sends between two checkpoints. The kernel takes these 256 KiB in 0.1 ms, or
# in 2 ms if it has to find memory for them first.
_PIECES_AT_ONCE = 4

# The errors of a peer that is gone: the kernel's own, and what streams raise in their place.
GONE = (OSError, trio.BrokenResourceError, trio.ClosedResourceError)


def direct_send(stream: trio.abc.SendStream) -> Callable[[bytes], int] | None:
    """Return the shortest way to send at once; ``None``: there is none."""
    ask: Callable[[], Callable[[bytes], int]] | None = getattr(stream, "direct_send", None)
    return getattr(stream, "send_nowait", None) if ask is None else ask()


async def write_now(
    queue: LineQueue, stream: SendsNow, on_progress: Callable[[int], object]
) -> None:
    """Send all of a queue on a stream that can send at once.

    Args:
        queue: what waits.
        stream: where it goes.
        on_progress: called after each send, with the number of bytes sent.

    Raises:
        trio.BrokenResourceError, trio.ClosedResourceError, trio.BusyResourceError: as the stream.

    Cancellation: the queue holds what was not sent.
    """
    while queue:
        await stream.wait_writable()
        sent = size = 0
        for _ in range(_PIECES_AT_ONCE):
            if sent != size or not queue:
                break
            piece = queue.take()
            size = len(piece)
            sent = stream.send_nowait(piece)
            queue.settle(sent)
            on_progress(sent)


async def write_all(
    queue: LineQueue,
    stream: trio.abc.SendStream,
    on_progress: Callable[[int], object],
    *,
    at_once: int,
) -> None:
    """Send all of a queue on any stream.

    Args:
        queue: what waits.
        stream: where it goes.
        on_progress: called after each send, with the number of bytes sent.
        at_once: bytes to take out of the queue at a time. They can no longer be dropped.

    Raises:
        trio.BrokenResourceError, trio.ClosedResourceError, trio.BusyResourceError: as the stream.

    Cancellation: it is unknown how much was sent of what was taken.
    """
    wanted = min(PIECE, max(RECORD, at_once))
    while queue:
        piece = queue.take(wanted)
        with memoryview(piece) as view:
            for begin in range(0, len(view), RECORD):
                with view[begin : begin + RECORD] as part:
                    await stream.send_all(part)
                    on_progress(len(part))
        queue.settle(len(piece))


def joined(pieces: Sequence[bytes | memoryview]) -> Iterator[bytes]:
    """Join pieces that have to wait, except large ones, which other outboxes may share."""
    run: list[bytes | memoryview] = []
    for piece in pieces:
        if type(piece) is bytes and len(piece) >= SMALL:
            if run:
                yield b"".join(run)
                run = []
            yield piece
        else:
            run.append(piece)
    if run:
        yield b"".join(run)


def counted(parts: Iterable[bytes], lines: int, size: int) -> Iterator[tuple[bytes, int]]:
    """Yield each part with how many lines it has.

    Args:
        parts: whole lines each.
        lines: how many lines they are together: one part alone is not counted again.
        size: how many bytes they are together.
    """
    for part in parts:
        yield part, lines if len(part) == size else part.count(b"\n")
