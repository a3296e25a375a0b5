"""An ``async with`` block of a client, written as one generator."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Self

import trio


def is_cancellation(error: BaseException) -> bool:
    """Tell whether an error is a cancellation and nothing else, perhaps of several tasks."""
    if isinstance(error, BaseExceptionGroup):
        return error.split(trio.Cancelled)[1] is None
    return isinstance(error, trio.Cancelled)


class EnteredOnce:
    """A client that connects when it is entered, and ends when its block does.

    `trionet.calc.Client` and `trionet.chat.Client` are such clients. Each has a method `_run`, a
    generator-based context manager: a nursery that is opened there nests as ``async with`` blocks
    do.
    """

    # The block, once it is entered.
    _block: AbstractAsyncContextManager[None] | None = None

    def _run(self) -> AbstractAsyncContextManager[None]:
        """Return the block: what comes before its ``yield`` connects."""
        raise NotImplementedError

    async def __aenter__(self) -> Self:
        if self._block is not None:
            raise RuntimeError("a client connects once: make another")
        self._block = self._run()
        await self._block.__aenter__()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        assert self._block is not None
        return await self._block.__aexit__(exc_type, exc, traceback)
