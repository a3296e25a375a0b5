"""`Requests`: ask a server, and get the answer, over a connection of `trionet.connect`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Hashable
from contextlib import asynccontextmanager, nullcontext
from typing import Any

import trio

from trionet.argument_checks import check_seconds
from trionet.connection.answer_matching import ById, ByOrder, Matching
from trionet.connection.asking import Asking
from trionet.connection.exchange import Exchange
from trionet.connection.generator_context import EnteredOnce
from trionet.connection.linestream import LineStream
from trionet.encoding import check_lines
from trionet.errors import AnswerTimedOut
from trionet.function_checks import check_callback
from trionet.nurseries import single_error
from trionet.type_checks import check_kind, check_kinds


class Requests(EnteredOnce):
    """Requests and their answers over one connection, for any number of tasks at the same time.

    An async context manager.

        async with trionet.connect("localhost:7000") as server, server.requests() as requests:
            print(await requests.ask("hello"))

    `ask` sends a line and returns the one that answers it. It does not wait for the answers to
    earlier lines, and what several tasks ask at the same time goes out together. Answers belong to
    requests by their order, or by an id that they carry.

    Args:
        lines: the connection. It belongs to this object from now on: nobody else sends or receives.
            Whoever opened it closes it.
        id_of: an ordinary function that returns the id of an answer, anything that can be a key of
            a dict; ``None``: this line is not an answer. `ask` then takes the id of each request.
            Default: answers come in the order of the requests, one line each.
        on_line: an ordinary function that is called with each line that answers no request, such as
            an event. What it raises ends the block, and is raised there. Default: such a line is a
            mistake of the server, and ends the conversation.
        timeout: how long an answer may take by default, in seconds; ``None``: as long as it likes.
        max_asked: how many requests may be without an answer; more wait for their turn. Default
            1,024.
        max_bytes: how many bytes these requests may have together; default 1 MiB. A single longer
            one is sent all the same.

    Raises:
        TypeError, ValueError: an argument is of the wrong kind; the message says what to write.

    Cancellation: leaving closes at once.

    Resource handling: two tasks of its own end with the block. The connection is not closed, but of
    no more use: a request may be half sent. Calls of other tasks that still wait raise
    ``trio.ClosedResourceError``. What the block raises is not wrapped in a group.

    If the server ends the connection, sends a line that cannot be read, one without an id, or one
    that nobody asked for, each call that waits raises a `trionet.ConnectionLost`, and so does each
    later one. The block itself goes on; `wait_lost` tells it of the loss.
    """

    def __init__(
        self,
        lines: LineStream[Any],
        *,
        id_of: Callable[[Any], Hashable] | None = None,
        on_line: Callable[[Any], object] | None = None,
        timeout: float | None = None,
        max_asked: int = 1024,
        max_bytes: int = 1 << 20,
    ) -> None:
        check_kind("lines", lines, LineStream, hint="connect(...).requests()")
        check_callback("id_of", id_of)
        check_callback("on_line", on_line)
        if timeout is not None:
            check_seconds("timeout", timeout)
        check_kinds(max_asked=(max_asked, int), max_bytes=(max_bytes, int))
        if max_asked < 1 or max_bytes < 1:
            raise ValueError("max_asked and max_bytes must be at least 1")
        self._lines = lines
        self._timeout = timeout
        matching: Matching = ByOrder() if id_of is None else ById(id_of, remembered=max_asked)
        self._exchange = Exchange(lines, matching, on_line=on_line)
        self._asking = Asking(max_asked=max_asked, max_bytes=max_bytes)

    def __repr__(self) -> str:
        state = f"{self._asking.waiting} waiting" if self._asking.is_open else "closed"
        return f"<trionet.Requests over {self._lines!r}: {state}>"

    async def ask(
        self,
        line: str | bytes,
        *,
        id: Hashable = None,  # noqa: A002  what protocols call it
        timeout: float | None = None,
    ) -> Any:
        """Send a line, and return the line that answers it.

        Args:
            line: a text, or bytes with their end if the connection has ``decode=False``.
            id: the id of the request, where there is an ``id_of``. It stands in the line too: this
                is only how its answer is found. It can be used again once its answer has come.
                Default ``None``: there is none.
            timeout: how long the answer may take, in seconds, with the wait for a turn; default
                that of the object.

        Raises:
            AnswerTimedOut: no answer came in time. If one comes later, it is dropped.
            ConnectionLost: the connection was lost, before this call or during it.
            trio.ClosedResourceError: the call is made outside of the block, or the block has ended.
            UnsendableLine: the text does not fit in one line. Nothing was sent, here and below.
            TypeError: `line` is not a line, or `timeout` not a number.
            ValueError: there must be an id and there is none, or the other way round; another
                request with this id has no answer yet; `timeout` is negative; or bytes have no end.

        Cancellation: if the request was not sent yet, it is not sent; if it was, its answer is
        dropped when it comes. Other calls are not affected. Always a checkpoint, unless it raises.
        """
        data = check_lines(self._lines.encode_lines((line,)))
        if timeout is not None:
            check_seconds("timeout", timeout)
        seconds = self._timeout if timeout is None else timeout
        if seconds is None:
            return await self._asking.ask(data, id)
        with trio.move_on_after(seconds):
            return await self._asking.ask(data, id)
        raise AnswerTimedOut(f"no answer within {seconds:g} seconds")

    async def tell(self, line: str | bytes) -> None:
        """Send a line that has no answer, after what was asked before.

        It waits while too much waits to be sent.

        Raises:
            ConnectionLost, trio.ClosedResourceError: as `ask`.
            TypeError, ValueError, UnsendableLine: as `ask`.

        Cancellation: the line was not sent. Always a checkpoint, unless it raises.
        """
        await self._asking.tell(check_lines(self._lines.encode_lines((line,))))

    async def wait_lost(self) -> None:
        """Wait until the server has ended the connection. Always a checkpoint."""
        await self._exchange.wait_ended()

    @asynccontextmanager
    async def _run(self) -> AsyncIterator[None]:
        with single_error(Exception):
            async with self._asking.talking(self._exchange, over=nullcontext()):
                yield
