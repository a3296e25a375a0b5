"""The chat room as a service: sessions over connections, a hub between them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import trio

from trionet.abc import Network
from trionet.chat import plain
from trionet.chat.events import Acted, Event, Missed, Said
from trionet.chat.limits import OPEN_ROOM
from trionet.chat.room import Room
from trionet.chat.session import Session
from trionet.checks import (
    check_backlog,
    check_callback,
    check_flag,
    check_limits,
    check_network,
)
from trionet.connection.connection import Connection
from trionet.connection.outbox import WhenSlow
from trionet.errors import AddressError, ListenError
from trionet.events import ServerEvent
from trionet.fanout.hub import Hub
from trionet.limits import Limits
from trionet.nurseries import single_error
from trionet.server import Server
from trionet.server import serve as serve_lines
from trionet.transport.addresses import check_addresses
from trionet.transport.network import SYSTEM

# Lines of one peer that are taken before others have their turn, where the room is busy.
_PORTION = 128

# For the console, once the handlers have ended: what the log still holds is for nobody else. It is
# there in a few milliseconds unless something is very wrong.
_LAST_MOMENT = 0.25


async def serve(
    *addresses: str,
    limits: Limits = OPEN_ROOM,
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
        limits: default `OPEN_ROOM`. A member for whom more than ``max_waiting`` bytes wait loses
            the oldest lines, and is told how many.
        forever: stay when the last member has left.
        backlog: connections that the system holds ready before they are accepted; default 4,096
            or what the system allows.
        on_event: see `trionet.serve`.
        show: called with each line for the console; it must not block. ``None``: nobody watches.
        show_messages: show what the members say, not the notices alone.
        network: where to listen; default the system's.
        task_status: is handed the `trionet.Server` once it accepts connections.

    Raises:
        TypeError, ValueError, AddressError, ListenError: as `trionet.serve`.

    Cancellation: immediate; connections are closed without a word.
    """
    check_addresses(addresses, caller="chat.serve")
    check_limits(limits)
    check_flag("forever", forever)
    check_flag("show_messages", show_messages)
    check_callback("on_event", on_event)
    check_callback("show", show)
    check_backlog(backlog)
    check_network(network)
    hub = Hub[Event]()
    finished = trio.Event()
    room = Room(hub, on_empty=lambda: None if forever else finished.set())
    if show is not None:
        hub.add(_Console(show), plain.encode if show_messages else _encode_notices)

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
                        partial(_handle, hub, room, last_words),
                        *addresses,
                        limits=limits,
                        identifies=True,
                        when_slow=WhenSlow.DROP_OLDEST,
                        tell_missed=lambda count: plain.encode(Missed(count)),
                        on_drain=begin_drain,
                        on_event=on_event,
                        backlog=backlog,
                        network=network,
                    )
                )
                task_status.started(server)
                await finished.wait()
                # Somebody else's drain has a deadline of its own.
                if not last_words.draining:
                    await server.drain()
            # The console alone can still be owed something. A drain's deadline holds for it too.
            grace = trio.current_time() + _LAST_MOMENT
            with trio.CancelScope(deadline=max(server.drain_deadline, grace)):
                await hub.wait_delivered()
            nursery.cancel_scope.cancel()


async def _handle(
    hub: Hub[Event], room: Room, last_words: _LastWords, connection: Connection
) -> None:
    session = Session(room, connection.outbox, plain, connection.lines.charge)
    try:
        with last_words:
            while not session.ended and (batch := await connection.lines.receive_batch()):
                taken = 0
                while taken < len(batch) and not session.ended:
                    if hub.must_wait:
                        await hub.wait_room()
                    taken += session.receive_batch(batch[taken : taken + _PORTION])
                    if connection.name is None and session.name is not None:
                        connection.identify(session.name)
                # An idle member holds no lines that are done with.
                del batch
        if not session.ended:
            await last_words.wait()
    finally:
        session.end()
    # What the peer is still to be told is in the log, in front of its discarding.
    await hub.wait_delivered()


class _LastWords:
    """Has a drain close the room, and let the members go, behind all that was received of them.

    When it begins, lines that were read can still be on their way into the log, above all those
    that the pace holds back. Who went before they are there would miss them.

    Each handler is inside for as long as it reads.

    Args:
        close: closes the room; called when a drain has begun and nobody reads any more.

    Attributes:
        draining: whether a drain has begun.
    """

    def __init__(self, close: Callable[[], object]) -> None:
        self._close = close
        self._inside = 0
        self.draining = False
        self._said = trio.Event()

    def begin_drain(self) -> None:
        self.draining = True
        self._look()

    async def wait(self) -> None:
        """During a drain, wait until all is said."""
        if self.draining:
            try:
                await self._said.wait()
            finally:
                self._look(cut_off=not self._said.is_set())

    def __enter__(self) -> None:
        self._inside += 1

    def __exit__(self, exc_type: type[BaseException] | None, *_: object) -> None:
        self._inside -= 1
        self._look(cut_off=exc_type is not None)

    def _look(self, *, cut_off: bool = False) -> None:
        # A member who is cut off at the deadline waits for nobody, and the others are not told that
        # it has left.
        if self.draining and (cut_off or not self._inside):
            self._close()
            self._said.set()


class _Console:
    """The operator's eyes: one more box of the hub, so that it sees the one order too."""

    def __init__(self, show: Callable[[str], object]) -> None:
        self._show = show

    def put(self, lines: bytes) -> None:
        for line in lines.decode().removesuffix("\n").split("\n"):
            self._show(line)


def _encode_notices(event: Event) -> bytes:
    return b"" if type(event) in (Said, Acted) else plain.encode(event)
