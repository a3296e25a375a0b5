"""A client that relies on nothing but the protocol: it comes back and ends with every event once.

It keeps what it has seen of each room, and repeats each request that no `re` has answered.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any

import trio

from trionet.connection.linestream import LineStream
from trionet.errors import TrionetError

# What a connection raises that is no more.
LOST = (
    trio.BrokenResourceError, trio.ClosedResourceError, trio.EndOfChannel,
)  # fmt: skip

Event = dict[str, Any]
Connect = Callable[[], Awaitable[trio.abc.Stream]]


class Follower:
    """A member that is cut off and comes back.

    Args:
        name: what it is called.
        connect: opens another connection.
        rooms: where it starts; the lobby must be the first.
        pause: returns for how many seconds it is away when it has lost a connection.

    Attributes:
        transcript: every event of its rooms, without `re`, in the order in which it was told.
        answered: the `re` of its own messages, in that order.
        missed: the gaps that it was told of.
        stream: the connection of now.
        resumed: how often it was resumed.
        epochs: the epochs that it was told.
        is_in: whether it is in the lobby, over the connection of now.
    """

    def __init__(
        self,
        name: str,
        connect: Connect,
        *,
        rooms: Sequence[str] = ("lobby",),
        pause: Callable[[], float] = lambda: 0.01,
    ) -> None:
        self.name = name
        self.transcript: list[Event] = []
        self.answered: list[int] = []
        self.missed: list[Event] = []
        self.stream: trio.abc.Stream | None = None
        self.resumed = 0
        self.epochs: list[str] = []
        self.is_in = False
        self._connect = connect
        self._rooms = rooms
        self._pause = pause
        self._token: str | None = None
        self._seen: dict[str, int] = {}
        self._ids = itertools.count(1)
        self._unanswered: dict[int, Event] = {}
        self._sending = trio.Lock()
        # Set, and replaced, with each event.
        self._told = trio.Event()

    async def say(self, text: str, room: str = "lobby") -> None:
        """Say something in a room, now or when the connection is back."""
        await self.ask("say", room=room, text=text)

    async def ask(self, type: str, **fields: Any) -> None:  # noqa: A002  its name in the protocol
        """Send a request, now or when the connection is back."""
        id_ = next(self._ids)
        self._unanswered[id_] = {"type": type, **fields, "id": id_}
        await self._send(self._unanswered[id_])

    async def entered(self) -> None:
        """Wait until it is in the lobby, over a new connection or still."""
        await self.wait_until(lambda: self.is_in)

    async def settled(self) -> None:
        """Wait until all that was said is answered."""
        await self.wait_until(lambda: not self._unanswered)

    async def wait_until(self, is_so: Callable[[], object]) -> None:
        """Wait until something is so of what it was told."""
        while not is_so():
            await self._told.wait()

    def has_missed(self, room: str, number: int) -> bool:
        """Tell whether it was told that it has missed an event."""
        return any(
            gap["room"] == room and gap["after"] < number < gap["before"] for gap in self.missed
        )

    async def run(self) -> None:
        """Come back whenever the connection is lost, until cancelled."""
        while True:
            try:
                async with await self._connect() as self.stream:
                    await self._converse(LineStream(self.stream))
            except (*LOST, OSError, TrionetError):
                pass
            await trio.sleep(self._pause())

    async def _send(self, request: Event) -> None:
        # Not over a connection that has come meanwhile: over that one, it is sent by `_converse`.
        stream = self.stream
        if stream is not None and self.is_in:
            with suppress(*LOST):
                async with self._sending:
                    await stream.send_all(json.dumps(request).encode() + b"\n")

    async def _converse(self, lines: LineStream) -> None:
        self.is_in = False
        await lines.send(*map(json.dumps, self._login()))
        while True:
            line = await lines.receive()
            if line == "error: server is closing":
                # It was not accepted any more.
                return
            assert line.startswith("{"), line
            event: Event = json.loads(line)
            self._take(event)
            self._told.set()
            self._told = trio.Event()
            if self._has_come_in(event):
                for request in list(self._unanswered.values()):
                    await self._send(request)

    def _login(self) -> list[Event]:
        """Return the requests that begin a connection."""
        login: Event = {"type": "login", "name": self.name, "hold": True, "rooms": self._rooms}
        if self._token is not None:
            login.update(token=self._token, epoch=self.epochs[-1], seen=self._seen)
        return [login]

    def _has_come_in(self, event: Event) -> bool:
        """Tell whether an event is the last of what a login brings."""
        return bool(event["type"] == "entered" and event["room"] == "lobby")

    def _take(self, event: Event) -> None:
        re = event.pop("re", None)
        match event["type"]:
            case "welcome":
                self._token = event["token"]
                self.resumed += event["resumed"]
                if not self.epochs or self.epochs[-1] != event["epoch"]:
                    self.epochs.append(event["epoch"])
            case "entered":
                self.is_in = True
                self._seen[event["room"]] = event["last"]
            case "missed":
                self.missed.append(event)
            case "error":
                raise AssertionError(event)
            case "closing" | "pong":
                pass
            case _:
                number, room = event["number"], event["room"]
                if re is not None:
                    self._unanswered.pop(re, None)
                if number <= self._seen.get(room, 0):
                    # A receipt that came again.
                    assert event in self.transcript or self.has_missed(room, number), event
                    return
                self._seen[room] = number
                self.transcript.append(event)
                if re is not None:
                    self.answered.append(re)
