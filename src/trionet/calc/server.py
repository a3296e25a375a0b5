"""The calculator as a service: one session for each connection.

Most lines are two plain numbers and an operator, and come a few at a time. They take the short way
in `serve`: answered in one go and sent with one call. Everything else goes through `_answer`, in
time slices.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial

import trio

from trionet.abc import Network
from trionet.argument_checks import check_flag
from trionet.calc.bounds import DEFAULT_PRECISION
from trionet.calc.evaluation import Arithmetic
from trionet.calc.fast_path import PAIR_COST
from trionet.calc.limits import ONE_AT_A_TIME
from trionet.calc.session import SESSION_ENDED, Session
from trionet.calc.tally import Tally
from trionet.calc.time_slice import PAIRS_A_SLICE, TIME_SLICE, TimeSlice, encode_answers
from trionet.connection.connection import Connection
from trionet.errors import AddressError, ListenError
from trionet.events import ServerEvent
from trionet.function_checks import check_callback
from trionet.limits import Limits
from trionet.lines import Line
from trionet.notices import ServerClosing
from trionet.nurseries import single_error
from trionet.server import Server, WhenFull, check_serving
from trionet.server import serve as serve_lines
from trionet.transport.network import SYSTEM
from trionet.user_faults import FaultLog

logger = logging.getLogger("trionet.calc")


async def serve(
    *addresses: str,
    limits: Limits = ONE_AT_A_TIME,
    once: bool = False,
    precision: int = DEFAULT_PRECISION,
    backlog: int | None = None,
    on_event: Callable[[ServerEvent], object] | None = None,
    show: Callable[[str], object] | None = None,
    network: Network = SYSTEM,
    task_status: trio.TaskStatus[Server] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve calculator sessions until drained or cancelled.

    Clients over ``limits.max_clients`` wait in the listen backlog until a session ends.

    Args:
        addresses: see `trionet.parse_address`.
        limits: default `ONE_AT_A_TIME`.
        once: end after the first session in which a name was given; default ``False``.
        precision: significant digits of a result, 1 to 100; default 28.
        backlog: how many connections the kernel holds until they are accepted; default 4,096, or
            what the kernel allows.
        on_event: see `trionet.serve`; default ``None``.
        show: called with each line for the console; it must not block. Default ``None``: there is
            no console. What it raises is logged once, and costs only its line.
        network: where to listen; default the real network.
        task_status: gets the `trionet.Server` once it accepts connections.

    Raises:
        TypeError, ValueError, AddressError, ListenError: as `trionet.serve`.

    Cancellation: immediate; the console still shows the end of every session.

    Resource handling: closes everything it opened, however it ends.
    """
    check_serving(
        addresses,
        caller="calc.serve",
        limits=limits,
        on_event=on_event,
        backlog=backlog,
        network=network,
    )
    check_flag("once", once)
    check_callback("show", show)
    show_all = FaultLog(logger).shielded_each("show", show)
    arithmetic = Arithmetic(precision)
    tally = Tally()
    # Set when the first session ends; and by a drain, or `once` could wait for ever.
    finished = trio.Event()
    # With one client at a time it is clear whose session has ended.
    names_the_end = limits.max_clients != 1

    async def handle(connection: Connection) -> None:
        if once and finished.is_set():
            # This client was accepted between the end of the one session and the drain.
            connection.tell(ServerClosing())
            return
        session = Session(arithmetic)
        lines, outbox = connection.lines, connection.outbox
        time_slice = TimeSlice(outbox, tally)
        if show is None:
            connection.answer_at_once(partial(_answer_pairs, session, tally))
        try:
            # Written out here, not in functions: waking a task through two more coroutines took 4 %
            # of the time of a line.
            while not session.ended and (part := await lines.receive_batch()):
                is_short = show_all is None and len(part) <= PAIRS_A_SLICE
                answers = session.answer_pairs(part) if is_short else []
                if len(answers) == len(part):
                    # Nearly always this has answered everything.
                    tally.pairs += len(answers)
                    outbox.put(encode_answers(answers))
                else:
                    time_slice.begin(answers)
                    await _answer(session, part[len(answers) :], time_slice, show_all, connection)
                # Do not work ahead of a client that does not read. When everything was sent, the
                # checkpoint in the next receive_batch is enough.
                if outbox.is_blocked:
                    await outbox.flush()
                # While a client is idle, its last lines need not stay in memory.
                del part
        finally:
            if session.name is not None:
                if show_all is not None:
                    show_all(
                        [f"{session.name}: {SESSION_ENDED}" if names_the_end else SESSION_ENDED]
                    )
                finished.set()

    with single_error(AddressError, ListenError):
        async with trio.open_nursery() as nursery:
            server: Server = await nursery.start(
                partial(
                    serve_lines,
                    handle,
                    *addresses,
                    limits=limits,
                    when_full=WhenFull.WAIT,
                    identifies=True,
                    on_drain=finished.set,
                    on_event=on_event,
                    backlog=backlog,
                    network=network,
                )
            )
            server.metrics.add(tally.readings)
            task_status.started(server)
            if once:
                await finished.wait()
                await server.drain()


def _answer_pairs(session: Session, tally: Tally, lines: list[Line]) -> tuple[bytes, list[Line]]:
    """Answer lines without waking their session's task, and return those that only it can."""
    if len(lines) > PAIRS_A_SLICE:
        return b"", lines
    answers = session.answer_pairs(lines)
    left = lines[len(answers) :]
    tally.pairs += len(answers)
    return encode_answers(answers) if answers else b"", left


async def _answer(
    session: Session,
    lines: list[Line],
    time_slice: TimeSlice,
    show_all: Callable[[list[str]], object] | None,
    connection: Connection,
) -> None:
    """Answer any lines, in as many time slices as it takes."""
    done = 0
    while done < len(lines) and not session.ended:
        if not time_slice.has_room(PAIR_COST):
            await time_slice.end()
        chunk = lines[done : done + (TIME_SLICE - time_slice.spent) // PAIR_COST]
        answers = session.answer_pairs(chunk)
        if answers:
            if show_all is not None:
                name = session.name
                pairs = zip(chunk, answers, strict=False)
                show_all([f"{name}: {line} = {answer}" for line, answer in pairs])
            time_slice.add_pairs(answers)
            done += len(answers)
            continue
        reply = await time_slice.finish(session.receiving(lines[done]))
        done += 1
        if connection.name is None and session.name is not None:
            connection.identify(session.name)
        if reply.printed is not None and show_all is not None:
            show_all([reply.printed])
        if reply.answer is not None:
            time_slice.answers.append(reply.answer)
    time_slice.send_answers()
