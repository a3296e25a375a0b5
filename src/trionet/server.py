"""`serve`: accept, limit, isolate, drain.

Two nurseries: the handlers' outside, the acceptors' inside. A drain cancels the inner one alone, so
that whoever is being served is served to the end.

- Accept: as many as wait, in one go. A listener accepts first and waits for a free place then: a
  place taken before ``accept`` would be kept from the other listeners. Each parks one at most.
- Limit: over `Limits.max_clients`, `WhenFull` decides.
- Isolate: an error in a handler is logged once, closes its connection, and concerns nobody else.
  What a peer did (a reset) is no error.
- Drain: stop accepting, answer who waits in the system's queue, end every input at a line
  boundary, let the handlers return, send what waits, close; at the deadline, cancel what is left.
"""

from __future__ import annotations

import enum
import itertools
import logging
import math
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import cast

import trio

from trionet.abc import Listener, Network, TurnsAway
from trionet.checks import (
    check_backlog,
    check_callback,
    check_choice,
    check_flag,
    check_handler,
    check_limits,
    check_network,
)
from trionet.connection.closing import close_at_once, lingering_close, unarrived_of
from trionet.connection.connection import Connection, peer_of, remote_of
from trionet.connection.deadlines import Deadlines
from trionet.connection.input_end import InputEnd
from trionet.connection.lingering import Lingerers
from trionet.connection.outbox import WhenSlow
from trionet.connection.safe_notices import safe_notices
from trionet.errors import BadLine, ReceiveInterrupted
from trionet.events import Closed, Identified, Opened, Refused, ServerEvent
from trionet.limits import Limits
from trionet.notices import (
    AddressFull,
    EncodeNotice,
    LineRejected,
    Notice,
    ServerClosing,
    ServerFull,
    encode_notice,
)
from trionet.nurseries import first_error
from trionet.transport.addresses import Host, check_addresses, host_of
from trionet.transport.network import SYSTEM
from trionet.transport.readiness import HAS_EPOLL, Readiness, let_wait_with

# Connections taken between two checkpoints: some 9 ms, in which no other task runs; so many come at
# once only when a crowd does. Fewer would mean more and smaller turns of a hub: with 64 a thousand
# take a fifth longer until all know of all.
_ACCEPTS_AT_ONCE = 256

# TLS handshakes made at a time for no other reason than to say over them why nobody is served. More
# newcomers than that are a flood, and get an alert: it costs neither memory nor a calculation.
_HANDSHAKES_TO_REFUSE = 16

logger = logging.getLogger("trionet.server")


class WhenFull(enum.Enum):
    """What happens to a peer that comes when `Limits.max_clients` are being served."""

    WAIT = "wait for a free place, unanswered, in the listen backlog"
    REFUSE = "answer `error: server is full` and close"


class Server:
    """A running server: what `serve` hands to ``task_status.started``.

    Attributes:
        addresses: what it listens on, numeric and with the real ports, one for each listener.
    """

    def __init__(
        self,
        handler: Callable[[Connection], Awaitable[object]],
        listeners: Sequence[Listener],
        *,
        limits: Limits,
        when_full: WhenFull,
        when_slow: WhenSlow,
        encode_notice: EncodeNotice,
        refuse_http: bool,
        identifies: bool,
        on_drain: Callable[[], object] | None,
        on_event: Callable[[ServerEvent], object] | None,
    ) -> None:
        self.addresses = tuple(listener.address for listener in listeners)
        self._handler = handler
        self._listeners = listeners
        self._limits = limits
        self._when_full = when_full
        self._when_slow = when_slow
        # Made once, so that a fault of it is logged once, and not for each connection.
        self._notices = safe_notices(encode_notice)
        for listener in listeners:
            if hasattr(listener, "refusal"):
                cast(TurnsAway, listener).refusal = self._notices(ServerFull())
        self._refuse_http = refuse_http
        self._identifies = identifies
        self._on_drain = on_drain
        self._on_event = on_event
        # How often each of the caller's functions has raised.
        self._raised: Counter[str] = Counter()
        self._ids = itertools.count(1)
        self._deadlines = Deadlines()
        self._readiness: Readiness | None = None
        self._from_host: Counter[Host] = Counter()
        self._lingerers = Lingerers()
        self._handshakes_to_refuse = 0
        # A dict for its order: whoever was first is told first.
        self._connections: dict[Connection, None] = {}
        self._vacancy = trio.lowlevel.ParkingLot()
        self._draining = trio.Event()
        self._drain_by = math.inf
        self._cut: tuple[str, ...] | None = None
        self._inputs_ended = trio.Event()
        self._ended = trio.Event()
        self._handlers: trio.Nursery | None = None

    @property
    def connections(self) -> int:
        """How many connections are being served now."""
        return len(self._connections)

    def __repr__(self) -> str:
        if self._ended.is_set():
            state = "ended"
        else:
            served = self.connections
            state = f"{served} connection{'' if served == 1 else 's'}"
            if self._draining.is_set():
                state += ", draining"
        return f"<Server on {', '.join(self.addresses)}: {state}>"

    @property
    def drain_deadline(self) -> float:
        """When a drain cuts off what is left, on the Trio clock; ``math.inf``: no drain."""
        return self._drain_by

    async def drain(self, seconds: float | None = None) -> tuple[str, ...]:
        """Stop serving without losing a line; `serve` returns when this is done.

        Nobody new is served, and those who wait in the queue are answered ``error: server is
        closing``. Every handler's ``connection.lines`` end after the lines received so far; what
        the handlers answer is sent. A handler must not await this itself: it would wait for
        its own end.

        Args:
            seconds: how long all this may take, counted from the call: until the handlers have
                returned, what they sent has arrived, and the connections are closed; default
                `Limits.drain_seconds`. What is left then is cut off. Of several drains the earliest
                deadline counts.

        Returns:
            The peers that were cut off at the deadline: those still served, and those to whom
            something was still on its way.

        Cancellation: the drain has begun all the same, without its deadline.
        """
        by = trio.current_time() + (self._limits.drain_seconds if seconds is None else seconds)
        self._drain_by = min(self._drain_by, by)
        self._draining.set()
        # It takes no time, so that `on_drain` is called and the queue told even with 0 seconds.
        await self._inputs_ended.wait()
        with trio.CancelScope(deadline=by):
            await self._ended.wait()
        if self._cut is None:
            # Once, however many drain.
            self._cut = (
                *(connection.peer for connection in self._connections),
                *self._lingerers.undelivered(),
            )
            if self._cut:
                shown = ", ".join(self._cut[:10])
                logger.warning("drain: cut off %d connections: %s", len(self._cut), shown)
        if self._handlers is not None:
            self._handlers.cancel_scope.cancel()
        await self._ended.wait()
        return self._cut

    async def run(self, task_status: trio.TaskStatus[Server]) -> None:
        """Serve until drained or cancelled. `serve` calls it."""
        try:
            if HAS_EPOLL:
                self._readiness = Readiness()
            async with trio.open_nursery() as nursery:
                # Shielded: who is cancelled may still say good-bye, under a shield of its own.
                background = trio.CancelScope(shield=True)
                nursery.start_soon(self._run_background, background)
                try:
                    async with trio.open_nursery() as self._handlers:
                        await self._accept_until_drained(self._handlers, task_status)
                        if self._on_drain is not None:
                            self._call_safely("on_drain", self._on_drain)
                        for connection in self._connections:
                            connection.lines.stop()
                        self._inputs_ended.set()
                finally:
                    background.cancel()
        finally:
            self._inputs_ended.set()
            self._ended.set()
            for name, times in self._raised.items():
                if times > 1:
                    logger.error("%s failed %d times in all", name, times)

    def _tell(self, event: ServerEvent) -> None:
        if self._on_event is not None:
            self._call_safely("on_event", self._on_event, event)

    def _call_safely(self, name: str, function: Callable[..., object], *args: object) -> None:
        """Call one of the caller's functions; an error in it is logged once and ends nothing."""
        try:
            function(*args)
        except Exception:
            self._raised[name] += 1
            # Once: it may fail for each connection, and the log is for more than that.
            if self._raised[name] == 1:
                logger.exception("%s failed; the server goes on", name)

    async def _run_background(self, scope: trio.CancelScope) -> None:
        """Run what the handlers need for as long as there are any."""
        with scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._deadlines.run)
                if self._readiness is not None:
                    nursery.start_soon(self._readiness.run)

    async def _accept_until_drained(
        self, handlers: trio.Nursery, task_status: trio.TaskStatus[Server]
    ) -> None:
        try:
            async with trio.open_nursery() as acceptors:
                for listener in self._listeners:
                    acceptors.start_soon(self._accept, listener, handlers)
                task_status.started(self)
                await self._draining.wait()
                acceptors.cancel_scope.cancel()
            self._turn_queue_away(handlers)
        finally:
            await _close_all(self._listeners)

    async def _accept(self, listener: Listener, handlers: trio.Nursery) -> None:
        while True:
            stream = await listener.accept()
            await self._wait_vacancy(stream, handlers)
            self._begin(stream, handlers)
            with suppress(trio.WouldBlock):
                for _ in range(_ACCEPTS_AT_ONCE):
                    if self._is_full and self._when_full is WhenFull.WAIT:
                        break
                    self._begin(listener.accept_nowait(), handlers)

    @property
    def _is_full(self) -> bool:
        return 0 < self._limits.max_clients <= len(self._connections)

    async def _wait_vacancy(self, stream: trio.abc.Stream, handlers: trio.Nursery) -> None:
        if self._when_full is WhenFull.REFUSE:
            return
        try:
            while self._is_full:
                await self._vacancy.park()
        except trio.Cancelled:
            self._start_turning_away(stream, ServerClosing(), handlers)
            raise

    def _begin(self, stream: trio.abc.Stream, handlers: trio.Nursery) -> None:
        """Serve a connection, or refuse it, in a task of its own."""
        if self._is_full:
            self._start_turning_away(stream, ServerFull(), handlers)
            return
        host = self._host_of(stream)
        if host is not None and 0 < self._limits.max_per_address <= self._from_host[host]:
            self._start_turning_away(stream, AddressFull(), handlers)
            return
        if self._readiness is not None:
            let_wait_with(stream, self._readiness)
        connection = Connection(
            stream,
            handlers,
            self._deadlines,
            limits=self._limits,
            when_slow=self._when_slow,
            notices=self._notices,
            refuse_http=self._refuse_http,
            number=next(self._ids),
            identifies=self._identifies,
            on_identified=self._tell_identified,
        )
        self._connections[connection] = None
        if host is not None:
            self._from_host[host] += 1
        self._tell(Opened(id=connection.id, peer=connection.peer))
        handlers.start_soon(self._serve_one, connection, name=connection.peer)

    def _tell_identified(self, connection: Connection, name: str) -> None:
        self._tell(Identified(id=connection.id, peer=connection.peer, name=name))

    async def _serve_one(self, connection: Connection) -> None:
        # All in one function, the handler's call too: each coroutine between a task and what it
        # waits for costs an idle connection a quarter of a KiB.
        reason, settle = "cut off", None
        try:
            try:
                failed = None
                # `except*`, not `except`: a handler that is cancelled at the drain's deadline while
                # a task of its own fails raises both in one group, and the error must not vanish
                # behind the cancellation.
                try:
                    no_handshake = await self._shake_hands(connection)
                    if no_handshake is None:
                        await self._handler(connection)
                except* Exception as group:
                    failed = _why_failed(connection, group)
                reason = failed or _why_ended(connection, no_handshake)
                await connection.finish_sending()
            finally:
                # The place is free before the lingering: the next one waits for no goodbye.
                settle = self._end(connection, reason)
            if not connection.is_done:
                with self._lingerers.lingering(
                    connection.stream,
                    peer=connection.peer,
                    host=self._host_of(connection.stream),
                    bounded=not self._draining.is_set(),
                ):
                    await connection.close(settle)
        finally:
            if settle is not None:
                settle(unarrived_of(connection.stream) or 0)
            await close_at_once(connection.stream)

    def _end(self, connection: Connection, reason: str) -> Callable[[int], None]:
        """Free a connection's place.

        Returns:
            What tells the operator, once, when it is known how many bytes did not arrive.
        """
        lines, outbox = connection.lines, connection.outbox
        host = self._host_of(connection.stream)
        if outbox.waiting:
            # It was cut off: what still waits is not sent, and must not be told as if it were.
            outbox.give_up()
        outbox.close()
        self._deadlines.forget(connection)
        del self._connections[connection]
        if host is not None:
            self._from_host[host] -= 1
            if not self._from_host[host]:
                # What is left of a host that has gone is nothing: hosts are many.
                del self._from_host[host]
        self._vacancy.unpark()
        seconds = trio.current_time() - connection.opened_at
        told = False

        def settle(unarrived: int) -> None:
            nonlocal told
            if told:
                return
            told = True
            bytes_out = outbox.bytes_out
            self._tell(
                Closed(
                    id=connection.id,
                    peer=connection.peer,
                    reason=reason,
                    seconds=seconds,
                    bytes_in=lines.bytes_in,
                    bytes_out=bytes_out,
                    lines_in=lines.lines_in,
                    lines_out=outbox.lines_out - outbox.dropped,
                    bytes_unconfirmed=min(unarrived, bytes_out),
                )
            )

        return settle

    def _host_of(self, stream: trio.abc.Stream) -> Host | None:
        return host_of(remote_of(stream), ipv6_prefix=self._limits.ipv6_prefix)

    async def _shake_hands(self, connection: Connection) -> str | None:
        """Do what a TLS stream needs done first, and return why it cannot be done, if so."""
        do_handshake = getattr(connection.stream, "do_handshake", None)
        if do_handshake is None:
            return None
        try:
            with trio.fail_after(self._limits.handshake_timeout or math.inf):
                await do_handshake()
        except trio.TooSlowError:
            return "it took too long"
        except trio.BrokenResourceError as error:
            return str(error)
        except ReceiveInterrupted:
            # A deadline has passed, or the server drains: nobody is to be served any more.
            return (
                ServerClosing.reason
                if connection.lines.end is InputEnd.STOPPED
                else "it took too long"
            )
        return None

    def _turn_queue_away(self, handlers: trio.Nursery) -> None:
        """Take those who wait in the system's queue: closing the listener would reset them."""
        for listener in self._listeners:
            with suppress(trio.WouldBlock, trio.ClosedResourceError, OSError):
                while True:
                    stream = listener.accept_nowait()
                    self._start_turning_away(stream, ServerClosing(), handlers)

    def _start_turning_away(
        self, stream: trio.abc.Stream, notice: Notice, handlers: trio.Nursery
    ) -> None:
        number = next(self._ids)
        peer = peer_of(stream, number)
        self._tell(Refused(id=number, peer=peer, reason=notice.reason))
        refuse = getattr(stream, "refuse", None)
        if refuse is not None and self._handshakes_to_refuse >= _HANDSHAKES_TO_REFUSE:
            refuse()
        else:
            self._handshakes_to_refuse += refuse is not None
            handlers.start_soon(self._turn_away, stream, notice, peer)

    async def _turn_away(self, stream: trio.abc.Stream, notice: Notice, peer: str) -> None:
        seconds = self._limits.linger_seconds
        try:
            with self._lingerers.lingering(stream, peer=peer, host=self._host_of(stream)):
                with trio.move_on_after(seconds), suppress(trio.BrokenResourceError):
                    await stream.send_all(self._notices(notice))
                await lingering_close(
                    stream, seconds=seconds, stall_seconds=seconds, total_seconds=seconds
                )
        finally:
            self._handshakes_to_refuse -= hasattr(stream, "refuse")
            await close_at_once(stream)


async def serve(
    handler: Callable[[Connection], Awaitable[object]],
    *addresses: str,
    limits: Limits | None = None,
    when_full: WhenFull = WhenFull.REFUSE,
    when_slow: WhenSlow = WhenSlow.DISCONNECT,
    encode_notice: EncodeNotice = encode_notice,
    refuse_http: bool = True,
    identifies: bool = False,
    on_drain: Callable[[], object] | None = None,
    on_event: Callable[[ServerEvent], object] | None = None,
    backlog: int | None = None,
    network: Network = SYSTEM,
    task_status: trio.TaskStatus[Server] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve lines on addresses until drained or cancelled.

    Args:
        handler: called with a `Connection` for each peer, in a task of its own. When it returns,
            the connection is closed; when it raises, the error is logged to ``trionet.server``
            and the connection is closed. It may let pass what the peer did, alone or in a group,
            and nothing is logged: ``trio.BrokenResourceError``; ``trio.EndOfChannel`` once
            ``connection.lines`` have ended; ``trio.ClosedResourceError`` once the peer was given
            up; and a `trionet.BadLine` out of ``receive_batch``, which the peer is told as
            ``error: REASON``.
        addresses: see `trionet.parse_address`; at least one.
        limits: default ``Limits()``.
        when_full: what happens over `Limits.max_clients`; by default an answer and a close.
        when_slow: what happens over `Limits.max_waiting`; by default the peer is given up.
        encode_notice: turns what the toolkit itself tells a peer, a `trionet.Notice`, into whole
            lines in the service's wire format; default `trionet.encode_notice`, which writes
            ``error: REASON``. Where it raises, or returns anything but at least one whole line,
            that is logged to ``trionet.connection`` once, and the peer gets the default's line.
        refuse_http: close a connection unanswered when its first line is an HTTP request line.
        identifies: the handler calls `Connection.identify` when it knows who the peer is, and the
            login deadline runs until then; by default it runs until the first whole line has come.
        on_drain: called once when a drain begins, before the inputs end.
        on_event: called with each `trionet.ServerEvent`: a connection was opened or refused,
            its peer was identified, it was closed. An error in it or in `on_drain` is logged to
            ``trionet.server`` once, and ends nothing.
        backlog: connections that the system holds ready before they are accepted; default 4,096
            or what the system allows.
        network: where to listen; default the system's.
        task_status: is handed the `Server` once it accepts connections.

    Raises:
        TypeError: an argument is of the wrong kind, such as a handler that is no async function;
            the message says what to write. This and the next two before anything is listened on.
        ValueError: there is no address, or `backlog` is out of bounds.
        AddressError: an address cannot be read.
        ListenError: an address cannot be listened on; none of the others is then.

    Cancellation: immediate: listeners and connections are closed and handlers cancelled. Grace is
    asked for by `Server.drain`.

    Resource handling: closes all that it opened, however it ends.
    """
    check_handler(handler)
    check_addresses(addresses, caller="serve")
    if limits is not None:
        check_limits(limits)
    check_choice("when_full", when_full, WhenFull)
    check_choice("when_slow", when_slow, WhenSlow)
    check_flag("refuse_http", refuse_http)
    check_callback("encode_notice", encode_notice, optional=False)
    check_callback("on_drain", on_drain)
    check_callback("on_event", on_event)
    check_backlog(backlog)
    check_network(network)
    listeners: list[Listener] = []
    try:
        for address in addresses:
            listeners += await network.listen(address, backlog=backlog)
        server = Server(
            handler,
            listeners,
            limits=limits or Limits(),
            when_full=when_full,
            when_slow=when_slow,
            encode_notice=encode_notice,
            refuse_http=refuse_http,
            identifies=identifies,
            on_drain=on_drain,
            on_event=on_event,
        )
        await server.run(task_status)
    finally:
        await _close_all(listeners)


def _why_failed(connection: Connection, group: BaseExceptionGroup[Exception]) -> str | None:
    """Return why a handler that raised has ended; ``None``: its peer's input says why.

    What the peer did is no fault of the handler. All else is logged.
    """

    def is_of_the_peer(error: BaseException) -> bool:
        match error:
            case trio.BrokenResourceError() | BadLine():
                return True
            case trio.EndOfChannel():
                # Of a channel of the handler's own, it is a fault.
                return connection.lines.end is not None
            case trio.ClosedResourceError():
                return connection.outbox.broken
        return False

    of_the_peer, faults = group.split(is_of_the_peer)
    if faults is not None:
        _log_failure(connection, faults)
        return "the handler failed"
    assert of_the_peer is not None
    # For its message: the first of them, wherever in the groups it stands.
    bad_lines = of_the_peer.subgroup(BadLine)
    if bad_lines is not None:
        bad_line = first_error(bad_lines)
        assert isinstance(bad_line, BadLine)
        connection.tell(LineRejected(bad_line))
        return "the peer sent a line that cannot be read"
    if of_the_peer.subgroup((trio.BrokenResourceError, trio.ClosedResourceError)) is not None:
        return None if connection.lines.end is InputEnd.SLOW else "the peer went away"
    return None


def _log_failure(connection: Connection, group: BaseExceptionGroup[Exception]) -> None:
    error = group.exceptions[0] if len(group.exceptions) == 1 else group
    logger.error("a handler failed; %s is closed", connection.peer, exc_info=error)


def _why_ended(connection: Connection, no_handshake: str | None) -> str:
    if no_handshake is not None:
        # Nothing can be said without it, such as that it took too long: do not try to.
        connection.outbox.give_up()
        return f"no handshake: {no_handshake}"
    end = connection.lines.end
    if end is InputEnd.STOPPED:
        return ServerClosing.reason
    return "the session ended" if end is None else end.value


async def _close_all(listeners: Sequence[Listener]) -> None:
    # Shielded, because closing waits for nothing, and each must be closed.
    with trio.CancelScope(shield=True):
        for listener in listeners:
            await listener.aclose()
