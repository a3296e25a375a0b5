"""The close that loses nothing: go on until what was sent has arrived."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import trio

from trionet.abc import TellsDelivery

# While a close lingers, how often to ask how much has arrived: the kernel does not tell. What a
# peer takes at once is noticed at once; ten thousand slow peers cost a tenth of a core.
_FIRST_LOOK = 0.05


_LONGEST_LOOK = 1.0


# How long to let a peer that still sends much wait between two reads. Sixteen reads empty what is
# on the way from an honest peer (1 MiB) in a third of a second; one that goes on is read at 256
# KiB/s, which costs it its speed and this side next to nothing.
_SMALL = 65536


_BREATH = 0.02


_LONG_BREATH = 0.25


_HONEST = 1 << 20


def unarrived_of(stream: object) -> int | None:
    """Return how many bytes have not arrived yet; ``None``: the stream cannot tell."""
    tells = getattr(stream, "unarrived", None)
    return None if tells is None else cast("int | None", tells())


async def lingering_close(
    stream: trio.abc.Stream,
    *,
    seconds: float = 2.0,
    stall_seconds: float = 30.0,
    total_seconds: float = 60.0,
    input_ended: bool = False,
    on_settled: Callable[[int], object] | None = None,
) -> None:
    """Close a stream so that what was sent arrives.

    A socket that is closed with input unread resets the connection, and so does one that gets input
    after its close. The reset destroys what the peer has not read yet (RFC 1122, 4.2.2.13;
    measured: 113,152 of 200,000 bytes arrived). So: end the sending, read on and discard until all
    has arrived and the peer ends too, then close.

    How long that may take goes by what arrives, if the stream can tell (`TellsDelivery`), and never
    by how much the peer sends meanwhile: a peer that floods is read slowly.

    Args:
        stream: the stream.
        seconds: how long to wait for the peer's end once all has arrived, counted anew whenever the
            peer sends something; where the stream cannot tell, how long to linger altogether.
        stall_seconds: how long to wait while nothing more arrives although something is missing.
        total_seconds: how long to linger at most.
        input_ended: the peer's end of input was read already.
        on_settled: called once, with how many bytes were not known to have arrived: with 0 as soon
            as all has or where the stream cannot tell, else when the stream is closed. It must not
            raise.

    Cancellation: closes at once.

    Resource handling: the stream is closed in any case.
    """
    settled = False
    began = moved_at = trio.current_time()
    left = unarrived_of(stream)
    tells = left is not None
    look, discarded, ended_sending = _FIRST_LOOK, 0, False
    try:
        if not isinstance(stream, trio.abc.HalfCloseableStream):
            with trio.move_on_after(seconds):
                await stream.aclose()
            return
        while True:
            now = trio.current_time()
            due = began + seconds
            if tells:
                before, left = left or 0, unarrived_of(stream) or 0
                if left < before:
                    moved_at = now
                due = min(moved_at + (stall_seconds if left else seconds), began + total_seconds)
                if left and cast(TellsDelivery, stream).is_over():
                    return
            if not left and not settled:
                settled = True
                if on_settled is not None:
                    on_settled(0)
            if now >= due or (input_ended and ended_sending and not left):
                return
            with trio.CancelScope(deadline=min(due, now + look) if left else due) as scope:
                if not ended_sending:
                    # It may have to wait for what is still to be sent, and the peer may be one that
                    # reads only when it is read from: do both in turns.
                    await stream.send_eof()
                    ended_sending = True
                if input_ended:
                    if not left:
                        return
                    await trio.sleep_forever()
                else:
                    data = await stream.receive_some()
                    input_ended = not data
                    if data:
                        discarded += len(data)
                        if not left:
                            moved_at = trio.current_time()
                        if discarded >= _SMALL:
                            await trio.sleep(_BREATH if discarded < _HONEST else _LONG_BREATH)
            if scope.cancelled_caught:
                look = min(look * 2, _LONGEST_LOOK)
                if not ended_sending:
                    discarded += _discard_now(stream)
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        # The peer is gone: there is nothing left that could be lost.
        pass
    finally:
        if not settled and on_settled is not None:
            on_settled(unarrived_of(stream) or 0)
        # Closed with nothing unread, the kernel goes on sending what is left by itself.
        _discard_now(stream)
        await close_at_once(stream)


def _discard_now(stream: object) -> int:
    """Read what is there away, where that takes no waiting; return how many bytes that was."""
    discard = getattr(stream, "discard_nowait", None)
    return 0 if discard is None else cast(int, discard())


async def close_at_once(stream: trio.abc.AsyncResource) -> None:
    """Close a stream without waiting for anything; closing again does nothing.

    Where a stream can be closed without a task's help, it is: a cancelled scope and a checkpoint
    around each closing were a tenth of what it costs to end a session.
    """
    close = getattr(stream, "close", None)
    if close is not None:
        close()
    else:
        await trio.aclose_forcefully(stream)
