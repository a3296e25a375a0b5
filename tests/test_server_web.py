"""A server for browsers, in memory: HTTP, lines over WebSockets, limits, deadlines, the drain."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
import trio
import trio.testing
from trio.testing import MockClock
from websockets.frames import Opcode

from trionet import (
    Closed,
    ConnectError,
    Connection,
    InputEnd,
    Limits,
    Opened,
    Refused,
    ServerEvent,
    WebSettings,
    WhenFull,
    WhenSlow,
)
from trionet.testing import Link, MemoryNetwork, cut_bytes
from trionet.transport.web.messages import Messages
from web_peer import (
    ACCEPT,
    HOST,
    WebPeer,
    answer_to,
    below,
    masked,
    opened,
    page,
    read_all,
    read_head,
    request,
    serving,
    text,
)


@dataclass(frozen=True)
class File:
    media_type: str
    body: bytes


SITE = WebSettings(
    files={"/": File("text/html; charset=utf-8", b"<p>hello")},
    socket_path="/ws",
    hosts=["chat.example.org"],
)


def shout(line: str) -> str:
    return line.upper()


@pytest.fixture
def network() -> MemoryNetwork:
    return MemoryNetwork(web=SITE)


# Lines and frames


async def test_text_messages_are_lines_and_answers_are_whole_lines(network: MemoryNetwork) -> None:
    async with serving(shout, network=network):
        peer = await opened(network)
        await peer.send(text("one"), text("two\n"), text("three\nfour"))
        lines: list[str] = []
        while len(lines) < 4:
            lines += await peer.lines()
        assert lines == ["ONE", "TWO", "THREE", "FOUR"]


async def test_input_that_is_cut_at_every_byte_is_the_same_input(network: MemoryNetwork) -> None:
    link = Link(cut=cut_bytes)
    async with serving(shout, network=network):
        peer = await opened(network, link=link)
        await peer.send(text("one"), masked(Opcode.PING, b"p"), text("two"))
        await peer.send(
            masked(Opcode.TEXT, b"thr", fin=False),
            masked(Opcode.PING, b"q"),
            masked(Opcode.CONT, b"ee"),
            masked(Opcode.CLOSE, b"\x0f\xa0bye"),
        )
        assert await peer.closed() == 4000
        content = [bytes(frame.data) for frame in peer.frames if frame.opcode == Opcode.TEXT]
        pongs = [bytes(frame.data) for frame in peer.frames if frame.opcode == Opcode.PONG]
        assert b"".join(content) == b"ONE\nTWO\nTHREE\n"
        assert pongs == [b"p", b"q"]


async def test_a_clients_stream_is_one_of_lines(network: MemoryNetwork) -> None:
    async with serving(shout, network=network) as server:
        stream = await network.connect(server.addresses[0])
        await stream.send_all(b"one\ntwo\n")
        received = b""
        while received.count(b"\n") < 2:
            received += await stream.receive_some()
        assert received == b"ONE\nTWO\n"
        await stream.send_eof()
        assert await stream.receive_some() == b""
        await stream.aclose()


async def test_frames_that_come_with_the_request_are_not_lost(network: MemoryNetwork) -> None:
    async with serving(shout, network=network):
        stream = await network.connect(HOST)
        await stream.send_all(request() + text("early"))
        peer = WebPeer(stream)
        head, rest = await read_head(stream)
        assert f"Sec-WebSocket-Accept: {ACCEPT}" in head
        peer._feed(rest)
        assert await peer.lines() == ["EARLY"]


async def test_a_request_smuggled_after_the_upgrade_is_not_a_line(network: MemoryNetwork) -> None:
    lines: list[str] = []
    events: list[ServerEvent] = []
    async with serving(lines.append, network=network, events=events):
        stream = await network.connect(HOST)
        await stream.send_all(request() + page())
        peer = WebPeer(stream)
        _, rest = await read_head(stream)
        peer._feed(rest)
        assert await peer.closed() == 1002
        assert peer.frames == []
        await stream.aclose()
        await trio.testing.wait_all_tasks_blocked()
    assert lines == []
    (closed,) = (event for event in events if isinstance(event, Closed))
    assert closed.reason == InputEnd.PROTOCOL.value


@pytest.mark.parametrize(
    "first",
    [page("POST / HTTP/1.1"), request(host="evil.example"), page(), page("GET /x HTTP/1.1")],
)
async def test_nothing_after_an_answer_is_answered(first: bytes, network: MemoryNetwork) -> None:
    lines: list[str] = []
    async with serving(lines.append, network=network):
        _, answer = await answer_to(first + request() + text("smuggled") + page(), network)
        assert answer.count(b"HTTP/1.1 ") == 1
    assert lines == []


async def test_an_http_request_in_a_message_is_a_line(network: MemoryNetwork) -> None:
    async with serving(shout, network=network):
        peer = await opened(network)
        await peer.send(text("get / http/1.1"))
        assert await peer.lines() == ["GET / HTTP/1.1"]


# HTTP


async def test_a_page_is_answered_and_leaves_no_line_in_the_log(network: MemoryNetwork) -> None:
    events: list[ServerEvent] = []
    async with serving(shout, network=network, events=events):
        status, answer = await answer_to(page(), network)
        assert status == 200
        assert answer.endswith(b"\r\n\r\n<p>hello")
        assert (await answer_to(page("HEAD / HTTP/1.1"), network))[1].endswith(b"\r\n\r\n")
        assert (await answer_to(page("GET /healthz HTTP/1.1", host="a.b"), network))[0] == 200
        assert (await answer_to(page("GET /favicon.ico HTTP/1.1"), network))[0] == 404
        # A connection that a browser keeps in reserve.
        await (await network.connect(HOST)).aclose()
        await trio.testing.wait_all_tasks_blocked()
    assert events == []


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (page(host=None), 400),
        (page("GET / HTTP/1.1", f"Host: {HOST}"), 400),
        (page(host="evil.example:8080"), 421),
        (page("PUT / HTTP/1.1"), 405),
        (request("GET /ws HTTP/1.1", "Origin: http://evil.example:8080"), 403),
        (request("GET /ws HTTP/1.1", "Origin: null"), 403),
        (page("GET /ws HTTP/1.1"), 426),
        (page("GET / HTTP/1.1", "X: " + "x" * 16384), 431),
        (b"\x16\x03\x01", 400),
    ],
)
async def test_a_request_that_is_refused_is_answered_and_told(
    data: bytes, status: int, network: MemoryNetwork
) -> None:
    events: list[ServerEvent] = []
    async with serving(shout, network=network, events=events):
        assert (await answer_to(data, network))[0] == status
        await trio.testing.wait_all_tasks_blocked()
    (refused,) = events
    assert isinstance(refused, Refused)
    assert refused.reason.startswith(f"no handshake: {status} ")


async def test_a_slow_head_is_cut_off_by_the_deadline_of_the_handshake(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    events: list[ServerEvent] = []
    async with serving(shout, network=network, events=events):
        stream = await network.connect(HOST)
        silent = await network.connect(HOST)
        began = trio.current_time()
        with pytest.raises(trio.BrokenResourceError):
            for byte in request()[:60]:
                await stream.send_all(bytes([byte]))
                await trio.sleep(1)
        assert 9 < trio.current_time() - began < 14
        assert await silent.receive_some() == b""
    # The one that sent nothing is a browser's spare connection.
    assert [str(event) for event in events if isinstance(event, Refused)] == [
        f"refused {_peer_of(events)}: no handshake: it took too long"
    ]


def _peer_of(events: list[ServerEvent]) -> str:
    return next(event.peer for event in events)


# Events and limits


async def test_a_connection_is_told_as_opened_when_its_handshake_is_done(
    network: MemoryNetwork,
) -> None:
    events: list[ServerEvent] = []
    async with serving(shout, network=network, events=events):
        stream = await network.connect(HOST)
        await stream.send_all(request()[:-2])
        await trio.testing.wait_all_tasks_blocked()
        assert events == []
        await stream.send_all(b"\r\n")
        await read_head(stream)
        await trio.testing.wait_all_tasks_blocked()
        assert [type(event) for event in events] == [Opened]
        await stream.aclose()
        await trio.testing.wait_all_tasks_blocked()
    assert [type(event) for event in events] == [Opened, Closed]


PROXIED = WebSettings(proxies=["10.0.0.0/8"])


async def test_a_trusted_proxy_speaks_for_the_host_that_counts(autojump_clock: MockClock) -> None:
    network = MemoryNetwork(web=PROXIED)
    events: list[ServerEvent] = []
    limits = Limits(max_per_address=2)
    async with serving(shout, network=network, events=events, limits=limits):
        # Many may be in their handshakes: they count for nobody yet.
        waiting = [await network.connect(HOST, source="10.0.0.1") for _ in range(4)]
        for _ in range(2):
            await opened(network, "X-Forwarded-For: 203.0.113.5", source="10.0.0.1")
        other = await opened(network, "X-Forwarded-For: 203.0.113.6", source="10.0.0.1")
        await other.send(text("hello"))
        assert await other.lines() == ["HELLO"]
        third = await opened(network, "X-Forwarded-For: 203.0.113.5", source="10.0.0.1")
        assert await third.lines() == ["error: too many connections from your address"]
        assert await third.closed() == 1000
        # Whoever is not a proxy speaks for itself alone.
        forged = [
            await opened(network, f"X-Forwarded-For: 1.1.1.{n}", source="203.0.113.7")
            for n in range(2)
        ]
        late = await network.connect(HOST, source="203.0.113.7")
        await late.send_all(request())
        peer = WebPeer(late)
        _, rest = await read_head(late)
        peer._feed(rest)
        assert await peer.lines() == ["error: too many connections from your address"]
        del waiting, forged
    told = [event.peer for event in events if isinstance(event, Opened)]
    assert told[0].startswith("203.0.113.5 by 10.0.0.1:")
    assert told[-1].startswith("203.0.113.7:")
    refused = [event for event in events if isinstance(event, Refused)]
    assert refused[0].peer.startswith("203.0.113.5 by 10.0.0.1:")
    assert refused[0].reason == "too many connections from your address"


async def test_a_place_is_free_again_for_the_host_that_it_was_counted_for(
    autojump_clock: MockClock,
) -> None:
    network = MemoryNetwork(web=PROXIED)
    async with serving(shout, network=network, limits=Limits(max_per_address=1)):
        for _ in range(3):
            peer = await opened(network, "X-Forwarded-For: 203.0.113.5", source="10.0.0.1")
            await peer.send(text("hello"))
            assert await peer.lines() == ["HELLO"]
            await peer.send(masked(Opcode.CLOSE, b""))
            assert await peer.closed() in (None, 1005)
            await peer.stream.aclose()
            await trio.sleep(1)


async def test_a_full_server_still_serves_pages_and_tells_a_peer_why_not(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    events: list[ServerEvent] = []
    limits = Limits(max_clients=1)
    async with serving(
        shout, network=network, events=events, limits=limits, when_full=WhenFull.REFUSE
    ):
        await opened(network)
        assert (await answer_to(page(), network))[0] == 200
        assert (await answer_to(page("GET /healthz HTTP/1.1"), network))[0] == 200
        peer = await opened(network)
        assert await peer.lines() == ["error: server is full"]
        assert await peer.closed() == 1000
    assert [str(event).partition(": ")[2] for event in events if isinstance(event, Refused)] == [
        "server is full"
    ]


async def test_a_flood_of_connections_to_a_full_server_costs_no_handshakes(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    async with serving(shout, network=network, limits=Limits(max_clients=1)):
        await opened(network)
        streams = [await network.connect(HOST) for _ in range(30)]
        await trio.testing.wait_all_tasks_blocked()
        answered = [stream for stream in streams if below_has_input(stream)]
        assert len(answered) == 30 - 16
        assert b"503 Service Unavailable" in await answered[0].receive_some()


def below_has_input(stream: trio.abc.Stream) -> bool:
    return bool(stream.has_input())  # type: ignore[attr-defined]


async def test_a_message_may_be_as_long_as_a_line_of_the_server(network: MemoryNetwork) -> None:
    async with serving(shout, network=network, limits=Limits(max_line=10)):
        peer = await opened(network)
        await peer.send(text("x" * 10 + "\r\n"))
        assert await peer.lines() == ["X" * 10]
        await peer.send(text("y" * 11))
        assert await peer.closed() == 1009


# Pings


async def test_pings_are_answered_in_order_also_after_a_full_outbox(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    async def flood(connection: Connection) -> None:
        async for line in connection.lines:
            for number in range(int(line)):
                connection.outbox.put(b"%07d\n" % number)

    limits = Limits(max_waiting=2000)
    async with serving(flood, network=network, limits=limits, when_slow=WhenSlow.DROP_OLDEST):
        peer = await opened(network, back=Link(capacity=1000))
        await peer.send(text("300"))
        await trio.testing.wait_all_tasks_blocked()
        for number in range(20):
            await peer.send(masked(Opcode.PING, b"%d" % number))
        await peer.send(text("300"), masked(Opcode.PING, b"last"))
        await trio.testing.wait_all_tasks_blocked()
        pongs: list[bytes] = []
        received = b""
        while not (pongs and pongs[-1] == b"last" and b"missed" in received):
            frame = await peer.frame()
            if frame.opcode == Opcode.PONG:
                pongs.append(bytes(frame.data))
            else:
                received += frame.data
        assert pongs == [*(b"%d" % number for number in range(20)), b"last"]


# The end


BARE = {
    "pings": [masked(Opcode.PING, b"")] * 1_500,
    "pongs": [masked(Opcode.PONG, b"")] * 1_500,
    "parts of a message": [
        masked(Opcode.TEXT, b"", fin=False),
        *[masked(Opcode.CONT, b"", fin=False)] * 1_499,
        masked(Opcode.CONT, b"first"),
    ],
}


@pytest.mark.parametrize("kind", BARE)
async def test_frames_that_bring_no_line_are_slowed_down_and_none_is_lost(
    kind: str, network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    async with serving(shout, network=network):
        peer = await opened(network)
        began = trio.current_time()
        await peer.send(*BARE[kind], text("behind them"))
        pongs = 0
        while not bytes((frame := await peer.frame()).data).endswith(b"BEHIND THEM\n"):
            pongs += frame.opcode == Opcode.PONG
        # 1,000 at once, and 100 a second.
        assert 4.5 < trio.current_time() - began < 5.5
        assert pongs == (1_500 if kind == "pings" else 0)


async def test_a_flood_of_frames_lets_others_be_served_in_between(network: MemoryNetwork) -> None:
    async with serving(shout, network=network):
        flooding, other = await opened(network), await opened(network)
        await flooding.send(*[masked(Opcode.PING, b"")] * 1_000)
        await other.send(text("one"))
        assert await other.lines() == ["ONE"]
        await flooding._receive()
        assert len(flooding.frames) < 500


@pytest.mark.parametrize("frames", [1_500, 1_000], ids=["slowed down", "still in its burst"])
async def test_a_drain_does_not_wait_for_a_flood_of_frames(
    network: MemoryNetwork, autojump_clock: MockClock, frames: int
) -> None:
    async with serving(shout, network=network) as server:
        peer = await opened(network)
        await peer.send(*[masked(Opcode.PONG, b"")] * frames)
        if frames > 1_000:
            await trio.sleep(1)
        began = trio.current_time()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(server.drain)
            assert await peer.closed() == 1001
            assert trio.current_time() == began
            await peer.stream.aclose()


async def test_a_drain_says_goodbye_with_1001_after_everything_that_was_answered(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    events: list[ServerEvent] = []
    async with serving(shout, network=network, events=events) as server:
        peer = await opened(network)
        await peer.send(text("one"))
        assert await peer.lines() == ["ONE"]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(server.drain)
            assert await peer.closed() == 1001
            await peer.send(masked(Opcode.CLOSE, b"\x03\xe9"))
            began = trio.current_time()
        # The peer's own close frame ends the lingering.
        assert trio.current_time() == began
    assert [str(event).partition(" (")[0] for event in events if isinstance(event, Closed)] == [
        f"closed {_peer_of(events)}: server is closing"
    ]


async def test_a_server_that_drains_answers_requests_until_it_has_ended(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    async def slow(connection: Connection) -> None:
        async for _ in connection.lines:
            pass
        await trio.sleep(2)

    events: list[ServerEvent] = []
    async with serving(slow, network=network, events=events) as server:
        await opened(network)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(server.drain)
            await trio.sleep(1)
            assert (await answer_to(page("GET /healthz HTTP/1.1", host="x"), network))[0] == 503
            assert (await answer_to(request(), network))[0] == 503
            # Whoever sends nothing does not keep it.
            await network.connect(HOST)
        # Whoever asks for its health leaves no line in the log.
        refused = [event.reason for event in events if isinstance(event, Refused)]
        assert refused == ["server is closing"]
        assert trio.current_time() < 5
        with pytest.raises(ConnectError, match="cannot connect"):
            await network.connect(HOST)


@pytest.mark.parametrize(
    ("handler", "code"),
    [
        ("returns", 1000),
        ("fails", 1011),
        ("is idle", 1008),
    ],
)
async def test_the_close_code_tells_why(
    handler: str,
    code: int,
    network: MemoryNetwork,
    autojump_clock: MockClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def handle(connection: Connection) -> None:
        async for line in connection.lines:
            await connection.send(line)
            if handler == "returns":
                return
            if handler == "fails":
                raise RuntimeError("planned")

    limits = Limits(idle_timeout=5)
    with caplog.at_level(logging.CRITICAL, "trionet.server"):
        async with serving(handle, network=network, limits=limits):
            peer = await opened(network)
            await peer.send(text("hello"))
            assert await peer.lines() == ["hello"]
            assert await peer.closed() == code


async def test_a_peers_goodbye_is_repeated_after_the_answers_to_its_lines(
    network: MemoryNetwork,
) -> None:
    async with serving(shout, network=network):
        peer = await opened(network)
        await peer.send(text("one"), text("two"), masked(Opcode.CLOSE, b"\x0b\xb8"))
        assert await peer.closed() == 3000
        assert b"".join(bytes(frame.data) for frame in peer.frames) == b"ONE\nTWO\n"


async def test_a_peer_that_is_given_up_gets_no_close_frame_in_the_middle_of_another(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    async def flood(connection: Connection) -> None:
        async for _ in connection.lines:
            connection.outbox.put(b"x" * 100 + b"\n")
            connection.outbox.put(b"y" * 5000 + b"\n")

    events: list[ServerEvent] = []
    limits = Limits(max_waiting=1000)
    async with serving(flood, network=network, limits=limits, events=events):
        peer = await opened(network, back=Link(capacity=150))
        await peer.send(text("go"))
        await trio.sleep(0.1)
        received = await read_all(peer.stream)
        # The first frame, and the beginning of the second; no close frame behind it.
        assert received[:2] == b"\x81\x65"
        assert received[103:107] == b"\x81\x7e\x13\x89"
        assert set(received[107:]) == {ord("y")}
    assert InputEnd.SLOW.value in str(events[-1])


async def test_a_deadline_that_passes_in_the_handshake_sends_no_line(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    limits = Limits(login_timeout=3, handshake_timeout=0)
    async with serving(shout, network=network, limits=limits):
        stream = await network.connect(HOST)
        await stream.send_all(b"GET /ws HTTP/1.1\r\n")
        assert await read_all(stream) == b""
        assert trio.current_time() < 6


async def test_a_peer_that_breaks_the_protocol_loses_nothing_of_what_it_was_sent(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    async with serving(shout, network=network):
        peer = await opened(network)
        await peer.send(text("one"), masked(Opcode.BINARY, b"x"), text("two"), b"x" * 50_000)
        assert await peer.closed() == 1003
        assert [bytes(frame.data) for frame in peer.frames] == [b"ONE\n"]
        below(peer).close()


async def test_what_a_close_throws_away_is_not_read_as_frames_later() -> None:
    network = MemoryNetwork()
    (listener, _) = await network.listen("web:localhost:8080")
    client = await network.connect(HOST)
    await client.send_all(request())
    stream = listener.accept_nowait()
    await stream.do_handshake()  # type: ignore[attr-defined]
    await read_head(client)
    stream.discard_nowait()  # type: ignore[attr-defined]
    # As if the beginning of a frame had been thrown away.
    await client.send_all(b"\x02half of a frame")
    assert await stream.receive_some() == bytes(16)
    await client.aclose()
    assert await stream.receive_some() == b""
    await stream.aclose()
    await listener.aclose()


@asynccontextmanager
async def ended_sending(
    network: MemoryNetwork,
) -> AsyncIterator[tuple[trio.abc.Stream, trio.abc.HalfCloseableStream]]:
    """Open a WebSocket whose server has sent its goodbye: the client's end, and the server's."""
    (listener, _) = await network.listen("web:localhost:8080")
    client = await network.connect(HOST)
    await client.send_all(request())
    stream = listener.accept_nowait()
    await stream.do_handshake()  # type: ignore[attr-defined]
    await read_head(client)
    assert isinstance(stream, trio.abc.HalfCloseableStream)
    await stream.send_eof()
    try:
        yield client, stream
    finally:
        await client.aclose()
        await stream.aclose()
        await listener.aclose()


@pytest.mark.parametrize("before", [0, 1000])
async def test_a_goodbye_is_seen_among_what_comes_after_this_sides_own(before: int) -> None:
    network = MemoryNetwork()
    async with ended_sending(network) as (client, stream):
        await client.send_all(masked(Opcode.TEXT, b"") * before + masked(Opcode.CLOSE, b""))
        got = b""
        while data := await stream.receive_some():
            got += data
        assert got == b"\n" * before


async def test_a_flood_after_the_goodbye_is_thrown_away_and_not_taken_apart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    taken = []
    receive = Messages.receive

    def counted(self: Messages, data: bytes, *more: int) -> tuple[bytes, bytes]:
        taken.append(len(data))
        return receive(self, data, *more)

    monkeypatch.setattr(Messages, "receive", counted)
    network = MemoryNetwork()
    async with ended_sending(network) as (client, stream):
        for _ in range(10):
            flood = masked(Opcode.TEXT, b"") * 3000
            await client.send_all(flood)
            while stream.has_input():  # type: ignore[attr-defined]
                assert await stream.receive_some()
        assert sum(taken) <= 16384
        # What is left is the end of the connection.
        assert isinstance(client, trio.abc.HalfCloseableStream)
        await client.send_eof()
        assert await stream.receive_some() == b""
