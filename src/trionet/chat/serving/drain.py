"""A drain says good-bye only after everything that was received has been said."""

from __future__ import annotations

from collections.abc import Callable

import trio


class LastWords:
    """Lets a drain close the chat only after everything that was received has been said.

    When a drain begins, lines that were read can still be on their way into the log, above all
    those that a member's rate holds back. A member that left before that would miss them.

    Each handler is inside this context for as long as it reads.

    Args:
        close: closes the chat; called once a drain has begun and no handler reads any more.

    Attributes:
        draining: whether a drain has begun.
    """

    def __init__(self, close: Callable[[], object]) -> None:
        self._close = close
        self._reading = 0
        self.draining = False
        self._closed = trio.Event()

    def begin_drain(self) -> None:
        """Note that a drain has begun."""
        self.draining = True
        self._close_if_due()

    async def wait(self) -> None:
        """During a drain, wait until everything has been said."""
        if self.draining:
            try:
                await self._closed.wait()
            finally:
                self._close_if_due(cut_off=not self._closed.is_set())

    def __enter__(self) -> None:
        self._reading += 1

    def __exit__(self, exc_type: type[BaseException] | None, *_: object) -> None:
        self._reading -= 1
        self._close_if_due(cut_off=exc_type is not None)

    def _close_if_due(self, *, cut_off: bool = False) -> None:
        # A member who is cut off at the drain's deadline cannot wait for the others. Then the chat
        # is closed at once, so that nobody is told that this member has left.
        if self.draining and (cut_off or not self._reading):
            self._close()
            self._closed.set()
