"""A person's link to a server: what a window or a terminal asks for becomes calls of the client.

The client is entered before the window is shown, so that a refused name is an ordinary error, and
left after the terminal is restored (`ClientLink.quit`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import aclosing
from math import ceil
from typing import Any, Protocol, assert_never

import trio
from msgspec import Struct

from trionet.abc import Network
from trionet.chat.client.client import Client
from trionet.chat.client_events import Welcome
from trionet.chat.person import calls
from trionet.errors import TrionetError
from trionet.transport.network import SYSTEM

# How often to measure how long the server takes to answer.
_LAG_SECONDS = 10.0

# How often a lag that still grows is shown.
_SILENT_SECONDS = 1.0

# How often the countdown is shown anew; more often than its seconds pass.
_COUNT_SECONDS = 0.25

# Requests that have not reached the client. It takes each within two steps, so that only a stuck
# program has as many; 64 more can be under way.
_MAX_UNASKED = 1000


class _Members(Struct, frozen=True, gc=False):
    room: str
    members: Sequence[str]
    type: str = "members"


class _Rooms(Struct, frozen=True, gc=False):
    rooms: Sequence[Any]
    type: str = "rooms"


class Listener(Protocol):
    """Who is told what comes over the link: the window, or the lines of a terminal."""

    # Whether the connection is up, how many texts wait for their receipts, and how long an answer
    # takes, in milliseconds.
    is_up: bool
    waiting: int
    lag: int | None

    def hear(self, event: Any) -> None:
        """Take an event, or the answer to a request."""

    def loaded(self, name: str, events: Sequence[Any], *, more: bool) -> None:
        """Take a page of a room's history, oldest first."""

    def not_loaded(self, name: str, reason: str = "") -> None:
        """Take note that a room's history was refused."""

    def refused(self, call: calls.ServerCall, reason: str) -> None:
        """Take note that the server has refused something else."""

    def tell(self, text: str, kind: str = ...) -> None:
        """Tell the person something."""

    def link_up(self, how: str) -> None:
        """Take note that the connection is up."""

    def link_down(self, how: str) -> None:
        """Take note that it is down, and for how much longer; called again and again."""

    def link_ended(self, why: str) -> None:
        """Take note that it is over for good."""


class ClientLink:
    """A `Link` over a client of its own.

    Args:
        address: where the server is.
        name: what the member is called.
        network: what to connect over.
        password: the server's; default ``None``: none.
    """

    def __init__(
        self, address: str, *, name: str, network: Network = SYSTEM, password: str | None = None
    ) -> None:
        self._client = Client(
            address, name=name, network=network, on_pause=self._note_pause, password=password
        )
        self._address = address
        # Each request with a number, until it is answered.
        self._unanswered: dict[int, calls.ServerCall] = {}
        self._last_number = 0
        self._asked, self._to_ask = trio.open_memory_channel[int](_MAX_UNASKED)
        # Those that have failed, and why; `_tell_failed` tells it.
        self._failed: dict[int, str] = {}
        self._has_failed = trio.Event()
        self._why_over = ""
        self._window: Listener | None = None
        self._changed: Callable[[], object] = lambda: None
        # When it connects again; ``None`` while it is connected.
        self._back_at: float | None = None
        self._is_paused = trio.Event()
        # When it was connected last, and the event that a new connection sets.
        self._up_at = 0.0
        self._is_back = trio.Event()

    @property
    def name(self) -> str:
        """What the member is called now."""
        return self._client.name

    @property
    def unanswered(self) -> list[calls.ServerCall]:
        """The requests that have no answer, in the order in which they were made."""
        return [*self._unanswered.values()]

    async def open(self) -> None:
        """Connect and log in. Raises what entering a `Client` raises; `quit` must follow."""
        await self._client.__aenter__()

    async def quit(self) -> None:
        """Leave the chat. Takes two seconds at most, one if it is cancelled.

        Call it in the task that called `open`, with no nursery or cancel scope opened in between.
        """
        await self._client.__aexit__(None, None, None)

    async def run(self, window: Listener, changed: Callable[[], object]) -> None:
        """Tell the window all events, until the server does not let this member come back."""
        self._window, self._changed = window, changed
        self._note_connected(window)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._ask_all, window)
            nursery.start_soon(self._tell_failed, window)
            nursery.start_soon(self._measure_lag, window)
            nursery.start_soon(self._count_down, window)
            try:
                async for event in self._client:
                    if isinstance(event, Welcome):
                        self._note_connected(window)
                    window.hear(event)
                    changed()
                why = "the server has closed"
            except TrionetError as error:
                why = str(error)
            nursery.cancel_scope.cancel()
        self._why_over = why
        window.link_ended(why)
        # Nobody answers these any more, and their texts must not vanish.
        while self._unanswered:
            _refuse(window, self._unanswered.pop(next(iter(self._unanswered))), why)
        changed()

    def ask(self, call: calls.ServerCall) -> None:
        """Send a request. Never a checkpoint."""
        try:
            if not self._why_over:
                self._asked.send_nowait(self._last_number + 1)
                self._last_number += 1
                self._unanswered[self._last_number] = call
                return
            why = self._why_over
        except trio.WouldBlock:
            why = "too much is unsent"
        if self._window is not None:
            _refuse(self._window, call, why)
            self._changed()

    async def _ask_all(self, window: Listener) -> None:
        async with trio.open_nursery() as nursery:
            async for number in self._to_ask:
                nursery.start_soon(self._carry_out, window, number)
                # The next text need not wait for the receipt of the last one. But one call must be
                # under way before the next begins, because tasks that start in one step start in
                # any order.
                await trio.lowlevel.checkpoint()

    async def _carry_out(self, window: Listener, number: int) -> None:
        call = self._unanswered[number]
        is_said = isinstance(call, calls.Say | calls.Act | calls.Tell)
        window.waiting += is_said
        try:
            await self._call(window, call)
            del self._unanswered[number]
        except TrionetError as error:
            self._failed[number] = str(error)
            self._has_failed.set()
        except trio.ClosedResourceError:
            # `run` says why.
            return
        finally:
            window.waiting -= is_said
            self._changed()

    async def _tell_failed(self, window: Listener) -> None:
        while True:
            await self._has_failed.wait()
            # Tasks that wake up in one step go on in any order, but texts come back in their own.
            await trio.lowlevel.checkpoint()
            self._has_failed = trio.Event()
            for number in sorted(self._failed):
                _refuse(window, self._unanswered.pop(number), self._failed.pop(number))
            self._changed()

    async def _call(self, window: Listener, call: calls.ServerCall) -> None:
        client = self._client
        match call:
            case calls.Say(room, text):
                await client.say(room, text)
            case calls.Act(room, text):
                await client.act(room, text)
            case calls.Tell(to, text):
                await client.tell(to, text)
            case calls.Join(room):
                await client.join(room)
            case calls.Leave(room):
                await client.leave(room)
            case calls.Remove(room, number):
                await client.remove(room, number)
            case calls.SetTopic(room, text):
                await client.topic(room, text)
            case calls.Nick(name):
                await client.nick(name)
            case calls.Who(room):
                window.hear(_Members(room, await client.who(room)))
            case calls.AskRooms():
                window.hear(_Rooms(await client.list_rooms()))
            case calls.Search(room, text, before, limit):
                window.hear(await client.search(text, room=room, before=before, limit=limit))
            case calls.History():
                await self._load(window, call)
            case _:
                assert_never(call)

    async def _load(self, window: Listener, call: calls.History) -> None:
        page: list[Any] = []
        client, after = self._client, call.after
        events: Any = (
            client.history(call.room, after=after)
            if after
            else client.history(call.room, before=call.before)
        )
        async with aclosing(events):
            async for event in events:
                page.append(event)
                if len(page) == call.limit:
                    break
        # Without `after`, the newest come first.
        window.loaded(call.room, page if after else page[::-1], more=len(page) == call.limit)

    def _note_connected(self, window: Listener) -> None:
        self._back_at = None
        self._up_at = trio.current_time()
        self._is_back.set()
        window.link_up(f"connected to {self._address}")

    def _note_pause(self, seconds: float, _why: str) -> None:
        self._back_at = trio.current_time() + seconds
        self._is_paused.set()

    async def _count_down(self, window: Listener) -> None:
        while True:
            await self._is_paused.wait()
            self._is_paused = trio.Event()
            while self._back_at is not None:
                left = ceil(self._back_at - trio.current_time())
                window.link_down(f"reconnecting in {max(left, 0)} s")
                self._changed()
                await trio.sleep(_COUNT_SECONDS)

    async def _measure_lag(self, window: Listener) -> None:
        while True:
            self._is_back = trio.Event()
            began, is_over = trio.current_time(), False
            try:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._show_waiting, window, began)
                    await self._client.ping()
                    nursery.cancel_scope.cancel()
            except* (TrionetError, trio.ClosedResourceError):
                is_over = True
            if is_over:
                return
            window.lag = round((trio.current_time() - began) * 1000)
            self._changed()
            with trio.move_on_after(_LAG_SECONDS):
                await self._is_back.wait()

    async def _show_waiting(self, window: Listener, began: float) -> None:
        """Let the lag grow on the screen while a server that is connected does not answer."""
        while True:
            await trio.sleep(_SILENT_SECONDS)
            if window.is_up:
                window.lag = round((trio.current_time() - max(began, self._up_at)) * 1000)
                self._changed()


def _refuse(window: Listener, call: calls.ServerCall, why: str) -> None:
    if isinstance(call, calls.History):
        window.not_loaded(call.room, why)
    else:
        window.refused(call, why)
