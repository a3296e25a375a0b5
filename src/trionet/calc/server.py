"""The calculator as a service: sessions over connections."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import trio

from trionet.calc.expression import DEFAULT_PRECISION, Arithmetic
from trionet.calc.session import SESSION_ENDED, Session
from trionet.connection import Connection
from trionet.errors import AddressError, ListenError
from trionet.events import ServerEvent
from trionet.groups import single_error
from trionet.limits import Limits
from trionet.lines import encode_lines
from trionet.network import SYSTEM, Network
from trionet.server import Server, WhenFull
from trionet.server import serve as serve_lines

# One connection is handled at a time: the rule of the exercise. So one that is silent keeps the
# others waiting: half a minute for a name, five for an operation are enough for a person.
ONE_AT_A_TIME = Limits(max_clients=1, login_timeout=30, idle_timeout=300)

# Lines answered between two checkpoints: some 2 ms, in which no other client is served.
_LINES_AT_ONCE = 256


async def serve(
    *addresses: str,
    limits: Limits = ONE_AT_A_TIME,
    once: bool = False,
    precision: int = DEFAULT_PRECISION,
    backlog: int | None = None,
    on_event: Callable[[ServerEvent], object] | None = None,
    show: Callable[[str], object] = lambda _line: None,
    network: Network = SYSTEM,
    task_status: trio.TaskStatus[Server] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve calculator sessions until drained or cancelled.

    Clients over ``limits.max_clients`` wait in the listen backlog until a session ends.

    Args:
        addresses: see `trionet.parse_address`.
        limits: default `ONE_AT_A_TIME`.
        once: end after the first session in which a name was given.
        precision: significant digits of a result, 1 to 100.
        backlog: connections that the system holds ready before they are accepted; default 4,096
            or what the system allows.
        on_event: see `trionet.serve`.
        show: called with each line for the console; it must not block.
        network: where to listen; default the system's.
        task_status: is handed the `trionet.Server` once it accepts connections.

    Raises:
        AddressError, ListenError: as `trionet.serve`.

    Cancellation: immediate; every session is still shown as ended.
    """
    arithmetic = Arithmetic(precision)
    # Set by the first session's end; and by a drain, lest `once` wait for one that never comes.
    finished = trio.Event()
    # With one client at a time it is plain whose session ends.
    names_the_end = limits.max_clients != 1

    async def handle(connection: Connection) -> None:
        if once and finished.is_set():
            # Its turn came in the moment between the one session's end and the drain.
            await connection.send("error: server is closing")
            return
        session = Session(arithmetic)
        try:
            await _converse(session, connection, show)
        finally:
            if session.name is not None:
                show(f"{session.name}: {SESSION_ENDED}" if names_the_end else SESSION_ENDED)
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
                    on_drain=finished.set,
                    on_event=on_event,
                    backlog=backlog,
                    network=network,
                )
            )
            task_status.started(server)
            if once:
                await finished.wait()
                await server.drain()


async def _converse(
    session: Session, connection: Connection, show: Callable[[str], object]
) -> None:
    """Answer lines, as many at a time as came together, until either side ends."""
    while batch := await connection.lines.receive_batch():
        for first in range(0, len(batch), _LINES_AT_ONCE):
            answers = []
            for line in batch[first : first + _LINES_AT_ONCE]:
                reply = session.receive(line)
                if reply.printed is not None:
                    show(reply.printed)
                if reply.answer is not None:
                    answers.append(reply.answer)
                if session.ended:
                    break
            connection.outbox.put(encode_lines(answers))
            if session.ended:
                return
            # Never ahead of a client that does not read. When everything was sent, the next
            # receive_batch is checkpoint enough, except within a long batch.
            if connection.outbox.waiting or len(batch) > _LINES_AT_ONCE:
                await connection.outbox.flush()
