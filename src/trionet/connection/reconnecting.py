"""A client's connections to one server: a new one each time the old one is lost.

A connection is a `LineStream` that lives for one turn of a loop. What a client says at the
beginning (a login, what it wants to hear) stands in the loop's body, so a new connection starts
where the first one did. Nothing else here knows what the lines mean.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Generic, Literal, Self, overload

import trio

from trionet.abc import Network
from trionet.argument_checks import check_flag, check_network
from trionet.connection.backoff import jittered, pauses_without_end
from trionet.connection.input_end import why_lost
from trionet.connection.linestream import LineStream
from trionet.connection.requests import Requests
from trionet.errors import ConnectError
from trionet.function_checks import check_callback
from trionet.lines import MAX_LINE_TO_CLIENT, LineT
from trionet.transport.addresses import check_decodes
from trionet.transport.network import SYSTEM
from trionet.type_checks import check_kinds

# How long one try may take, after the first. A host that is switched off answers nothing, and the
# kernel would wait for two minutes, in which the host may be back.
_TRY_SECONDS = 10.0
# A connection that stood as long as the longest pause was a good one.
_GOOD_SECONDS = 30.0


class connect(Generic[LineT]):  # noqa: N801  used like a function: `async with trionet.connect(…)`
    """Connect to a server, and connect again whenever the connection is lost.

        async with trionet.connect("localhost:7000") as connections:
            async for lines in connections:
                await lines.send("hello")
                async for line in lines:
                    print(line)

    The loop's body runs once for each connection. When it comes to its end, the connection is
    closed, and the loop waits a little and makes the next one, for ever; ``break`` leaves. Why a
    class and a block around the loop: whoever opens closes, and only a block can close what a
    ``break`` or an error in the body leaves open.

    A server that goes away ends ``async for line in lines`` quietly, but `LineStream.send` raises
    ``trio.BrokenResourceError`` then. Write ``with suppress(trio.BrokenResourceError):`` around
    the body if it sends.

    The pauses are 0.25, 0.5, 1, 1, … seconds for half a minute, and then double up to 30, each a
    quarter longer or shorter at random. They begin anew after a connection that stood for 30
    seconds, or that `worked` was called for.

    Args:
        address: where the server is; see `trionet.parse_address`.
        network: what to connect over; default the real network.
        max_line: content bytes that a line from the server may have; default 65,536.
        decode: whether lines are texts; default ``True``. With ``False`` they are bytes with their
            ends, as with `trionet.serve`.
        on_pause: called before each pause with its length in seconds and a text that says why;
            default ``None``: nothing is told. Not async; what it raises ends the loop.

    Raises:
        AddressError: the address cannot be read.
        TypeError: an argument has the wrong type; the message says what to write.
        ValueError: ``decode=False`` with a ``web:`` address: a WebSocket's lines are texts.

    Entering makes the first connection, and raises:
        ConnectError: nobody answers there. It is not tried again: the address may be wrong.

    Cancellation: entering and the loop leave nothing behind. Both are always checkpoints.

    Resource handling: at most one connection is open. It is closed when its turn of the loop is
    over, and at the end of the block.
    """

    __slots__ = (
        "_address", "_decode", "_is_new", "_lines", "_max_line", "_network", "_on_pause", "_opened",
        "_pauses",
    )  # fmt: skip

    @overload
    def __init__(
        self: connect[bytes],
        address: str,
        *,
        network: Network = SYSTEM,
        max_line: int = MAX_LINE_TO_CLIENT,
        decode: Literal[False],
        on_pause: Callable[[float, str], object] | None = None,
    ) -> None: ...

    @overload
    def __init__(
        self,
        address: str,
        *,
        network: Network = SYSTEM,
        max_line: int = MAX_LINE_TO_CLIENT,
        decode: bool = True,
        on_pause: Callable[[float, str], object] | None = None,
    ) -> None: ...

    def __init__(
        self,
        address: str,
        *,
        network: Network = SYSTEM,
        max_line: int = MAX_LINE_TO_CLIENT,
        decode: bool = True,
        on_pause: Callable[[float, str], object] | None = None,
    ) -> None:
        check_flag("decode", decode)
        check_decodes(address, decode=decode)
        check_network(network)
        check_kinds(max_line=(max_line, int))
        check_callback("on_pause", on_pause, arguments=2)
        self._address = address
        self._network = network
        self._max_line = max_line
        self._decode = decode
        self._on_pause = on_pause
        self._lines: LineStream[LineT] | None = None
        self._opened = 0.0
        self._is_new = False
        self._pauses: Iterator[float] = pauses_without_end()

    def __repr__(self) -> str:
        state = "not connected" if self._lines is None else "connected"
        return f"<trionet.connect to {self._address}: {state}>"

    def worked(self) -> None:
        """Take note that the server serves this client: the next pause is the shortest one.

        Call it where that is sure, such as after a login. A server that accepts a connection only
        to say that it is full does not serve it. Never a checkpoint.
        """
        self._pauses = pauses_without_end()

    def requests(self, **options: Any) -> Requests:
        """Return a `trionet.Requests` that asks over the connection that stands now.

            async with trionet.connect(address) as server, server.requests(timeout=5) as requests:
                answer = await requests.ask("hello")

        It does not connect again. A client that should do so enters a `trionet.Requests` of its own
        for each connection, in the loop.

        Args:
            options: those of `trionet.Requests`.

        Raises:
            RuntimeError: this is not entered yet.
            TypeError, ValueError: as `trionet.Requests`.
        """
        return Requests(self.lines, **options)

    @property
    def lines(self) -> LineStream[LineT]:
        """The connection that stands now, for a client that does not connect again.

        Raises:
            RuntimeError: this is not entered yet.
        """
        if self._lines is None:
            raise RuntimeError("enter the connection first: `async with trionet.connect`")
        return self._lines

    async def __aenter__(self) -> Self:
        if self._lines is not None:
            raise RuntimeError("a `connect` is entered once: make another")
        self._lines = await self._connect()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._lines is not None
        await self._lines.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> LineStream[LineT]:
        if self._lines is None:
            raise RuntimeError("enter the connection before the loop: `async with trionet.connect`")
        if self._is_new:
            await trio.lowlevel.checkpoint()
        else:
            await self._connect_again(self._lines)
        self._is_new = False
        return self._lines

    async def _connect_again(self, old: LineStream[LineT]) -> None:
        reason = why_lost(old.end)
        if trio.current_time() - self._opened >= _GOOD_SECONDS:
            self.worked()
        await old.aclose()
        while not self._is_new:
            seconds = jittered(next(self._pauses), random.random())
            if self._on_pause is not None:
                self._on_pause(seconds, reason)
            await trio.sleep(seconds)
            reason = f"cannot connect to {self._address}: no answer"
            with trio.move_on_after(_TRY_SECONDS):
                try:
                    self._lines = await self._connect()
                except ConnectError as error:
                    reason = str(error)

    async def _connect(self) -> LineStream[LineT]:
        stream = await self._network.connect(self._address)
        self._opened = trio.current_time()
        self._is_new = True
        return LineStream(stream, max_line=self._max_line, decode=self._decode)
