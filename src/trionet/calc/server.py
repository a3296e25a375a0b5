"""The calculator as a service: sessions over connections."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import trio

from trionet.abc import Network
from trionet.calc.bounds import DEFAULT_PRECISION
from trionet.calc.evaluation import Arithmetic
from trionet.calc.limits import ONE_AT_A_TIME
from trionet.calc.pairs import PAIR_COST
from trionet.calc.session import SESSION_ENDED, Reply, Session
from trionet.calc.work import Work
from trionet.checks import (
    check_backlog,
    check_callback,
    check_flag,
    check_limits,
    check_network,
)
from trionet.connection.connection import Connection
from trionet.connection.outbox import Outbox
from trionet.errors import AddressError, ListenError
from trionet.events import ServerEvent
from trionet.limits import Limits
from trionet.lines import Line
from trionet.nurseries import single_error
from trionet.server import Server, WhenFull
from trionet.server import serve as serve_lines
from trionet.transport.addresses import check_addresses
from trionet.transport.network import SYSTEM

# How long one client is served before the others have their turn, in microseconds by the
# reckoning of `trionet.calc.work`. A turn is a hundred common lines long, so that changing turns
# costs little: 100,000 lines in a pipe took no longer than with turns of 1,000. Beside 50 clients
# with nothing but costly lines, the slowest answer came after 51 ms, and with 1,000 after 196.
_TURN = 300

# Lines that fit into a turn the short way.
_PAIRS_AT_ONCE = _TURN // PAIR_COST


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
        once: end after the first session in which a name was given.
        precision: significant digits of a result, 1 to 100.
        backlog: connections that the system holds ready before they are accepted; default 4,096
            or what the system allows.
        on_event: see `trionet.serve`.
        show: called with each line for the console; it must not block. ``None``: nobody watches.
        network: where to listen; default the system's.
        task_status: is handed the `trionet.Server` once it accepts connections.

    Raises:
        TypeError, ValueError, AddressError, ListenError: as `trionet.serve`.

    Cancellation: immediate; every session is still shown as ended.
    """
    check_addresses(addresses, caller="calc.serve")
    check_limits(limits)
    check_flag("once", once)
    check_callback("on_event", on_event)
    check_callback("show", show)
    check_backlog(backlog)
    check_network(network)
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
        lines, outbox = connection.lines, connection.outbox
        turn = _Turn(outbox)
        try:
            # No function of its own: two coroutines that a waking need not pass were 4 % of a line.
            while not session.ended and (batch := await lines.receive_batch()):
                is_short = show is None and len(batch) <= _PAIRS_AT_ONCE
                answers = session.answer_pairs(batch) if is_short else []
                if len(answers) == len(batch):
                    # Nearly always this is all that there is to do.
                    _put(outbox, answers)
                else:
                    turn.begin(answers)
                    await _answer(session, batch[len(answers) :], turn, show, connection)
                # Never ahead of a client that does not read. When everything was sent, the next
                # receive_batch is checkpoint enough.
                if outbox.direct is None:
                    await outbox.flush()
                # An idle client holds no lines that are done with.
                del batch
        finally:
            if session.name is not None:
                if show is not None:
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
                    identifies=True,
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


async def _answer(
    session: Session,
    lines: list[Line],
    turn: _Turn,
    show: Callable[[str], object] | None,
    connection: Connection,
) -> None:
    """Answer any lines, in as many turns as it takes."""
    done = 0
    while done < len(lines) and not session.ended:
        if turn.lacks_room(PAIR_COST):
            await turn.change()
        chunk = lines[done : done + (_TURN - turn.spent) // PAIR_COST]
        answers = session.answer_pairs(chunk)
        if answers:
            if show is not None:
                for line, answer in zip(chunk, answers, strict=False):
                    show(f"{session.name}: {line} = {answer}")
            turn.take(answers)
            done += len(answers)
            continue
        reply = await turn.finish(session.receiving(lines[done]))
        done += 1
        if connection.name is None and session.name is not None:
            connection.identify(session.name)
        if reply.printed is not None and show is not None:
            show(reply.printed)
        if reply.answer is not None:
            turn.answers.append(reply.answer)
    turn.put_answers()


def _put(outbox: Outbox, answers: list[str]) -> None:
    # A session's answers are safe lines already: there is nothing to look for in them.
    answers.append("")
    outbox.put("\n".join(answers).encode())


class _Turn:
    """What one client has cost since the others had their turn.

    Attributes:
        answers: what it has not been told yet.
        spent: in microseconds; see `trionet.calc.work`.
    """

    __slots__ = ("_outbox", "answers", "spent")

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self.spent = 0
        self.answers: list[str] = []

    def begin(self, answers: list[str]) -> None:
        """Begin a turn, because there was a checkpoint, with answers that were found since."""
        self.spent = 0
        self.take(answers)

    def take(self, answers: list[str]) -> None:
        """Note answers that were found the short way."""
        self.answers += answers
        self.spent += len(answers) * PAIR_COST

    async def finish(self, work: Work[Reply]) -> Reply:
        """Do some work, in as many turns as it takes. A checkpoint at the end of each.

        Raises:
            trio.BrokenResourceError: the peer is gone: what it still wants costs the others.
        """
        while True:
            try:
                cost = next(work)
            except StopIteration as done:
                reply: Reply = done.value
                return reply
            if self.lacks_room(cost):
                await self.change()
            self.spent += cost

    def lacks_room(self, cost: int) -> bool:
        """Tell whether so much more would be too much for one turn."""
        return bool(self.spent) and self.spent + cost > _TURN

    async def change(self) -> None:
        """Let the others have their turn. A checkpoint.

        Raises:
            trio.BrokenResourceError: the peer is gone: what it still wants costs the others.
        """
        self.put_answers()
        await self._outbox.flush()
        if self._outbox.broken:
            raise trio.BrokenResourceError("the peer is gone")
        self.spent = 0

    def put_answers(self) -> None:
        """Send what there is."""
        if self.answers:
            _put(self._outbox, self.answers)
            self.answers = []
