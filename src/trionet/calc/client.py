"""The calculator for Python programs: an expression in, a ``Decimal`` out."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal

import trio

from trionet.abc import Network
from trionet.argument_checks import check_network
from trionet.calc.errors import CalculationError
from trionet.calc.pipeline import ERROR, GOODBYE_SECONDS, MAX_IN_FLIGHT, Pipeline, read_request
from trionet.calc.session import check_name
from trionet.connection.asking import Asking
from trionet.connection.generator_context import EnteredOnce
from trionet.encoding import encode_line
from trionet.errors import ConnectionLost
from trionet.lines import MAX_LINE
from trionet.transport.addresses import parse_address
from trionet.transport.network import SYSTEM
from trionet.type_checks import check_kinds, shown

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

    # The client has a nursery of its own. Letting the call that waits longest read for all would
    # not do: requests have to be sent while replies are read (`trionet.connection.exchange`), a
    # cancelled call must not leave half a line on its way, and a lost connection should be noticed
    # before the next call. `Asking` opens the nursery inside a generator-based context manager, so
    # that its cancel scope nests as `async with` blocks do.

    def __init__(self, address: str, *, name: str, network: Network = SYSTEM) -> None:
        parse_address(address)
        check_kinds(name=(name, str))
        check_network(network)
        self._address = address
        self._name = check_name(name)
        self._network = network
        self._is_connecting = False
        self._asking = Asking(
            max_asked=MAX_IN_FLIGHT, max_bytes=MAX_IN_FLIGHT * (MAX_LINE + 1), check=_check_reply
        )

    def __repr__(self) -> str:
        if self._block is None:
            state = "not connected yet"
        elif not self._asking.is_open:
            state = "connecting" if self._is_connecting else "closed"
        else:
            state = f"{self._asking.waiting} waiting"
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
        reply: str = await self._asking.ask(encode_line(request))
        if reply.startswith(ERROR):
            raise CalculationError(reply.removeprefix(ERROR))
        return Decimal(reply)

    @asynccontextmanager
    async def _run(self) -> AsyncIterator[None]:
        self._is_connecting = True
        try:
            stream = await self._network.connect(self._address)
        finally:
            self._is_connecting = False
        pipeline = Pipeline(stream, self._name)

        async def quit_in_time() -> None:
            with trio.move_on_after(GOODBYE_SECONDS):
                await pipeline.quit()

        async with self._asking.talking(pipeline, over=stream, goodbye=quit_in_time):
            yield


def _check_reply(reply: str) -> None:
    if not reply.startswith(ERROR) and not _RESULT.fullmatch(reply):
        # After this, no later reply can be trusted either.
        raise ConnectionLost(f"the server does not speak this protocol: {reply[:100]!r}")
