"""A chat client's connection: kept, made again when it is lost, and shared by all who ask.

A task keeps the connection and reads, another one sends; `trionet.connect` makes the connections.
`state`, which is pure, decides what is known, said and said again. `Client` is what a program sees
of this.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, TypeVar

import trio

from trionet.abc import Network
from trionet.chat.client.events import ChatEvent, Error, Welcome, decode
from trionet.chat.client.queue import EventQueue
from trionet.chat.client.state import ClientState
from trionet.chat.client.unanswered_requests import UNKNOWN
from trionet.chat.names.names import NameRefused, NameTaken
from trionet.chat.session.admission import NOT_HERE
from trionet.connection.generator_context import is_cancellation
from trionet.connection.input_end import why_lost
from trionet.connection.linestream import LineStream
from trionet.connection.reconnecting import connect
from trionet.errors import BadLine, ConnectionLost, TrionetError
from trionet.text.safe import safe_text
from trionet.transport.hosts import is_private_address
from trionet.type_checks import check_kinds

T = TypeVar("T")

HALF_A_PAIR = "a text has half of a surrogate pair, which no line can have"
_OTHER_PROTOCOL = "the server does not speak this protocol"

# The server keeps the last 64 receipts of a member, to give them again after a lost connection.
MAX_UNANSWERED = 64

# How long the server may take to answer everything and close after `quit`; and after a failure,
# when nobody should wait for it longer than a round trip around the world.
_GOODBYE_SECONDS = 2.0
_SHORT_GOODBYE_SECONDS = 1.0

# How long a server may take to answer a login: as long as it waits for one itself. A proxy whose
# server is gone accepts connections and never says anything.
_LOGIN_SECONDS = 30.0

# What a server says in plain lines before it knows which format a client speaks: that it is full.
_PLAIN_ERROR = "error: "

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


class ClientConnection:
    """See the head of this file. The arguments are those of `trionet.chat.Client`.

    Attributes:
        state: what is known of the chat.
        is_open: whether the block is running and the server may answer.
        was_entered: whether the block was ever entered.
    """

    def __init__(
        self,
        address: str,
        *,
        name: str,
        network: Network,
        rooms: Sequence[str],
        hold: bool,
        on_pause: Callable[[float, str], object] | None,
        password: str | None,
    ) -> None:
        self.state = ClientState(name, tuple(rooms), hold=hold, password=password)
        # It must not be sent where it can be read on its way.
        self._is_betrayed = password is not None and not is_private_address(address)
        self.is_open = False
        self.was_entered = False
        self._address = address
        self._network = network
        self._on_pause = on_pause
        self._queue = EventQueue()
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

    async def next_event(self) -> ChatEvent:
        """Return the next event; see `Client.__anext__`."""
        await trio.lowlevel.checkpoint()
        while (event := self._queue.take()) is None:
            if not self.is_open:
                failure = self._failure()
                if isinstance(failure, trio.ClosedResourceError) and self.was_entered:
                    raise StopAsyncIteration
                raise failure
            await self._has_events.wait()
        if not self._queue and self.is_open:
            self._has_events = trio.Event()
        return event

    async def ask(self, kind: type[T], parts: list[Any] | None = None, /, **fields: Any) -> T:
        """Ask the server for something, and return the last line of the answer.

        Args:
            kind: what the answer is.
            parts: takes what the lines of a list have.
            fields: the request.

        Raises and is cancelled as `Client.say`.
        """
        await trio.lowlevel.checkpoint()
        if not self.is_open:
            raise self._failure()
        await self._room.acquire()
        # Check again: the client may have ended while this call waited.
        if not self.is_open:
            self._room.release()
            raise self._failure()
        done = trio.Event()

        def finish() -> None:
            self._room.release()
            done.set()

        try:
            ask = self.state.ask(fields, finish)
        except UnicodeEncodeError:
            self._room.release()
            raise RequestRefused("bad-json", HALF_A_PAIR) from None
        if (refused := ask.too_long()) is not None:
            self.state.give_up(ask)
            raise _refusal(refused)
        self._waiting.add(done)
        self._has_requests.set()
        try:
            await done.wait()
        except BaseException:
            self.state.give_up(ask)
            raise
        finally:
            self._waiting.discard(done)
        answer = ask.answer
        if answer is None:
            raise self._failure()
        if isinstance(answer, Error):
            if answer is UNKNOWN:
                raise ConnectionLost(answer.reason)
            # A repeated request may have been carried out the first time.
            is_done = (fields["type"], answer.code) == ("leave", "not-in-room")
            if not (ask.is_doubtful and is_done):
                raise _refusal(answer)
        elif not isinstance(answer, kind):
            raise ConnectionLost(f"{_OTHER_PROTOCOL}: a {answer.type} for a {ask.type}")
        if parts is not None:
            parts += ask.parts
        return answer  # type: ignore[return-value]

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Be connected while the block runs; see `Client`."""
        self.was_entered = True
        if self._is_betrayed:
            raise RequestRefused("forbidden", NOT_HERE)
        try:
            self.state.login()
        except UnicodeEncodeError:
            raise NameRefused(HALF_A_PAIR) from None
        failure: BaseException | None = None
        try:
            async with (
                connect(
                    self._address, network=self._network, on_pause=self._on_pause
                ) as connections,
                trio.open_nursery() as nursery,
            ):
                self.is_open = True
                kept = trio.Event()
                nursery.start_soon(self._keep, connections, kept)
                try:
                    await self._entered.wait()
                    if not self.is_open:
                        raise self._failure()
                    yield
                    await self._quit(kept, _GOODBYE_SECONDS)
                except BaseException as error:
                    await self._quit(kept, _SHORT_GOODBYE_SECONDS)
                    if is_cancellation(error):
                        raise
                    # Raised further below, because the nursery would wrap it in a group.
                    failure = error
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
                why = await self._talk(lines, connections)
                self._lines = None
                self.state.lost()
                if self.state.ended is not None:
                    self._end(partial(ConnectionLost, self.state.ended))
                elif not self._entered.is_set():
                    self._end(partial(ConnectionLost, why or why_lost(lines.end)))
                if self._is_leaving or not self.is_open:
                    return
        finally:
            kept.set()

    async def _talk(self, lines: LineStream, connections: connect) -> str | None:
        """Use a connection until it ends, and return why it does, if that is known here."""
        why = None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._send, lines)
            with trio.CancelScope() as login:
                login.deadline = trio.current_time() + _LOGIN_SECONDS
                why = await self._receive(lines, connections, login)
            nursery.cancel_scope.cancel()
        if login.cancelled_caught:
            return f"the server did not answer the login within {_LOGIN_SECONDS:g} seconds"
        return why

    async def _send(self, lines: LineStream) -> None:
        # A lost connection is noticed, and told, by the one who reads.
        try:
            await lines.send(*self.state.login())
            while True:
                self._has_requests = trio.Event()
                if requests := self.state.take_lines():
                    await lines.send(*requests)
                else:
                    await self._has_requests.wait()
        except trio.BrokenResourceError:
            pass

    async def _receive(
        self, lines: LineStream, connections: connect, login: trio.CancelScope
    ) -> str | None:
        try:
            async for line in lines:
                if line.startswith(_PLAIN_ERROR) and not self.state.is_logged_in:
                    return safe_text(line.removeprefix(_PLAIN_ERROR))
                event = decode(line)
                size = len(line) if line.isascii() else len(line.encode())
                was_live = self.state.is_live
                shown_event = None if event is None else self.state.receive(event, size)
                if shown_event is not None:
                    self._queue.put(shown_event, size)
                    self._has_events.set()
                if isinstance(event, Welcome):
                    connections.worked()
                    login.deadline = math.inf
                if self.state.is_live and not was_live:
                    self._entered.set()
                if self.state.may_send:
                    self._has_requests.set()
                if isinstance(event, Error) and not self.state.is_logged_in:
                    self._refused(event)
                    break
                if self.state.is_useless:
                    break
        except (ValueError, BadLine) as error:
            # What stands in for a server that is being restarted may say anything. It is no reason
            # to stay away: this client has been in the chat before.
            if self._entered.is_set() and not self.state.is_logged_in:
                return None
            self._end(partial(ConnectionLost, f"{_OTHER_PROTOCOL}: {error}"))
        return None

    def _refused(self, error: Error) -> None:
        """End, unless the login may be tried again."""
        if self._entered.is_set() and error.code not in _FOR_GOOD:
            return
        if error.code == "name-taken":
            self._end(partial(NameTaken, safe_text(error.reason)))
        elif error.code == "name-refused":
            self._end(partial(NameRefused, safe_text(error.reason)))
        else:
            self._end(partial(_refusal, error))

    def _end(self, failure: Callable[[], Exception]) -> None:
        """Make every waiting and every later call fail. The first reason given is kept."""
        if not self.is_open:
            return
        self.is_open = False
        self._failure = failure
        for done in self._waiting:
            done.set()
        for _ in range(self._room.statistics().tasks_waiting):
            self._room.release()
        self._entered.set()
        self._has_events.set()


def _refusal(error: Error) -> RequestRefused:
    """Return an exception that can be printed: no server steers a terminal with it."""
    return RequestRefused(safe_text(error.code), safe_text(error.reason))
