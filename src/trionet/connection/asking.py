"""Many tasks that ask over one connection: each waits for its own answer, within bounds.

`Asking` has the tasks and the bounds. An `Exchange` knows what goes over the wire, and which answer
is whose.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Any

import trio

from trionet.connection.exchange import Exchange
from trionet.connection.generator_context import is_cancellation
from trionet.errors import TrionetError


class Asking:
    """The requests of a client: those that are sent, and those that wait for a place.

    Whoever comes first is sent first: a long request that waits for its place is not overtaken.

    Args:
        max_asked: how many requests may be without an answer; more wait.
        max_bytes: how many bytes these may have. A single longer one is sent all the same.
        check: called with each answer before anybody gets it. What it raises ends the conversation.

    Attributes:
        check: as given.
    """

    def __init__(
        self, *, max_asked: int, max_bytes: int, check: Callable[[Any], object] | None = None
    ) -> None:
        self._max_asked = max_asked
        self._max_bytes = max_bytes
        self.check = check
        self._exchange: Exchange | None = None
        # What has a place: sent, and not answered.
        self._asked = 0
        self._bytes = 0
        # Those that wait for a place, each with its size, in the order in which they came.
        self._queue: dict[trio.Event, int] = {}
        self._asks: set[_Ask] = set()
        # Makes the error of a call that gets no answer.
        self._failure: Callable[[], Exception] = partial(
            trio.ClosedResourceError, "the client is used outside of its `async with` block"
        )

    @property
    def is_open(self) -> bool:
        """Whether requests can be sent."""
        return self._exchange is not None

    @property
    def waiting(self) -> int:
        """How many calls wait for the answer to what they have sent."""
        return len(self._asks)

    async def ask(self, data: bytes, key: Hashable = None) -> Any:
        """Send a request, and wait for its answer.

        Args:
            data: a whole line.
            key: its id, where answers have ids.

        Raises:
            Exception: what `end` was given, if no answer can come.
            TypeError, ValueError: the id cannot be used; nothing was sent.

        Cancellation: what has not been sent is not sent. If it has, its answer is dropped when it
        comes. Other calls are not affected. Always a checkpoint, unless it raises.
        """
        size = len(data)
        if self._exchange is not None:
            if self._queue or not self._has_place(size):
                await self._wait_for_place(size)
            else:
                self._asked += 1
                self._bytes += size
        # Checked after the wait: the conversation may have ended meanwhile.
        if self._exchange is None:
            raise self._failure()
        ask = _Ask(self, size)
        try:
            self._exchange.request(data, ask.take, key)
        except (TypeError, ValueError):
            self.free(size)
            raise
        self._asks.add(ask)
        try:
            await ask.done.wait()
        except trio.Cancelled:
            if self._exchange is not None and not ask.done.is_set() and self._exchange.abandon(key):
                self.free(size)
            raise
        finally:
            self._asks.discard(ask)
        if not ask.is_answered:
            raise self._failure()
        return ask.answer

    async def tell(self, data: bytes) -> None:
        """Send a line that has no answer, when its turn has come.

        Args:
            data: a whole line.

        Raises:
            Exception: what `end` was given.

        Cancellation: it was not sent. Always a checkpoint, unless it raises.
        """
        if self._exchange is not None:
            await self._wait_for_place(len(data))
        if self._exchange is None:
            raise self._failure()
        self._exchange.put(data)
        # Until it is sent, its bytes count as unsent ones.
        self.free(len(data))
        await trio.lowlevel.cancel_shielded_checkpoint()

    @asynccontextmanager
    async def talking(
        self,
        exchange: Exchange,
        *,
        over: AbstractAsyncContextManager[object],
        goodbye: Callable[[], Awaitable[object]] | None = None,
    ) -> AsyncIterator[None]:
        """Let requests be sent for as long as the block runs.

        What the block raises is not wrapped in a group.

        Args:
            exchange: sends them.
            over: closed when all has ended, such as the connection.
            goodbye: awaited when the block has ended without an error.
        """
        failure: BaseException | None = None
        try:
            async with over, trio.open_nursery() as nursery:
                self._exchange = exchange
                exchange.on_sent = self._give_places
                nursery.start_soon(exchange.send)
                nursery.start_soon(self._receive, exchange)
                try:
                    yield
                    if goodbye is not None:
                        await goodbye()
                except BaseException as error:
                    if is_cancellation(error):
                        raise
                    # Raised further below, because the nursery would wrap it in a group.
                    failure = error
                nursery.cancel_scope.cancel()
        finally:
            self.end(partial(trio.ClosedResourceError, "the client is closed"))
            # Raised only here, where nothing is awaited any more: a cancellation would replace it.
            if failure is not None:
                raise failure

    def end(self, failure: Callable[[], Exception]) -> None:
        """Make every waiting and every later call fail. The first reason given is kept.

        Args:
            failure: makes the error, for each call one of its own, because a traceback grows with
                each raise.
        """
        if self._exchange is None:
            return
        self._exchange = None
        self._failure = failure
        for ask in self._asks:
            ask.done.set()
        for turn in self._queue:
            turn.set()
        self._queue.clear()

    async def _receive(self, exchange: Exchange) -> None:
        try:
            await exchange.receive()
        except TrionetError as error:
            self.end(partial(type(error), str(error)))

    def _has_place(self, size: int) -> bool:
        # What nobody waits for any more may still be on its way out.
        unsent = 0 if self._exchange is None else self._exchange.unsent
        if not (self._asked or unsent):
            return True
        most = self._max_bytes - size
        return self._asked < self._max_asked and self._bytes <= most and unsent <= most

    async def _wait_for_place(self, size: int) -> None:
        if not self._queue and self._has_place(size):
            self._asked += 1
            self._bytes += size
            return
        turn = trio.Event()
        self._queue[turn] = size
        try:
            await turn.wait()
        except trio.Cancelled:
            if self._queue.pop(turn, None) is None:
                # It has got its place just now, and does not need it any more.
                self.free(size)
            else:
                # Those behind it may be shorter.
                self._give_places()
            raise

    def free(self, size: int) -> None:
        """Free the place of a request. Never a checkpoint."""
        self._asked -= 1
        self._bytes -= size
        if self._queue:
            self._give_places()

    def _give_places(self) -> None:
        while self._queue:
            turn = next(iter(self._queue))
            size = self._queue[turn]
            if not self._has_place(size):
                return
            del self._queue[turn]
            self._asked += 1
            self._bytes += size
            turn.set()


class _Ask:
    """One request until its answer has come. A cancelled call no longer waits for it."""

    __slots__ = ("_asking", "answer", "done", "is_answered", "size")

    def __init__(self, asking: Asking, size: int) -> None:
        self._asking = asking
        self.size = size
        self.done = trio.Event()
        self.is_answered = False
        self.answer: Any = None

    def take(self, answer: Any) -> None:
        asking = self._asking
        if asking.check is not None:
            asking.check(answer)
        asking.free(self.size)
        self.answer = answer
        self.is_answered = True
        self.done.set()
