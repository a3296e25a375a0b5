"""A wire format is replaceable: in a room that speaks JSON, nobody gets a plain line."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
import trio.testing
from msgspec import to_builtins

from trionet import Limits, Line, Notice, Server
from trionet.chat import Event, Misunderstood, Request, WireFormat, serve
from trionet.chat.formats import plain
from trionet.chat.formats.answers import Welcomed
from trionet.chat.formats.requests import Act, AskHelp, AskWho, LogIn, Quit, Say
from trionet.chat.state.events import Said
from trionet.testing import LineClient, Link, MemoryNetwork

LOOPBACK = "127.0.0.1:0"

# What has not happened within a week of virtual time never will.
A_WEEK = 7 * 86400.0


REQUESTS: dict[str, type[Request]] = {
    "login": LogIn,
    "say": Say,
    "act": Act,
    "who": AskWho,
    "help": AskHelp,
    "quit": Quit,
}


# What this format tells of an event.
SHOWN = ("name", "names", "text", "texts", "count", "reason")


class JSONFormat:
    """Each request and each event is a JSON object on a line of its own."""

    receipts = False
    names_first = True

    def decode_login(self, line: str) -> Request:
        return self.decode(line)

    def decode(self, line: str) -> Request:
        try:
            fields = json.loads(line)
            return REQUESTS[fields.pop("type")](**fields)
        except (ValueError, KeyError, TypeError, AttributeError):
            raise Misunderstood("not a request") from None

    def decode_messages(self, _lines: list[Line], /) -> None:
        return None

    def encode(self, event: Event) -> bytes:
        if isinstance(event, Welcomed):
            return b""
        fields = to_builtins(event)
        shown = {key: fields[key] for key in SHOWN if key in fields}
        return self._object(event=type(event).__name__, **shown)

    def encode_notice(self, notice: Notice) -> bytes:
        return self._object(notice=notice.code, reason=notice.reason)

    @staticmethod
    def _object(**fields: object) -> bytes:
        return json.dumps(fields).encode() + b"\n"


class Room:
    """A served room, and its clients."""

    def __init__(self, network: MemoryNetwork, server: Server, shown: list[str]) -> None:
        self.network = network
        self.server = server
        self.shown = shown

    async def connect(self, **options: Any) -> JSONClient:
        stream = await self.network.connect(self.server.addresses[0], **options)
        return JSONClient(LineClient(stream))

    async def join(self, name: str, *, link: Link | None = None) -> JSONClient:
        client = await self.connect(link=link)
        await client.send(type="login", name=name)
        assert (await client.receive())["event"] == "Entered"
        return client


class JSONClient:
    """A client that fails on any line that is not a JSON object."""

    def __init__(self, lines: LineClient) -> None:
        self.lines = lines

    async def send(self, **fields: object) -> None:
        await self.lines.send(json.dumps(fields))

    async def receive(self) -> dict[str, object]:
        fields = json.loads(await self.lines.receive())
        assert isinstance(fields, dict)
        return fields

    async def expect(self, **fields: object) -> None:
        assert await self.receive() == fields


@asynccontextmanager
async def served(**options: Any) -> AsyncIterator[Room]:
    network = MemoryNetwork()
    shown: list[str] = []

    async def run(*, task_status: trio.TaskStatus[Server]) -> None:
        await serve(
            LOOPBACK,
            network=network,
            show=shown.append,
            task_status=task_status,
            **{"format": JSONFormat(), **options},
        )

    with trio.fail_after(A_WEEK):
        async with trio.open_nursery() as nursery:
            yield Room(network, await nursery.start(run), shown)
            nursery.cancel_scope.cancel()


async def test_members_talk_in_the_format_and_the_console_stays_plain(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with served(show_messages=True) as room:
        ann = await room.connect()
        await ann.send(type="login", name="Ann")
        await ann.expect(event="Entered", name="Ann", names=["Ann"], count=1)
        bob = await room.join("Bob")
        await ann.expect(event="Joined", name="Bob", count=2)
        await ann.send(type="say", text="*** hello")
        await bob.expect(event="Said", name="Ann", texts=["*** hello"])
        await bob.send(type="act", text="waves")
        await ann.expect(event="Acted", name="Bob", text="waves")
        await bob.send(type="who")
        await bob.expect(event="Present", names=["Ann", "Bob"])
        await bob.send(type="quit")
        await bob.lines.expect_end()
        await ann.expect(event="Left", name="Bob", count=1, reason="quit")
        assert room.shown == [
            "*** Ann joined (1 here)",
            "*** Bob joined (2 here)",
            "Ann: *** hello",
            "* Bob waves",
            "*** Bob left (1 here)",
        ]


async def test_every_mistake_is_answered_in_the_format(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with served() as room:
        ann = await room.connect()
        await ann.send(type="say", text="hello")
        await ann.expect(event="Mistaken", reason="log in first")
        await ann.send(type="login", name="*")
        await ann.expect(event="Mistaken", reason="a name cannot begin with *")
        await ann.lines.send_bytes(b"\xff\n")
        await ann.expect(notice="bad-line", reason="line is not UTF-8")
        await ann.send(type="login", name="Ann")
        await ann.expect(event="Entered", name="Ann", names=["Ann"], count=1)
        await ann.lines.send("hello")
        await ann.expect(event="Mistaken", reason="not a request")
        await ann.lines.send_bytes(b"a" * 5000 + b"\n")
        await ann.expect(notice="bad-line", reason="line is longer than 4096 bytes")


async def test_a_slow_reader_is_told_in_the_format_what_it_missed(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with served(limits=Limits(max_waiting=2000)) as room:
        ann = await room.join("Ann")
        slow = await room.join("Slow", link=Link(capacity=300))
        await ann.expect(event="Joined", name="Slow", count=2)
        for number in range(200):
            await ann.send(type="say", text=str(number))
            await trio.testing.wait_all_tasks_blocked()
        next_one = 0
        missed = 0
        while next_one < 200:
            fields = await slow.receive()
            if "notice" in fields:
                assert fields["notice"] == "missed"
                count = int(str(fields["reason"]).split()[1])
                missed += count
                next_one += count
            else:
                assert fields == {"event": "Said", "name": "Ann", "texts": [str(next_one)]}
                next_one += 1
        assert missed > 100


async def test_a_drain_is_told_in_the_format_to_members_and_strangers(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with served() as room:
        ann = await room.join("Ann")
        stranger = await room.connect()
        await trio.testing.wait_all_tasks_blocked()
        await room.server.drain()
        await ann.expect(event="Closing", reason="server is closing")
        await ann.lines.expect_end()
        await stranger.expect(notice="closing", reason="server is closing")
        await stranger.lines.expect_end()


async def test_passed_deadlines_and_a_full_server_are_told_in_the_format(
    autojump_clock: trio.testing.MockClock,
) -> None:
    limits = Limits(max_clients=2, max_per_address=1, login_timeout=30, idle_timeout=60)
    async with served(limits=limits) as room:
        ann = await room.join("Ann")
        twin = await room.connect()
        await twin.expect(notice="address-full", reason="too many connections from your address")
        stranger = await room.connect(source="10.0.0.2")
        third = await room.connect(source="10.0.0.3")
        await third.expect(notice="full", reason="server is full")
        await stranger.expect(notice="timeout", reason="no login within 30 seconds")
        await ann.expect(notice="timeout", reason="nothing came for 60 seconds")
        await ann.lines.expect_end()


class FailingFormat(JSONFormat):
    """Cannot encode the message `unspeakable`, nor any notice."""

    def encode(self, event: Event) -> bytes:
        if isinstance(event, Said) and "unspeakable" in event.texts:
            raise ValueError("this cannot be encoded")
        return super().encode(event)

    def encode_notice(self, notice: Notice) -> bytes:
        raise ValueError(f"this cannot be encoded: {notice}")


async def test_a_notice_that_a_format_cannot_encode_comes_plain_and_is_logged_once(
    autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async with served(format=FailingFormat()) as room:
        ann = await room.join("Ann")
        stranger = await room.connect()
        for client in (ann, stranger):
            await client.lines.send_bytes(b"\xff\n")
            assert await client.lines.receive() == "error: line is not UTF-8"
    assert [record.name for record in caplog.records] == ["trionet.connection"]


async def test_an_event_that_a_format_cannot_encode_is_left_out_and_logged_once(
    autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async with served(format=FailingFormat()) as room:
        ann = await room.join("Ann")
        bob = await room.join("Bob")
        await ann.expect(event="Joined", name="Bob", count=2)
        for text in ("one", "unspeakable", "unspeakable", "two"):
            await ann.send(type="say", text=text)
        await bob.expect(event="Said", name="Ann", texts=["one"])
        await bob.expect(event="Said", name="Ann", texts=["two"])
    assert [record.name for record in caplog.records] == ["trionet.fanout"]


@pytest.mark.parametrize("wrong", [0, "json", object()])
async def test_an_object_that_is_not_a_wire_format_is_refused_at_the_call(wrong: Any) -> None:
    message = f"such as trionet.chat.formats.plain: {wrong!r} has no function decode_login"
    with pytest.raises(TypeError, match=re.escape(message)):
        await serve(LOOPBACK, format=wrong)


async def test_the_class_of_a_wire_format_is_refused_at_the_call() -> None:
    wrong: Any = JSONFormat
    with pytest.raises(TypeError, match=r"not a class: write JSONFormat\(\)"):
        await serve(LOOPBACK, format=wrong)


def test_the_plain_format_and_the_one_of_this_test_have_every_function() -> None:
    formats: list[WireFormat] = [plain, JSONFormat()]
    needed = {name for name in vars(WireFormat) if not name.startswith("_")}
    for each in formats:
        assert all(hasattr(each, name) for name in needed)
        assert all(callable(getattr(each, name)) for name in needed - {"receipts", "names_first"})
