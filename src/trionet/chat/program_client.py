"""The chat for Python programs: a member that comes back by itself when its connection is lost.

This is the thin shell: connections come from `trionet.connect`, and what is known, said and said
again is decided in `client_state`. A task keeps the connection and reads, another one sends.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from types import MappingProxyType
from typing import Any, Self, TypeVar

import trio

from trionet.abc import Network
from trionet.chat.client_events import (
    Acted,
    ChatEvent,
    Error,
    Found,
    History,
    PastEvent,
    Removed,
    RoomInfo,
    Said,
    Told,
    TopicSet,
    Welcome,
    decode,
)
from trionet.chat.client_queue import EventQueue
from trionet.chat.client_state import ClientState, Room
from trionet.chat.names import NameRefused, NameTaken
from trionet.checks import check_network
from trionet.connection.connecting import connect
from trionet.connection.entered_once import EnteredOnce
from trionet.connection.input_end import why_lost
from trionet.connection.linestream import LineStream
from trionet.errors import BadLine, ConnectionLost, TrionetError
from trionet.kinds import check_kinds, shown
from trionet.transport.addresses import parse_address
from trionet.transport.network import SYSTEM

T = TypeVar("T")

# The server keeps the last 64 receipts of a member, to give them again after a lost connection.
MAX_UNANSWERED = 64

# How long the server may take to answer everything and close after `quit`; and after a failure,
# when nobody should wait for it longer than a round trip around the world.
_GOODBYE_SECONDS = 2.0
_SHORT_GOODBYE_SECONDS = 1.0

# Events that one page of the history has: as many as one line usually holds.
_PAGE = 200

# Refused logins after which coming back makes no sense. (A taken name becomes free.)
_FOR_GOOD = ("name-refused", "bad-password", "forbidden", "bad-request")


class RequestRefused(TrionetError):
    """The chat's server refused a request.

    Attributes:
        code: for programs, such as ``no-such-room``; see the protocol.
        reason: for people.
    """

    def __init__(self, code: str, reason: str) -> None:
        check_kinds(code=(code, str), reason=(reason, str))
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Client(EnteredOnce):
    """A member of a chat, which any number of tasks can use at the same time.

    An async context manager: entering it connects and logs in, and leaving it quits.

        async with Client("localhost:22223", name="ann") as chat:
            await chat.say("lobby", "hello")
            async for event in chat:
                print(event)

    When the connection is lost, the client connects again in growing pauses, for ever, and resumes
    where it was: what happened meanwhile follows, and requests that were not answered are repeated.
    A message is said once even then. What could not be got is told by an event of type ``missed``
    (page back with `history`) or ``epoch`` (the server has forgotten).

    Args:
        address: where the server is; see `trionet.parse_address`.
        name: what the member is called.
        network: what to connect over; default the real network.
        rooms: where it starts; default the lobby.
        hold: whether the server keeps its place for a while (60 s unless the operator has changed
            it) when the connection is lost; default true. Without it, others are told that it left,
            and a message whose receipt was lost may be said again.
        on_pause: called before each pause, with its length in seconds and a text that says why the
            connection was lost or not made.

    Attributes:
        name: what the member is called now.
        rooms: the rooms it is in, as of the last event received. Each has ``members``, ``count``,
            ``topic`` and ``last``.

    Raises:
        AddressError: the address cannot be read.
        TypeError: an argument has the wrong type; the message says what to write.

    Entering raises:
        ConnectError: nobody answers there. It is not tried again.
        ConnectionLost: the server closed the connection, or does not speak this protocol.
        NameTaken: another member has this name, or one that looks like it.
        NameRefused: nobody can have this name.
        RequestRefused: the server refused the login for another reason.

    Cancellation: entering leaves nothing behind; leaving takes a second at most.

    Resource handling: the client's tasks and its connection end with the block. What the block
    raises is not wrapped in a group. Leaving waits until everything is answered and the server has
    closed, for two seconds at most; if the block has failed or was cancelled, for one.
    Events that are not taken are kept up to 1 MiB; then a ``missed`` takes the oldest ones' place.
    At most 64 requests are under way; more wait for their turn.
    """

    def __init__(
        self,
        address: str,
        *,
        name: str,
        network: Network = SYSTEM,
        rooms: Sequence[str] = ("lobby",),
        hold: bool = True,
        on_pause: Callable[[float, str], object] | None = None,
    ) -> None:
        parse_address(address)
        check_kinds(name=(name, str), hold=(hold, bool))
        is_list = isinstance(rooms, Sequence) and not isinstance(rooms, str)
        if not is_list or not all(isinstance(room, str) for room in rooms):
            raise TypeError(f"rooms are several texts, such as ['lobby'], not {shown(rooms)}")
        check_network(network)
        self._address = address
        self._network = network
        self._state = ClientState(name, tuple(rooms), hold=hold)
        self._on_pause = on_pause
        self._queue = EventQueue()
        self._is_open = False
        self._is_leaving = False
        self._lines: LineStream | None = None
        self._room = trio.Semaphore(MAX_UNANSWERED)
        self._entered = trio.Event()
        self._has_events = trio.Event()
        self._has_requests = trio.Event()
        self._waiting: set[trio.Event] = set()
        # Makes the error of whatever is asked for after the end.
        self._failure: Callable[[], Exception] = partial(
            trio.ClosedResourceError, "the client is used outside of its `async with` block"
        )

    def __repr__(self) -> str:
        state = "not connected yet" if self._block is None else "closed"
        if self._is_open:
            state = "in the chat" if self._state.is_live else "connecting"
        return f"<Client {self.name!r} of {self._address}: {state}>"

    @property
    def name(self) -> str:
        """What this member is called now."""
        return self._state.name

    @property
    def rooms(self) -> Mapping[str, Room]:
        """The rooms this member is in, as of the last event received."""
        return MappingProxyType(self._state.rooms)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> ChatEvent:
        """Return the next event. Several tasks that iterate share the events.

        Raises:
            TrionetError: the server does not let this member come back.
            StopAsyncIteration: the client is closed.

        Cancellation: no event is lost. Always a checkpoint.
        """
        await trio.lowlevel.checkpoint()
        while (event := self._queue.take()) is None:
            if not self._is_open:
                failure = self._failure()
                if isinstance(failure, trio.ClosedResourceError) and self._block is not None:
                    raise StopAsyncIteration
                raise failure
            await self._has_events.wait()
        if not self._queue and self._is_open:
            self._has_events = trio.Event()
        return event

    async def say(self, room: str, text: str) -> Said:
        """Say something in a room, and return the receipt.

        Args:
            room: a room that this member is in.
            text: at most 4,096 bytes and 50 lines.

        Raises:
            TypeError: an argument is no text.
            RequestRefused: the server refused it; nothing was said.
            ConnectionLost: the server does not let this member come back.
            trio.ClosedResourceError: the client is used outside its block.

        Cancellation: the text may be said or not, never twice. Always a checkpoint.
        """
        check_kinds(room=(room, str), text=(text, str))
        return await self._ask(Said, type="say", room=room, text=text)

    async def act(self, room: str, text: str) -> Acted:
        """Do something in a room (``* Ann waves``). Raises and is cancelled as `say`."""
        check_kinds(room=(room, str), text=(text, str))
        return await self._ask(Acted, type="act", room=room, text=text)

    async def tell(self, to: str, text: str) -> Told:
        """Tell one member something. Raises and is cancelled as `say`."""
        check_kinds(to=(to, str), text=(text, str))
        return await self._ask(Told, type="tell", to=to, text=text)

    async def join(self, room: str) -> Room:
        """Join a room, and return what is known of it. Raises as `say`.

        Cancellation: the member may be in the room or not.
        """
        check_kinds(room=(room, str))
        entered: Any = await self._ask(ChatEvent, type="join", room=room)
        return self._state.rooms.get(entered.room) or Room(
            [*entered.members], entered.count, entered.topic, entered.last
        )

    async def leave(self, room: str) -> None:
        """Leave a room. Raises as `say`.

        Cancellation: the member may be in the room or not.
        """
        check_kinds(room=(room, str))
        await self._ask(ChatEvent, type="leave", room=room)

    async def topic(self, room: str, text: str) -> TopicSet:
        """Set a room's topic; an empty text removes it. Raises as `say`.

        Cancellation: the topic may be set or not.
        """
        check_kinds(room=(room, str), text=(text, str))
        return await self._ask(TopicSet, type="topic", room=room, text=text)

    async def nick(self, name: str) -> None:
        """Take another name. Raises as `say`.

        Cancellation: the member may have the new name or the old one.
        """
        check_kinds(name=(name, str))
        await self._ask(ChatEvent, type="nick", name=name)

    async def remove(self, room: str, number: int) -> Removed:
        """Remove one of this member's messages. Raises as `say`.

        Cancellation: the message may be removed or not.
        """
        check_kinds(room=(room, str), number=(number, int))
        return await self._ask(Removed, type="remove", room=room, number=number)

    async def who(self, room: str) -> list[str]:
        """Return all members of a room, in the order of joining. Raises as `say`."""
        check_kinds(room=(room, str))
        return [*await self._list(type="who", room=room)]

    async def list_rooms(self) -> list[RoomInfo]:
        """Return all rooms of the chat. Raises as `say`."""
        return [*await self._list(type="rooms")]

    async def ping(self) -> None:
        """Wait until the server has answered everything before this. Raises as `say`."""
        await self._ask(ChatEvent, type="ping")

    async def history(
        self, room: str, *, after: int | None = None, before: int | None = None
    ) -> AsyncIterator[PastEvent]:
        """Yield what happened in a room, the newest first, asking for pages as they are needed.

        Args:
            room: any room; ``"@"``: this member's private messages.
            after: yield what has greater numbers, the oldest first.
            before: yield what has smaller numbers; not together with `after`.

        Raises: as `say`.
        """
        check_kinds(room=(room, str))
        while True:
            beside = _given(after=after, before=before)
            page = await self._ask(History, type="history", room=room, limit=_PAGE, **beside)
            for event in page.events if after is not None else reversed(page.events):
                yield event
            if not page.more or not page.events:
                return
            if after is not None:
                after = page.events[-1].number
            else:
                before = page.events[0].number

    async def search(
        self,
        text: str,
        *,
        room: str | None = None,
        name: str | None = None,
        before: int | None = None,
        limit: int = 50,
    ) -> Found:
        """Find messages that have all words of a text, the newest. Raises as `say`.

        Args:
            text: the words.
            room: only in this room; default: everywhere.
            name: only what this member said.
            before: only smaller numbers; needs a room.
            limit: how many at most, up to 500.
        """
        check_kinds(text=(text, str), limit=(limit, int))
        given = _given(room=room, name=name, before=before, limit=limit)
        return await self._ask(Found, type="search", text=text, **given)

    async def _list(self, **fields: Any) -> list[Any]:
        parts: list[Any] = []
        await self._ask(ChatEvent, parts, **fields)
        return parts

    async def _ask(self, kind: type[T], parts: list[Any] | None = None, /, **fields: Any) -> T:
        await trio.lowlevel.checkpoint()
        if not self._is_open:
            raise self._failure()
        await self._room.acquire()
        # Check again: the client may have ended while this call waited.
        if not self._is_open:
            self._room.release()
            raise self._failure()
        done = trio.Event()

        def finish() -> None:
            self._room.release()
            done.set()

        ask = self._state.ask(fields, finish)
        self._waiting.add(done)
        self._has_requests.set()
        try:
            await done.wait()
        except BaseException:
            self._state.give_up(ask)
            raise
        finally:
            self._waiting.discard(done)
        answer = ask.answer
        if answer is None:
            raise self._failure()
        if isinstance(answer, Error):
            # A repeated request may have been carried out the first time.
            is_done = (fields["type"], answer.code) == ("leave", "not-in-room")
            if not (ask.was_repeated and is_done):
                raise RequestRefused(answer.code, answer.reason)
        elif not isinstance(answer, kind):
            raise ConnectionLost(f"the server does not speak this protocol: {answer.type}")
        if parts is not None:
            parts += ask.parts
        return answer  # type: ignore[return-value]

    @asynccontextmanager
    async def _run(self) -> AsyncIterator[None]:
        failure: BaseException | None = None
        try:
            async with (
                connect(
                    self._address, network=self._network, on_pause=self._on_pause
                ) as connections,
                trio.open_nursery() as nursery,
            ):
                self._is_open = True
                kept = trio.Event()
                nursery.start_soon(self._keep, connections, kept)
                try:
                    await self._entered.wait()
                    if not self._is_open:
                        raise self._failure()
                    yield
                    await self._quit(kept, _GOODBYE_SECONDS)
                except trio.Cancelled:
                    await self._quit(kept, _SHORT_GOODBYE_SECONDS)
                    raise
                except BaseException as error:
                    # Raised further below, because the nursery would wrap it in a group.
                    failure = error
                    await self._quit(kept, _SHORT_GOODBYE_SECONDS)
                nursery.cancel_scope.cancel()
        finally:
            self._end(partial(trio.ClosedResourceError, "the client is closed"))
            # Raised only here, where nothing is awaited any more: a cancellation would replace it.
            if failure is not None:
                raise failure

    async def _quit(self, kept: trio.Event, seconds: float) -> None:
        """Leave the chat: a member that only closed would be held."""
        self._is_leaving = True
        if self._lines is None:
            return
        with trio.CancelScope(shield=seconds < _GOODBYE_SECONDS) as scope:
            scope.deadline = trio.current_time() + seconds
            try:
                await self._lines.send('{"type":"quit"}')
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                return
            # Closing with unread input could destroy the `quit` on its way.
            await kept.wait()

    async def _keep(self, connections: connect, kept: trio.Event) -> None:
        try:
            async for lines in connections:
                self._lines = lines
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._send, lines)
                    await self._receive(lines, connections)
                    nursery.cancel_scope.cancel()
                self._lines = None
                self._state.lost()
                if self._state.ended is not None:
                    self._end(partial(ConnectionLost, self._state.ended))
                elif not self._entered.is_set():
                    self._end(partial(ConnectionLost, why_lost(lines.end)))
                if self._is_leaving or not self._is_open:
                    return
        finally:
            kept.set()

    async def _send(self, lines: LineStream) -> None:
        # A lost connection is noticed, and told, by the one who reads.
        try:
            await lines.send(*self._state.login())
            while True:
                self._has_requests = trio.Event()
                if requests := self._state.take_lines():
                    await lines.send(*requests)
                else:
                    await self._has_requests.wait()
        except trio.BrokenResourceError:
            pass

    async def _receive(self, lines: LineStream, connections: connect) -> None:
        try:
            async for line in lines:
                event = decode(line)
                size = len(line) if line.isascii() else len(line.encode())
                was_live = self._state.is_live
                shown_event = None if event is None else self._state.receive(event)
                if shown_event is not None:
                    self._queue.put(shown_event, size)
                    self._has_events.set()
                if isinstance(event, Welcome):
                    connections.worked()
                if self._state.is_live and not was_live:
                    self._entered.set()
                self._has_requests.set()
                if isinstance(event, Error) and not self._state.is_logged_in:
                    self._refused(event)
                    return
        except (ValueError, BadLine) as error:
            text = f"the server does not speak this protocol: {error}"
            self._end(partial(ConnectionLost, text))

    def _refused(self, error: Error) -> None:
        """End, unless the login may be tried again."""
        if self._entered.is_set() and error.code not in _FOR_GOOD:
            return
        if error.code == "name-taken":
            self._end(partial(NameTaken, error.reason))
        elif error.code == "name-refused":
            self._end(partial(NameRefused, error.reason))
        else:
            self._end(partial(RequestRefused, error.code, error.reason))

    def _end(self, failure: Callable[[], Exception]) -> None:
        """Make every waiting and every later call fail. The first reason given is kept."""
        if not self._is_open:
            return
        self._is_open = False
        self._failure = failure
        for done in self._waiting:
            done.set()
        for _ in range(self._room.statistics().tasks_waiting):
            self._room.release()
        self._entered.set()
        self._has_events.set()


def _given(**fields: Any) -> dict[str, Any]:
    """Return the fields of a request that are not left out."""
    return {name: value for name, value in fields.items() if value is not None}
