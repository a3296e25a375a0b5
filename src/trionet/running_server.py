"""A running server: accept, limit, isolate, drain.

A server has two nurseries, the acceptors' inside the handlers'. A drain cancels only the inner one,
so that everyone who is being served is served to the end.

- Accept: on all listeners, and no longer when it drains (`trionet.connection.acceptors`).
- Limit: `WhenFull` decides what happens beyond `Limits.max_clients`.
- Isolate: whatever its handler raises, a connection ends alone (`trionet.connection.lifetime`).
- Drain: stop accepting, answer the connections in the kernel's queue, end every input at a line
  boundary, let the handlers return, send what waits, close. At the deadline, cancel what is left.
"""

from __future__ import annotations

import itertools
import logging
import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, cast

import trio

from trionet.abc import Listener, TurnsAway
from trionet.argument_checks import check_seconds
from trionet.connection.acceptors import Acceptors, check_listeners
from trionet.connection.closing import FAULT_OF_STREAM, close_whatever_happens
from trionet.connection.connection import Connection, Shared
from trionet.connection.connection_log import ConnectionLog
from trionet.connection.connection_places import Places
from trionet.connection.deadlines import Deadlines
from trionet.connection.deferred_sends import DeferredSends
from trionet.connection.handshake import awaits_peer, has_handshake
from trionet.connection.lifetime import Lifetimes
from trionet.connection.lingering import Lingerers
from trionet.connection.safe_notices import SafeNotices, safe_notices
from trionet.connection.server_metrics import ServerReadings
from trionet.connection.serving_options import ServingOptions, WhenFull
from trionet.connection.statistics import Statistics, Totals
from trionet.connection.turning_away import TurningAway
from trionet.events import Identified, Opened, Refused, ServerEvent
from trionet.function_checks import check_handler
from trionet.metrics import Metrics
from trionet.notices import AddressFull, ConnectingTooFast, ServerFull
from trionet.transport.readiness import HAS_EPOLL, Readiness, let_wait_with
from trionet.type_checks import check_kind
from trionet.user_faults import FaultLog

# A drain that cuts connections off names at most this many of them in the log.
_NAMED = 10

logger = logging.getLogger("trionet.server")


class Server:
    """A running server: `serve` makes it, and hands it to ``task_status.started``.

    Attributes:
        addresses: what it listens on, numeric and with the real ports, one for each listener.
        state: what the lifespan yields, see `serve`; without one, ``None`` until the program puts
            here what its handlers share.
        metrics: what it can be asked in numbers; a service adds its own. See
            `trionet.serve_metrics`.
        queues: what else waits in the service, for the state of the process that SIGUSR1 has
            logged (see `trionet.run`): functions that return a number or a short text, by name.
            Empty at first: ``server.queues["jobs"] = lambda: len(jobs)``.
    """

    def __init__(
        self,
        handler: Callable[[Connection[Any]], Awaitable[object]],
        listeners: Sequence[Listener],
        options: ServingOptions,
    ) -> None:
        check_handler(handler, caller="Server")
        check_listeners(listeners)
        check_kind("options", options, ServingOptions, hint="ServingOptions()")
        limits = options.limits
        self.addresses = tuple(listener.address for listener in listeners)
        self.state: Any = None
        self.queues: dict[str, Callable[[], object]] = {}
        self._limits = limits
        # All connections share it, so that a fault in it is logged once.
        self._encode_notice = safe_notices(options.encode_notice)
        self._encode_web_notice = self._encode_notice
        if options.encode_web_notice is not None:
            self._encode_web_notice = self._encode_notice.replaced(options.encode_web_notice)
        faults = FaultLog(logger)
        self._on_drain = faults.shielded("on_drain", options.on_drain)
        self._on_event = faults.shielded("on_event", options.on_event)
        self._log = ConnectionLog() if options.log_connections else None
        self._ids = itertools.count(1) if options.numbers is None else options.numbers
        self._faults = faults
        self._deadlines = Deadlines(faults)
        self._deferred = DeferredSends()
        self._readiness: Readiness | None = None
        self._places = Places(limits)
        self._totals = Totals()
        self.metrics = Metrics()
        self.metrics.add(ServerReadings(self._totals, self._places, self._deadlines).read)
        self._shared = Shared(
            options=options,
            deadlines=self._deadlines,
            notices=self._encode_notice,
            deferred=self._deferred,
            on_identified=self._report_identified,
            server=self,
        )
        # What a browser sends over a WebSocket is not an HTTP request any more.
        self._shared_by_framed = replace(
            self._shared,
            options=replace(options, refuse_http=False),
            notices=self._encode_web_notice,
        )
        self._lingerers = Lingerers()
        turning_away = TurningAway(
            limits,
            self._lingerers,
            numbers=self._ids,
            notices_of=self._notices_of,
            report=self._report,
            faults=faults,
        )
        self._turn_away = turning_away.turn_away
        self._lifetimes = Lifetimes(
            handler,
            limits,
            self._deadlines,
            self._places,
            self._lingerers,
            self._totals,
            report=self._report,
            faults=faults,
        )
        self._acceptors = Acceptors(
            listeners,
            self._places,
            waits=options.when_full is WhenFull.WAIT,
            begin=self._begin,
            turn_away=self._turn_away,
            faults=faults,
        )
        self._draining = trio.Event()
        self._drain_by = math.inf
        self._cut_off: tuple[str, ...] | None = None
        self._inputs_ended = trio.Event()
        self._ended = trio.Event()
        self._handlers: trio.Nursery | None = None
        for listener in listeners:
            if hasattr(listener, "refusal"):
                cast(TurnsAway, listener).refusal = self._encode_notice(ServerFull())

    @property
    def connections(self) -> tuple[Connection, ...]:
        """The connections that are being served now, the oldest first."""
        return tuple(self._places.connections)

    def statistics(self) -> Statistics:
        """Return what this server has done so far. Never a checkpoint.

        It takes some 2 to 5 µs for each connection that is being served, in one go.
        """
        totals = self._totals.copy()
        for connection in self._places.connections:
            totals.add(connection)
        return totals.statistics(len(self._places.connections))

    def __repr__(self) -> str:
        if self._ended.is_set():
            state = "ended"
        else:
            served = len(self._places.connections)
            state = f"{served} connection{'' if served == 1 else 's'}"
            if self._draining.is_set():
                state += ", draining"
        return f"<Server on {', '.join(self.addresses)}: {state}>"

    @property
    def is_draining(self) -> bool:
        """Whether a drain has begun: nobody new is served."""
        return self._draining.is_set()

    @property
    def drain_deadline(self) -> float:
        """When a drain cuts off what is left, on the Trio clock; ``math.inf``: no drain."""
        return self._drain_by

    async def drain(self, seconds: float | None = None) -> tuple[str, ...]:
        """Stop serving without losing a line; `serve` returns when this is done.

        Nobody new is served, and connections in the queue are answered ``error: server is
        closing``. Every handler's ``connection.lines`` end after the lines received so far, and
        what the handlers answer is sent. A handler must not await this itself: it would wait for
        its own end.

        Args:
            seconds: how long the whole drain may take, counted from the call: until the handlers
                have returned, what they sent has arrived, and the connections are closed; default
                `Limits.drain_seconds`. What is left then is cut off. If there are several drains,
                the earliest deadline counts.

        Returns:
            The display addresses of the peers that were cut off at the deadline: those still
            served, and those to whom something was still on its way.

        Raises:
            TypeError, ValueError: `seconds` is not a number of seconds.

        Cancellation: the drain has begun all the same, but has no deadline.
        """
        if seconds is not None:
            check_seconds("seconds", seconds)
        by = trio.current_time() + (self._limits.drain_seconds if seconds is None else seconds)
        self._drain_by = min(self._drain_by, by)
        self._draining.set()
        # A draining server accepts nobody new, so the connections that it closes are bounded.
        self._lifetimes.bounds_lingering = False
        # This takes no time, so even with 0 seconds `on_drain` is called and the queue is answered.
        await self._inputs_ended.wait()
        with trio.CancelScope(deadline=by):
            await self._ended.wait()
        if self._cut_off is None:
            # Only the first of several drains gets here.
            self._cut_off = (
                *(connection.peer for connection in self._places.connections),
                *self._lingerers.undelivered(),
            )
            if self._cut_off:
                named = ", ".join(self._cut_off[:_NAMED])
                cut_off = len(self._cut_off)
                tell = "drain: cut off %d connections: %s"
                logger.warning(tell, cut_off, named, extra={"event": "cut-off"})
        if self._handlers is not None:
            self._handlers.cancel_scope.cancel()
        await self._ended.wait()
        return self._cut_off

    async def run(self, task_status: trio.TaskStatus[Server]) -> None:
        """Serve until drained or cancelled; `serve` calls it.

        Cancellation: immediate: connections are closed and handlers cancelled.
        """
        try:
            if HAS_EPOLL:
                self._readiness = Readiness(self._deferred)
            async with trio.open_nursery() as nursery:
                # Shielded: a cancelled handler may still say goodbye, under a shield of its own.
                background = trio.CancelScope(shield=True)
                answering = trio.CancelScope(shield=True)
                nursery.start_soon(self._run_background, background)
                try:
                    async with trio.open_nursery() as self._handlers:
                        await self._acceptors.accept_until(
                            self._draining, self._handlers, partial(task_status.started, self)
                        )
                        nursery.start_soon(self._answer_while_draining, answering)
                        if self._on_drain is not None:
                            self._on_drain()
                        for connection in [*self._places.connections]:
                            self._end_input(connection)
                        self._inputs_ended.set()
                finally:
                    answering.cancel()
                    background.cancel()
        finally:
            self._inputs_ended.set()
            self._ended.set()

    def _end_input(self, connection: Connection) -> None:
        try:
            connection.lines.stop()
        except Exception as error:
            self._report_fault(error, connection.stream)

    def _report_fault(self, error: Exception, stream: object) -> None:
        """Log a fault of a stream that is not trionet's."""
        self._faults.report(error, type(stream), FAULT_OF_STREAM, stream)

    async def _run_background(self, scope: trio.CancelScope) -> None:
        """Run what the handlers need, shielded, for as long as there are any."""
        with scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._deadlines.run)
                nursery.start_soon(self._deferred.run)
                if self._readiness is not None:
                    nursery.start_soon(self._readiness.run)

    def _report(self, event: ServerEvent) -> None:
        if isinstance(event, Opened):
            self._totals.opened += 1
        elif isinstance(event, Refused):
            self._totals.refuse(event.code)
        if self._log is not None:
            self._log.report(event)
        if self._on_event is not None:
            self._on_event(event)

    async def _answer_while_draining(self, scope: trio.CancelScope) -> None:
        with scope:
            await self._acceptors.answer_while_draining()

    def _begin(self, stream: trio.abc.Stream, handlers: trio.Nursery) -> None:
        """Serve a connection, or turn it away, in a task of its own."""
        try:
            self._serve(stream, handlers)
        except Exception as error:
            self._report_fault(error, stream)
            handlers.start_soon(close_whatever_happens, stream, self._faults)

    def _serve(self, stream: trio.abc.Stream, handlers: trio.Nursery) -> None:
        if self._places.are_taken:
            self._turn_away(stream, ServerFull(), handlers)
            return
        if self._places.are_taken_from(stream):
            self._turn_away(stream, AddressFull(), handlers)
            return
        # Whose a proxy's connection is, is not known yet.
        if not awaits_peer(stream) and self._places.comes_too_fast(stream):
            self._turn_away(stream, ConnectingTooFast(), handlers, without_handshake=True)
            return
        if self._readiness is not None:
            let_wait_with(stream, self._readiness)
        shared = self._shared_by_framed if hasattr(stream, "framing") else self._shared
        connection = Connection(stream, handlers, shared, next(self._ids))
        if self._log is not None:
            connection.lines.on_first_input = self._log.of_first_input(connection)
        self._places.take(connection)
        # First the task, which closes the connection whatever `on_event` raises. It begins to run
        # at the next checkpoint.
        handlers.start_soon(self._lifetimes.run, connection, name=connection.peer)
        if not has_handshake(stream):
            # An event takes 1 to 2 µs to make, so none is made if nobody wants it.
            if self._on_event is None:
                self._totals.opened += 1
            else:
                self._report(Opened(id=connection.id, peer=connection.peer))

    def _report_identified(self, connection: Connection, name: str) -> None:
        if self._log is not None:
            self._log.log_login(connection, name)
        if self._on_event is not None:
            self._on_event(Identified(id=connection.id, peer=connection.peer, name=name))

    def _notices_of(self, stream: trio.abc.Stream) -> SafeNotices:
        return self._encode_web_notice if hasattr(stream, "framing") else self._encode_notice
