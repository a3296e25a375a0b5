"""The calculator for Python programs: an expression in, a ``Decimal`` out."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from functools import partial

import trio

from trionet.abc import Network
from trionet.calc.errors import CalculationError
from trionet.calc.pipeline import ERROR, GOODBYE_SECONDS, MAX_IN_FLIGHT, Pipeline, read_request
from trionet.calc.session import check_name
from trionet.checks import check_network
from trionet.connection.entered_once import EnteredOnce, is_cancellation
from trionet.errors import ConnectionLost, TrionetError
from trionet.kinds import check_kinds, shown
from trionet.transport.addresses import parse_address
from trionet.transport.network import SYSTEM

# A result as servers write it. `Decimal` itself accepts more, such as `NaN`, `1_000` and the digits
# of other scripts.
_RESULT = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:E[+-][0-9]{1,9})?")


class Client(EnteredOnce):
    """A session with a calculator server, which any number of tasks can use at the same time.

    An async context manager: entering it connects, and leaving it ends the session.

        async with Client("localhost:22333", name="ann") as calc:
            assert await calc("12 + 42") == 54

    A call waits for its own result and does not hold up others: requests that several tasks make at
    the same time are sent together, and each task gets its own reply. ``ans`` is the last result in
    the order in which the session's requests were sent, so it is useful only if one task asks at a
    time.

    Args:
        address: where the server is; see `trionet.parse_address`.
        name: who this client is, for the server's console.
        network: what to connect over; default the real network.

    Raises:
        AddressError: the address cannot be read.
        UnfitName: nobody can have this name.
        TypeError: an argument has the wrong type; the message says what to write.

    Entering raises:
        ConnectError: nobody answers there.

    Cancellation: entering leaves nothing behind; leaving closes at once.

    Resource handling: the client's two tasks and its connection end with the block. What the block
    raises is not wrapped in a group. Leaving waits until everything is answered and the server has
    closed, for two seconds at most. If the block has failed or was cancelled, it waits for nothing.
    """

    # The client has a nursery of its own. It would not do to let the call that waits longest read
    # for all: requests have to be sent while replies are read (see `trionet.calc.pipeline`), a
    # cancelled call must not leave half a line on its way, and a lost connection should be noticed
    # before the next call. `_run` opens the nursery inside a generator-based context manager, so
    # that its cancel scope nests as `async with` blocks do.

    def __init__(self, address: str, *, name: str, network: Network = SYSTEM) -> None:
        parse_address(address)
        check_kinds(name=(name, str))
        check_network(network)
        self._address = address
        self._name = check_name(name)
        self._network = network
        self._pipeline: Pipeline | None = None
        self._is_connecting = False
        self._room = trio.Semaphore(MAX_IN_FLIGHT)
        self._waiting: set[_Ask] = set()
        # Makes the error of a call that gets no reply.
        self._failure: Callable[[], Exception] = partial(
            trio.ClosedResourceError, "the client is used outside of its `async with` block"
        )

    def __repr__(self) -> str:
        if self._block is None:
            state = "not connected yet"
        elif self._pipeline is None:
            state = "connecting" if self._is_connecting else "closed"
        else:
            state = f"{len(self._waiting)} waiting"
        return f"<Client {self._name!r} of {self._address}: {state}>"

    async def __call__(self, expression: str) -> Decimal:
        """Have the server calculate an expression.

        Args:
            expression: such as ``2 * (3 + 4)``; at most 4,096 bytes.

        Returns:
            The result exactly as the server gave it, rounded to the server's precision.

        Raises:
            TypeError: the expression is not a string.
            MalformedExpression: this is not an expression; nothing was sent.
            CalculationError: the expression has no result, such as ``1 / 0``.
            NotServed: the server does not serve this client.
            ConnectionLost: the connection was lost, before this call or during it.
            trio.ClosedResourceError: the client is used outside its block.

        Cancellation: the server may still calculate the expression, so that it becomes the next
        ``ans``; the result is dropped. Other calls are not affected. Always a checkpoint, unless it
        raises.
        """
        if not isinstance(expression, str):
            raise TypeError(f"an expression is a text, such as '12 + 42', not {shown(expression)}")
        request = read_request(expression)
        if self._pipeline is not None:
            try:
                self._room.acquire_nowait()
            except trio.WouldBlock:
                await self._room.acquire()
        # Check again: the session may have ended while this call waited.
        if self._pipeline is None:
            raise self._failure()
        ask = _Ask(self._room)
        self._pipeline.ask(request, ask.take)
        self._waiting.add(ask)
        try:
            await ask.done.wait()
        finally:
            self._waiting.discard(ask)
        if ask.reply is None:
            raise self._failure()
        if ask.reply.startswith(ERROR):
            raise CalculationError(ask.reply.removeprefix(ERROR))
        return Decimal(ask.reply)

    @asynccontextmanager
    async def _run(self) -> AsyncIterator[None]:
        failure: BaseException | None = None
        self._is_connecting = True
        try:
            async with (
                await self._network.connect(self._address) as stream,
                trio.open_nursery() as nursery,
            ):
                self._is_connecting = False
                self._pipeline = pipeline = Pipeline(stream, self._name)
                nursery.start_soon(pipeline.send)
                nursery.start_soon(self._receive, pipeline)
                try:
                    yield
                    with trio.move_on_after(GOODBYE_SECONDS):
                        await pipeline.quit()
                except BaseException as error:
                    if is_cancellation(error):
                        raise
                    # Raised further below, because the nursery would wrap it in a group.
                    failure = error
                nursery.cancel_scope.cancel()
        finally:
            self._is_connecting = False
            self._end(partial(trio.ClosedResourceError, "the client is closed"))
            # Raised only here, where nothing is awaited any more: a cancellation would replace it.
            if failure is not None:
                raise failure

    async def _receive(self, pipeline: Pipeline) -> None:
        try:
            await pipeline.receive()
        except TrionetError as error:
            # Each call gets an error of its own, because a traceback grows with each raise.
            self._end(partial(type(error), str(error)))

    def _end(self, failure: Callable[[], Exception]) -> None:
        """Make every waiting and every later call fail. The first reason given is kept."""
        if self._pipeline is None:
            return
        self._pipeline = None
        self._failure = failure
        for ask in self._waiting:
            ask.done.set()
        for _ in range(self._room.statistics().tasks_waiting):
            self._room.release()


class _Ask:
    """One call, until its reply has come. A cancelled call no longer waits for it."""

    __slots__ = ("_room", "done", "reply")

    def __init__(self, room: trio.Semaphore) -> None:
        self._room = room
        self.done = trio.Event()
        self.reply: str | None = None

    def take(self, reply: str) -> None:
        if not reply.startswith(ERROR) and not _RESULT.fullmatch(reply):
            # The replies after this one cannot be trusted either.
            raise ConnectionLost(f"the server does not speak this protocol: {reply[:100]!r}")
        self._room.release()
        self.reply = reply
        self.done.set()
