"""A person's link to a server: turns what a window or a terminal asks for into calls of the client.

The client is entered before the window is shown, so that a refused name is an ordinary error. It is
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
from trionet.chat.client.events import Welcome
from trionet.chat.person import calls
from trionet.errors import TrionetError
from trionet.transport.network import SYSTEM

# How often the lag is measured: how long the server takes to answer.
_LAG_SECONDS = 10.0

# How often a growing lag is updated while the server does not answer.
_SILENT_SECONDS = 1.0

# How often the countdown is updated: more than once a second, so that no second is skipped.
_COUNT_SECONDS = 0.25

# The most requests that have not reached the client. It takes each within two scheduler steps, so
# only a stuck program has as many. 64 more can be unanswered.
_MAX_UNASKED = 1000


class _Members(Struct, frozen=True, gc=False):
    room: str
    members: Sequence[str]
    type: str = "members"


class _Rooms(Struct, frozen=True, gc=False):
    rooms: Sequence[Any]
    type: str = "rooms"


class Listener(Protocol):
    """Is told what comes over the link: the window, or the lines of a terminal."""

    # Whether the connection is up, how many texts have no receipt yet, and the lag in milliseconds.
    is_up: bool
    waiting: int
    lag: int | None

    def hear(self, event: Any) -> None:
        """Take an event, or the answer to a request."""

    def loaded(self, name: str, events: Sequence[Any], *, more: bool) -> None:
        """Take a page of a room's history, oldest first."""

    def not_loaded(self, name: str, reason: str = "") -> None:
        """Note that a room's history was refused."""

    def refused(self, call: calls.ServerCall, reason: str) -> None:
        """Note that another request was refused."""

    def tell(self, text: str, kind: str = ...) -> None:
        """Tell the person something."""

    def link_up(self, how: str) -> None:
        """Note that the connection is up."""

    def link_down(self, how: str) -> None:
        """Note that it is down, and for how much longer; called again and again."""

    def link_ended(self, why: str) -> None:
        """Note that it is gone for good."""


class ClientLink:
    """A link (`trionet.cli.window.running.Link`) with its own client.

    Args:
        address: where the server is.
        name: the member's name.
        network: the network; default: the real one.
        password: the server's password; default ``None``: none.
    """

    def __init__(
        self, address: str, *, name: str, network: Network = SYSTEM, password: str | None = None
    ) -> None:
        self._client = Client(
            address, name=name, network=network, on_pause=self._note_pause, password=password
        )
        self._address = address
        # The unanswered requests, each with a number.
        self._unanswered: dict[int, calls.ServerCall] = {}
        self._last_number = 0
        self._asked, self._to_ask = trio.open_memory_channel[int](_MAX_UNASKED)
        # Why some of them have failed. `_tell_failed` passes it on.
        self._failed: dict[int, str] = {}
        self._has_failed = trio.Event()
        self._why_over = ""
        self._window: Listener | None = None
        self._changed: Callable[[], object] = lambda: None
        # When the next attempt to connect begins; ``None`` while connected.
        self._back_at: float | None = None
        self._is_paused = trio.Event()
        # When the connection was made, and an event that the next one sets.
        self._up_at = 0.0
        self._is_back = trio.Event()

    @property
    def name(self) -> str:
        """The member's name now."""
        return self._client.name

    @property
    def unanswered(self) -> list[calls.ServerCall]:
        """The requests that are not answered yet, oldest first."""
        return [*self._unanswered.values()]

    async def open(self) -> None:
        """Connect and log in. Raises what entering a `Client` raises; `quit` must follow."""
        await self._client.__aenter__()

    async def quit(self) -> None:
        """Leave the chat. Takes at most two seconds, or one if cancelled.

        Call it in the task that called `open`, with no nursery or cancel scope opened in between.
        """
        await self._client.__aexit__(None, None, None)

    async def run(self, window: Listener, changed: Callable[[], object]) -> None:
        """Tell the window about events until the server no longer lets this member come back."""
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
        # These will never be answered. Their texts must not vanish.
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
                # A text need not wait for the receipt of the one before it. But tasks that start in
                # the same scheduler step run in any order, so start one in each.
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
            # Tasks that wake up in the same step run in any order. Wait for all, then sort.
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
        """Let the shown lag grow while the server does not answer."""
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
