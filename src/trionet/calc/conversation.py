"""A whole session for a user interface, a person or a pipe: operations in, results out.

`trionet calc connect` and the demo use it, and so can programs of your own.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Awaitable, Callable

import trio

from trionet.argument_checks import check_flag, check_lines_to_send, check_stream
from trionet.calc.errors import MalformedExpression
from trionet.calc.pipeline import ERROR, MAX_IN_FLIGHT, Pipeline, read_request
from trionet.calc.session import SESSION_ENDED, check_name, is_quit
from trionet.calc.tokens import BLANK
from trionet.errors import BadLine, TrionetError
from trionet.function_checks import check_answering, check_callback
from trionet.lines import Line
from trionet.nurseries import single_error
from trionet.type_checks import check_kinds

# How long an answer may take before the user is told that the server is busy: longer than any line
# takes to calculate, and not so long that the user wonders.
WAITING_SECONDS = 1.0

_WAITING = "waiting: the calculator seems to be serving somebody else"
_SERVED = "it is your turn"


async def converse(
    stream: trio.abc.Stream,
    name: str,
    operations: AsyncIterable[Line],
    *,
    show: Callable[[str], object],
    refuse: Callable[[str, TrionetError], object],
    one_at_a_time: bool = False,
    wait_room: Callable[[], Awaitable[object]] | None = None,
    note: Callable[[str], object] | None = None,
) -> int:
    """Hold one session, from the name to ``Session ended``.

    Each operation is checked before it is sent: a malformed one is refused and not sent, a blank
    one is skipped. The session ends at a `q` or at the end of the operations, once everything has
    been answered.

    Args:
        stream: a connection to a calculator server; the caller closes it.
        name: the client's name.
        operations: what to calculate, one line each.
        show: called with each line for standard output: the replies in order, and at the end
            ``Session ended``.
        refuse: called with each line that is not sent, as it came, and with the error: a
            `MalformedExpression`, or a `trionet.BadLine` with an empty line.
        one_at_a_time: wait for the reply before taking the next operation, as a person does.
            Default ``False``: operations are sent as they come, at most 4,096 ahead of the replies.
        wait_room: awaited after the replies of each part. With it a slow `show` can make the
            server wait. Default ``None``: nothing is awaited.
        note: called with a line for the user when the server has not answered the first operation
            within one second, for example because it serves somebody else, and with another line
            when it does. Default ``None``: nobody is told.

    Returns:
        How many operations failed: refused here, or answered by an error.

    Raises:
        TypeError: an argument is of the wrong kind; the message says what to write.
        UnfitName: the name cannot be used; nothing was sent.
        NotServed: the server refuses the name, or does not serve this client at all.
        ConnectionLost: the server closed the connection first.

    Cancellation: immediate; the session just stops.
    """
    check_stream(stream, methods=["send_all", "receive_some"])
    check_kinds(name=(name, str))
    check_lines_to_send("operations", operations)
    check_callback("show", show, optional=False)
    check_callback("refuse", refuse, arguments=2, optional=False)
    check_flag("one_at_a_time", one_at_a_time)
    check_answering("wait_room", wait_room, arguments=0)
    check_callback("note", note)
    pipeline = Pipeline(stream, check_name(name), wait_room=wait_room)
    failed = 0
    is_waiting = False

    def take(reply: str) -> None:
        nonlocal failed, is_waiting
        if is_waiting and note is not None:
            is_waiting = False
            note(_SERVED)
        failed += reply.startswith(ERROR)
        show(reply)

    async def tell_of_waiting(note: Callable[[str], object]) -> None:
        nonlocal is_waiting
        await pipeline.wait_asked()
        with trio.move_on_after(WAITING_SECONDS):
            await pipeline.wait_heard()
            return
        is_waiting = True
        note(_WAITING)

    with single_error(TrionetError):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(pipeline.send)
            nursery.start_soon(pipeline.receive)
            if note is not None:
                nursery.start_soon(tell_of_waiting, note)
            async for line in operations:
                if isinstance(line, BadLine):
                    failed += 1
                    refuse("", line)
                elif is_quit(line):
                    break
                elif line.strip(BLANK):
                    try:
                        pipeline.ask(read_request(line), take)
                    except MalformedExpression as error:
                        failed += 1
                        refuse(line, error)
                        continue
                    if one_at_a_time:
                        await pipeline.wait_in_flight(0)
                    elif pipeline.in_flight >= MAX_IN_FLIGHT:
                        # Wait until half are answered, or each reply would wake this task to send
                        # one operation.
                        await pipeline.wait_in_flight(MAX_IN_FLIGHT // 2)
            await pipeline.quit()
            nursery.cancel_scope.cancel()
    show(SESSION_ENDED)
    return failed
