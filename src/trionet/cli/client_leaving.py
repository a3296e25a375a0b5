"""Run a client until it ends, a signal ends it, or nobody reads its output any more."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Self

import trio

from trionet.cli.running import ClientEnding, Runtime
from trionet.errors import TrionetError
from trionet.lines import Line

# How long a client may take to leave a room in good order, once it was signalled or its output has
# no reader any more: several round trips around the world.
_LEAVE_SECONDS = 1.0


class Leaving:
    """Ends the lines that a client sends, so that it leaves as if its input had ended."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._lines: AsyncIterator[Line] | None = None
        self._has_left = False
        self._waits = trio.CancelScope()

    def leave(self) -> bool:
        """End the lines now, and return whether the client had begun to read them."""
        self._has_left = True
        self._waits.cancel()
        return self._lines is not None

    def over(self, lines: AsyncIterable[Line]) -> Self:
        """Return the lines up to the moment of leaving. Ctrl-C as a key counts as a signal."""
        self._lines = aiter(lines)
        return self

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Line:
        assert self._lines is not None
        if not self._has_left:
            with trio.CancelScope() as self._waits:
                try:
                    return await anext(self._lines)
                except KeyboardInterrupt:
                    self._runtime.signals.take(signal.SIGINT)
        raise StopAsyncIteration


async def until_interrupted(
    client: Callable[[], Awaitable[object]],
    runtime: Runtime,
    *,
    leaving: Leaving | None = None,
    term_ends_well: bool = False,
) -> None:
    """Run a client until it ends, a signal ends it, or its output cannot be written any more.

    Args:
        client: what to run.
        runtime: its outputs and signals. What it prints is written before this returns, however
            long the reader takes, unless a signal comes.
        leaving: ends the client's lines when it should leave, and the client has a second for that;
            default: the client is cancelled.
        term_ends_well: whether SIGTERM is how the client is meant to end, with status 0.
    """
    ending = ClientEnding(term_ends_well=term_ends_well)
    runtime.signals.ending = ending
    has_departed = False

    def depart() -> None:
        nonlocal has_departed
        has_departed = True
        if leaving is not None and leaving.leave():
            nursery.cancel_scope.deadline = trio.current_time() + _LEAVE_SECONDS
        else:
            nursery.cancel_scope.cancel()

    async def depart_after(wait: Callable[[], Awaitable[object]]) -> None:
        await wait()
        depart()

    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(depart_after, partial(ending.wait, 1))
            nursery.start_soon(depart_after, runtime.out.wait_ended)
            error = None
            try:
                await client()
            except TrionetError as failure:
                error = failure
            await runtime.out.flush()
            if error is not None:
                raise error
            nursery.cancel_scope.cancel()
    except* KeyboardInterrupt:
        # Ctrl-C as a key, while a line is edited.
        ending.take(signal.SIGINT)
    except* TrionetError:
        # Errors that come from leaving in a hurry are not worth telling.
        if not has_departed:
            raise
