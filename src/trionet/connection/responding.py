"""`respond`: the handler of a service that answers each line, and may take its time.

A service that only calculates is a plain function (`line_function.py`). This is for one that waits
for something else, such as a database: several lines of one peer are then worked on at a time,
within a bound, and each has a deadline.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias, cast

import trio

from trionet.argument_checks import check_flag, check_seconds
from trionet.connection.connection import Connection
from trionet.errors import BadLine
from trionet.function_checks import check_answering
from trionet.lines import Line
from trionet.notices import LineRejected, RequestTimedOut
from trionet.type_checks import check_kind

# With texts, or with bytes where the lines of the connection are bytes.
AnswerLine: TypeAlias = (
    Callable[[str], Awaitable[str | None]] | Callable[[bytes], Awaitable[bytes | None]]
)


async def respond(
    connection: Connection,
    answer: AnswerLine,
    *,
    concurrent: int = 1,
    timeout: float | None = None,
    in_order: bool = True,
) -> None:
    """Answer a peer's lines until they end.

    Args:
        connection: the peer.
        answer: an async function, called with each good line, a text, or bytes if
            ``connection.decode`` is false. What it returns is sent as ``connection.send`` does it;
            ``None``: nothing is sent. A bad line is answered in its place, as by
            ``connection.lines``.
        concurrent: how many lines may be worked on at a time; default 1. Answers that have to wait
            for an earlier one count too, so this bounds what is held for the peer.
        timeout: how long one answer may take, in seconds; default: as long as it likes. Then
            `answer` is cancelled, the peer is told a `trionet.RequestTimedOut`, by default
            ``error: no answer within 5 seconds``, and the session goes on.
        in_order: whether answers go out in the order of the lines; default ``True``. With ``False``
            each goes out as soon as it is there, for a service whose answers carry the id of what
            they answer. This needs a `concurrent` above 1.

    Raises:
        Exception: what `answer` raised, perhaps in a group; the answers to the lines before may
            not be sent.
        UnsendableLine: it returned a text that is not a line.
        trio.BrokenResourceError: the peer is gone. A handler may let this through.
        TypeError, ValueError: an argument is of the wrong kind; raised at once.

    Cancellation: lines that were not answered yet are lost.

    A peer that does not read makes this wait, and then reads no more of its lines.
    """
    check_kind("connection", connection, Connection, hint="respond(connection, answer)")
    check_answering("answer", answer)
    if answer is None:
        raise TypeError("answer must be an async function, not None")
    check_kind("concurrent", concurrent, int)
    if concurrent < 1:
        raise ValueError("concurrent must be at least 1")
    if timeout is not None:
        check_seconds("timeout", timeout)
    check_flag("in_order", in_order)

    async def answer_line(line: Line) -> bytes:
        if isinstance(line, BadLine):
            return connection.encoded(LineRejected(line))
        with trio.move_on_after(timeout if timeout is not None else float("inf")):
            answered = await cast(Callable[[object], Awaitable[str | None]], answer)(line)
            return b"" if answered is None else connection.encode_lines((answered,))
        assert timeout is not None
        connection.note_passed("request")
        return connection.encoded(RequestTimedOut(timeout))

    if concurrent == 1:
        while part := await connection.lines.receive_batch():
            for line in part:
                await _send(connection, await answer_line(line))
        return
    places = trio.Semaphore(concurrent)

    async def answer_in_turn(line: Line, turn: trio.Event, done: trio.Event) -> None:
        try:
            answered = await answer_line(line)
            if in_order:
                await turn.wait()
            await _send(connection, answered)
            # Not after a failure: the next answer would take the place of one that never came.
            done.set()
        finally:
            places.release()

    async with trio.open_nursery() as nursery:
        turn = trio.Event()
        turn.set()
        while part := await connection.lines.receive_batch():
            for line in part:
                await places.acquire()
                done = trio.Event()
                nursery.start_soon(answer_in_turn, line, turn, done)
                turn = done


async def _send(connection: Connection, lines: bytes) -> None:
    outbox = connection.outbox
    if lines:
        outbox.put(lines)
    if outbox.broken:
        raise trio.BrokenResourceError("the peer is gone")
    # Do not work ahead of a peer that does not read.
    if outbox.is_blocked:
        await outbox.flush()
