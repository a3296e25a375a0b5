"""The chat as a service: one session for each connection, and a hub between them.

The hub outlives the connections, because leave notices are appended in a ``finally`` and are still
to be delivered. `_LastWords` sees to it that a drain says good-bye only after everything that was
received has been said.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from secrets import token_urlsafe
from time import time_ns

import trio

from trionet.abc import Network
from trionet.chat import json_lines, plain
from trionet.chat.answers import Event
from trionet.chat.console import Console, encode_everything, encode_notices
from trionet.chat.formats import format_of, is_json
from trionet.chat.limits import DEFAULT_ROOMS, OPEN_ROOM, ROOMS
from trionet.chat.session import Session
from trionet.chat.state import State
from trionet.chat.switchboard import Switchboard
from trionet.chat.timer import Timer
from trionet.chat.wire_format import WireFormat, check_format
from trionet.checks import check_flag
from trionet.connection.connection import Connection
from trionet.connection.opening import Opening
from trionet.connection.safe_notices import SafeNotices
from trionet.connection.when_slow import WhenSlow
from trionet.errors import AddressError, ListenError
from trionet.events import ServerEvent
from trionet.fanout.hub import Hub
from trionet.faults import FaultLog
from trionet.function_checks import check_callback
from trionet.limits import Limits
from trionet.lines import Line
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
    format: WireFormat | None = None,  # noqa: A002  the plainest name that it can have
    forever: bool = False,
    max_rooms: int = DEFAULT_ROOMS,
    backlog: int | None = None,
    on_event: Callable[[ServerEvent], object] | None = None,
    show: Callable[[str], object] | None = None,
    show_messages: bool = False,
    network: Network = SYSTEM,
    task_status: trio.TaskStatus[Server] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve a chat until its last member has left, or it is drained or cancelled.

    Args:
        addresses: see `trionet.parse_address`.
        limits: default `OPEN_ROOM`. When more than ``max_waiting`` bytes wait for a member, it
            loses the oldest lines and is told how many.
        format: the wire format of all members, which also writes the toolkit's own notices. Default
            ``None``: a peer whose first line is a JSON object speaks `trionet.chat.json_lines`, and
            everyone else `trionet.chat.plain`.
        forever: keep serving when the last member has left; default ``False``.
        max_rooms: how many rooms there may be, the lobby counted; default 10,000. At the limit the
            empty room whose topic is oldest makes place for another.
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
    if format is not None:
        check_format(format)
    check_flag("forever", forever)
    ROOMS.check("max_rooms", max_rooms)
    check_flag("show_messages", show_messages)
    check_callback("show", show)
    show = FaultLog(logger).shielded("show", show)
    hub = Hub[Event]()
    door = _Door(format)
    opening = None
    if format is None:
        most = limits.max_line * json_lines.TIMES_LONGER
        opening = Opening(begins=b"{", max_line=most, is_met=is_json)
    finished = trio.Event()
    timer = Timer(_milliseconds)
    board = Switchboard(
        hub,
        state=State(max_rooms=max_rooms),
        clock=_milliseconds,
        on_empty=lambda: None if forever else finished.set(),
        on_deadline=timer.look_again,
        epoch=token_urlsafe(9),
        draw_token=partial(token_urlsafe, 18),
    )
    if show is not None:
        encode = encode_everything if show_messages else encode_notices
        hub.add(Console(show), encode, topics=None)

    last_words = _LastWords(board.close)

    def begin_drain() -> None:
        last_words.begin_drain()
        finished.set()

    with single_error(AddressError, ListenError):
        async with trio.open_nursery() as nursery:
            await nursery.start(hub.run)
            nursery.start_soon(timer.run, board)
            async with trio.open_nursery() as serving:
                server: Server = await serving.start(
                    partial(
                        serve_lines,
                        partial(_handle, hub, board, door, last_words),
                        *addresses,
                        limits=limits,
                        identifies=True,
                        when_slow=WhenSlow.DROP_OLDEST,
                        encode_notice=door.encode_notice,
                        on_drain=begin_drain,
                        on_event=on_event,
                        opening=opening,
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
    board: Switchboard,
    door: _Door,
    last_words: _LastWords,
    connection: Connection,
) -> None:
    session = Session(
        board,
        connection.outbox,
        door.wire,
        connection.lines.charge,
        encode_notice=door.encode_notice,
    )
    is_first = True
    try:
        with last_words:
            while not session.ended and (batch := await connection.lines.receive_batch()):
                if is_first:
                    is_first = False
                    door.enter(session, connection, batch[0])
                while batch:
                    await _take_all(batch, hub, session, connection)
                    # Go on with what was received while the log has room. A batch of the hub for
                    # each part of 100 lines took twice the time where one member says 1,000.
                    is_over = session.ended or hub.must_wait
                    batch = [] if is_over else connection.lines.take_held()
        if not session.ended:
            await last_words.wait()
    finally:
        session.end()
    # Lines that the peer should still get are in the log, in front of its departure.
    await hub.wait_delivered()


async def _take_all(
    lines: list[Line], hub: Hub[Event], session: Session, connection: Connection
) -> None:
    """Hand lines to a session, and wait for room in the log as often as need be."""
    taken = 0
    while taken < len(lines) and not session.ended:
        # A login does not wait: there is one for each connection, and a thousand who come at once
        # would know of each other half as soon.
        if hub.must_wait and session.name is not None:
            await hub.wait_room(len(lines) - taken)
        taken += session.receive_batch(lines[taken:] if taken else lines)
        if session.name is not None and connection.name != session.name:
            connection.identify(session.name)


class _Door:
    """Which wire format a peer speaks.

    Args:
        only: the format of all peers; ``None``: the first line tells.

    Attributes:
        wire: the format of a peer that has not sent a line yet.
        encode_notice: how it is told the toolkit's notices.
    """

    def __init__(self, only: WireFormat | None) -> None:
        self.wire = only or plain
        # One for the whole server and format, so that a fault of the format is logged once.
        self.encode_notice = _notices_of(self.wire)
        self._is_only = only is not None
        self._json_notices = _notices_of(json_lines)

    def enter(self, session: Session, connection: Connection, first_line: Line) -> None:
        """Have a session and its connection speak the format that the first line shows."""
        if not self._is_only and format_of(first_line) is json_lines:
            session.speak(json_lines, self._json_notices)
            connection.speak(self._json_notices)


def _notices_of(wire: WireFormat) -> SafeNotices:
    return SafeNotices(wire.encode_notice, getattr(wire, "missing", None))


def _milliseconds() -> int:
    """Return the time since 1970, UTC."""
    return time_ns() // 1_000_000


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
