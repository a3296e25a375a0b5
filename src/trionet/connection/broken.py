"""Tell whether a stream is broken, although nobody may have noticed yet."""

from __future__ import annotations

from typing import cast

import trio

from trionet.abc import SendsNow, TellsBreakage


def is_broken(stream: object) -> bool:
    """Tell whether nothing more can be sent on a stream. Never a checkpoint.

    A server asks when a handler has raised ``trio.BrokenResourceError``: its own peer may be gone,
    or another stream may have broken, which is a fault.

    A TLS stream can be asked (`trionet.TellsBreakage`); with others, sending nothing shows it. A
    stream that can do neither is taken for broken: what its handler raises counts as the peer's
    doing.
    """
    if hasattr(stream, "is_broken"):
        return cast(TellsBreakage, stream).is_broken()
    if not hasattr(stream, "send_nowait"):
        return True
    try:
        cast(SendsNow, stream).send_nowait(b"")
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        return True
    except trio.BusyResourceError:
        # Another task is sending, and would get the error.
        pass
    return False
