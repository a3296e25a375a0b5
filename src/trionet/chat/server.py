"""The chat as a service: one session for each connection, and a hub between them.

The hub outlives the connections, because leave notices are appended in a ``finally`` and are still
to be delivered. `_LastWords` sees to it that a drain says good-bye only after everything that was
received has been said.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial

import trio

from trionet.abc import Network
from trionet.chat import plain
from trionet.chat.console import Console, encode_everything, encode_notices
from trionet.chat.events import Event
from trionet.chat.limits import OPEN_ROOM
from trionet.chat.room import Room
from trionet.chat.session import Session
from trionet.chat.wire_format import WireFormat, check_format
from trionet.checks import check_flag
from trionet.connection.connection import Connection
from trionet.connection.safe_notices import safe_notices
from trionet.connection.when_slow import WhenSlow
from trionet.errors import AddressError, ListenError
from trionet.events import ServerEvent
from trionet.fanout.hub import Hub
from trionet.faults import FaultLog
from trionet.function_checks import check_callback
from trionet.limits import Limits
from trionet.notices import EncodeNotice
from trionet.nurseries import single_error
from trionet.server import Server, check_serving
from trionet.server import serve as serve_lines
from trionet.transport.network import SYSTEM

logger = logging.getLogger("trionet.chat")

# How long the console may take to get the end of the log once the handlers have ended, in seconds.
# Nobody else needs it by then, and it takes a few milliseconds unless something is very wrong.
_LAST_MOMENT = 0.25


async def serve(
    *addresses: str,
    limits: Limits = OPEN_ROOM,
    format: WireFormat = plain,  # noqa: A002  the plainest name that an argument for it can have
    forever: bool = False,
    backlog: int | None = None,
    on_event: Callable[[ServerEvent], object] | None = None,
    show: Callable[[str], object] | None = None,
    show_messages: bool = False,
    network: Network = SYSTEM,
    task_status: trio.TaskStatus[Server] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve one chat room until its last member has left, or it is drained or cancelled.

    Args:
        addresses: see `trionet.parse_address`.
        limits: default `OPEN_ROOM`. When more than ``max_waiting`` bytes wait for a member, it
            loses the oldest lines and is told how many.
        format: the wire format of all members; default `trionet.chat.plain`. It also writes the
            toolkit's own notices.
        forever: keep serving when the last member has left; default ``False``.
        backlog: how many connections the kernel holds until they are accepted; default 4,096, or
            what the kernel allows.
        on_event: see `trionet.serve`.
        show: called with each line for the console, in the plain format; it must not block. Default
            ``None``: there is no console. What it raises is logged once, and costs only its line.
        show_messages: show what the members say too, not only the notices; default ``False``.
        network: where to listen; default the real network.
        task_status: gets the `trionet.Server` once it accepts connections.

    Raises:
        TypeError, ValueError, AddressError, ListenError: as `trionet.serve`; a ``TypeError`` also
            for a `format` that lacks a function.

    Cancellation: immediate; connections are closed without a notice.

    Resource handling: closes everything it opened, however it ends.
    """
    check_serving(
        addresses,
        caller="chat.serve",
        limits=limits,
        on_event=on_event,
        backlog=backlog,
        network=network,
    )
    check_format(format)
    check_flag("forever", forever)
    check_flag("show_messages", show_messages)
    check_callback("show", show)
    show = FaultLog(logger).shielded("show", show)
    hub = Hub[Event]()
    # One for the whole server, so that a fault of the format is logged once.
    encode_notice = safe_notices(format.encode_notice)
    finished = trio.Event()
    room = Room(hub, on_empty=lambda: None if forever else finished.set())
    if show is not None:
        hub.add(Console(show), encode_everything if show_messages else encode_notices)

    last_words = _LastWords(room.close)

    def begin_drain() -> None:
        last_words.begin_drain()
        finished.set()

    with single_error(AddressError, ListenError):
        async with trio.open_nursery() as nursery:
            await nursery.start(hub.run)
            async with trio.open_nursery() as serving:
                server: Server = await serving.start(
                    partial(
                        serve_lines,
                        partial(_handle, hub, room, format, encode_notice, last_words),
                        *addresses,
                        limits=limits,
                        identifies=True,
                        when_slow=WhenSlow.DROP_OLDEST,
                        encode_notice=encode_notice,
                        on_drain=begin_drain,
                        on_event=on_event,
                        backlog=backlog,
                        network=network,
                    )
                )
                task_status.started(server)
                await finished.wait()
                # A drain that somebody else has begun has its own deadline.
                if not last_words.draining:
                    await server.drain()
            # Only the console may still miss something. The drain's deadline holds for it too.
            grace = trio.current_time() + _LAST_MOMENT
            with trio.CancelScope(deadline=max(server.drain_deadline, grace)):
                await hub.wait_delivered()
            nursery.cancel_scope.cancel()


async def _handle(
    hub: Hub[Event],
    room: Room,
    wire: WireFormat,
    encode_notice: EncodeNotice,
    last_words: _LastWords,
    connection: Connection,
) -> None:
    session = Session(
        room,
        connection.outbox,
        wire,
        connection.lines.charge,
        encode_notice=encode_notice,
    )
    try:
        with last_words:
            while not session.ended and (batch := await connection.lines.receive_batch()):
                taken = 0
                while taken < len(batch) and not session.ended:
                    # A login does not wait: there is one for each connection, and a thousand who
                    # come at once would know of each other half as soon.
                    if hub.must_wait and session.name is not None:
                        await hub.wait_room(len(batch) - taken)
                    taken += session.receive_batch(batch[taken:] if taken else batch)
                    if connection.name is None and session.name is not None:
                        connection.identify(session.name)
                # While a member is idle, its last lines need not stay in memory.
                del batch
        if not session.ended:
            await last_words.wait()
    finally:
        session.end()
    # Lines that the peer should still get are in the log, in front of its departure.
    await hub.wait_delivered()


class _LastWords:
    """Lets a drain close the room only after everything that was received has been said.

    When a drain begins, lines that were read can still be on their way into the log, above all
    those that a member's rate holds back. A member that left before then would miss them.

    Each handler is inside this context for as long as it reads.

    Args:
        close: closes the room; called once a drain has begun and no handler reads any more.

    Attributes:
        draining: whether a drain has begun.
    """

    def __init__(self, close: Callable[[], object]) -> None:
        self._close = close
        self._reading = 0
        self.draining = False
        self._closed = trio.Event()

    def begin_drain(self) -> None:
        self.draining = True
        self._close_if_due()

    async def wait(self) -> None:
        """During a drain, wait until everything has been said."""
        if self.draining:
            try:
                await self._closed.wait()
            finally:
                self._close_if_due(cut_off=not self._closed.is_set())

    def __enter__(self) -> None:
        self._reading += 1

    def __exit__(self, exc_type: type[BaseException] | None, *_: object) -> None:
        self._reading -= 1
        self._close_if_due(cut_off=exc_type is not None)

    def _close_if_due(self, *, cut_off: bool = False) -> None:
        # A member who is cut off at the drain's deadline cannot wait for the others. The room is
        # closed at once then, so that nobody is told that this member has left.
        if self.draining and (cut_off or not self._reading):
            self._close()
            self._closed.set()
