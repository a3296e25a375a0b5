"""A room's past for a chat's client, page by page."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Self

import trio

from trionet.chat.client.events import History, PastEvent

# Events that one page has: as many as one line usually holds.
_PAGE = 200


class Past:
    """An async iterator over events, from `Client.history`. A loop may be left at any time.

    It is not a generator, because one that a loop leaves early has to be closed by hand.

    Args:
        ask: asks the server for a page.
        room: where.
        after: the number after which to begin, oldest first; ``None``: newest first.
        before: the number before which the events are; ``None``: no end.
    """

    def __init__(
        self,
        ask: Callable[..., Awaitable[History]],
        room: str,
        after: int | None,
        before: int | None,
    ) -> None:
        self._ask = ask
        self._room = room
        self._after = after
        self._before = before
        self._page: deque[PastEvent] = deque()
        self._is_over = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> PastEvent:
        """Return the next event. Raises as `Client.say`.

        Cancellation: no event is lost. Always a checkpoint.
        """
        await trio.lowlevel.checkpoint()
        if not self._page and not self._is_over:
            await self._turn()
        if not self._page:
            raise StopAsyncIteration
        event = self._page.popleft()
        after = -1 if self._after is None else self._after
        if not after < event.number < (self._before or math.inf):
            # The end; or a page that leads nowhere, which no server of this protocol sends.
            self._page.clear()
            self._is_over = True
            raise StopAsyncIteration
        if self._after is None:
            self._before = event.number
        else:
            self._after = event.number
        return event

    async def aclose(self) -> None:
        """End the iteration. For ``aclosing``: there is no need to. Always a checkpoint."""
        self._page.clear()
        self._is_over = True
        await trio.lowlevel.checkpoint()

    async def _turn(self) -> None:
        where: dict[str, Any] = {"limit": _PAGE}
        if self._after is not None:
            where["after"] = self._after
        elif self._before is not None:
            where["before"] = self._before
        page = await self._ask(History, type="history", room=self._room, **where)
        self._page.extend(page.events if self._after is not None else reversed(page.events))
        self._is_over = not page.more
