"""Every fault of a peer, at every time, in both services: nobody else notices.

In memory and on virtual time. There is one function for each fault, and one test for each time at
which a fault can strike. Each test runs against the calculator and the chat, in the clear and over
TLS. After each fault:

- where it is due, the room was told once that a member left, or the calculator's console that a
  session ended; elsewhere nobody was told anything;
- the server's place, the name and the address's place are free again: a newcomer from the same
  address takes the same name;
- no task is left, no stream is open, and each connection was logged once as opened and once as
  closed;
- the others were answered at once: in 0 seconds of virtual time, while the fault was going on;
- nothing that the peer did is an error in the log.
"""

from __future__ import annotations

import functools
import logging
import re
import ssl
import unicodedata
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, TypeAlias, cast

import pytest
import trio
import trustme
from trio.testing import MockClock, wait_all_tasks_blocked

from trionet import Closed, Identified, Limits, Opened, Refused, Server, ServerEvent, calc, chat
from trionet.abc import Listener
from trionet.connection.linestream import LineStream
from trionet.testing import Link, MemoryNetwork, MemoryStream, SendingNowMemoryStream
from trionet.transport.tls import TLSStream

# Every deadline is on. One connection from each address: a ghost would keep the next one out.
DEADLINES: dict[str, Any] = {
    "max_per_address": 1,
    "max_waiting": 1 << 18,
    "handshake_timeout": 10,
    "login_timeout": 30,
    "idle_timeout": 300,
    "write_timeout": 30,
}

# Longer than any deadline, and than it takes to work off a flood at its pace.
ALL_DEADLINES = 400

# A client that does not read is noticed after a few lines.
NARROW = Link(capacity=4096)


# The network: that of `trionet.testing`, with TLS, keeping the server's own streams.


@functools.cache
def tls_contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return the TLS settings of a server, and of a client that trusts it."""
    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.num_tickets = 0
    authority.issue_cert("127.0.0.1").configure_cert(server)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    return server, client


class WatchedNetwork(MemoryNetwork):
    """A memory network that remembers the server's end of every connection."""

    def __init__(self) -> None:
        super().__init__()
        self.accepted: list[trio.abc.Stream] = []

    async def listen(self, address: str, *, backlog: int | None = None) -> Sequence[Listener]:
        is_tls = address.startswith("tls:")
        inner = await super().listen(address.removeprefix("tls:"), backlog=backlog)
        return [WatchedListener(listener, self.accepted, is_tls=is_tls) for listener in inner]


class WatchedListener:
    def __init__(self, inner: Listener, accepted: list[trio.abc.Stream], *, is_tls: bool) -> None:
        self._inner = inner
        self._accepted = accepted
        self._is_tls = is_tls
        self.address = f"tls:{inner.address}" if is_tls else inner.address

    async def accept(self) -> trio.abc.Stream:
        return self._remember(await self._inner.accept())

    def accept_nowait(self) -> trio.abc.Stream:
        return self._remember(self._inner.accept_nowait())

    async def aclose(self) -> None:
        await self._inner.aclose()

    def _remember(self, stream: trio.abc.Stream) -> trio.abc.Stream:
        if self._is_tls:
            transport = cast("SendingNowMemoryStream", stream)
            stream = TLSStream(transport, tls_contexts()[0], server_side=True)
        self._accepted.append(stream)
        return stream


# The peers.


@dataclass
class Peer:
    """A peer that will misbehave.

    Attributes:
        service: the service it came to.
        stream: what its lines go over.
        transport: what is under that; without TLS the same.
        is_member: whether it has said its name.
    """

    service: Service
    stream: MemoryStream | TLSStream
    transport: MemoryStream
    is_member: bool = False

    async def say(self, data: bytes) -> None:
        await self.stream.send_all(data)

    async def read_all(self) -> None:
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            while await self.stream.receive_some():
                pass


class Healthy:
    """A peer that behaves: it reads everything as it comes."""

    def __init__(self, stream: MemoryStream) -> None:
        self.lines = LineStream(stream)
        self.heard: list[tuple[float, str]] = []
        self.ended_at: float | None = None
        self._more = trio.lowlevel.ParkingLot()
        self._sending = trio.Lock()

    async def say(self, *lines: str) -> None:
        async with self._sending:
            await self.lines.send(*lines)

    async def listen(self) -> None:
        while batch := await self.lines.receive_batch():
            now = trio.current_time()
            self.heard.extend((now, str(line)) for line in batch)
            self._more.unpark_all()
        self.ended_at = trio.current_time()
        await self.lines.aclose()
        self._more.unpark_all()

    async def hear(self, pattern: str, *, since: int) -> None:
        """Wait for a line of this form after the first `since` lines."""
        with trio.fail_after(60):
            while not self.count(pattern, since=since):
                assert self.ended_at is None, f"{pattern} never came: {self.heard[-10:]}"
                await self._more.park()

    def count(self, pattern: str, *, since: int = 0) -> int:
        return sum(1 for _, line in self.heard[since:] if re.fullmatch(pattern, line))


# The services: what they have in common, and what differs.


@dataclass
class Service(ABC):
    """A running server and its healthy clients."""

    serve: ClassVar[Callable[..., Awaitable[None]]]
    limits: ClassVar[Limits]
    # How many healthy clients it has.
    others: ClassVar[int]
    # Lines of 100 bytes: what a member may send, and what does not log a stranger in.
    member_line: ClassVar[bytes]
    stranger_line: ClassVar[bytes] = b" " * 99 + b"\n"
    # Where the end of the faulty peer is told, and how; and when the server closes.
    leaving: ClassVar[str]
    farewell: ClassVar[str | None]

    network: WatchedNetwork
    nursery: trio.Nursery
    server: Server
    over_tls: bool
    shown: list[str]
    events: list[ServerEvent]
    ended_at: list[float]
    healthy: list[Healthy] = field(default_factory=list)

    async def admit(self) -> None:
        """Log the healthy clients in."""
        for number, name in enumerate(("Ann", "Bob")[: self.others]):
            stream = await self.network.connect(self.server.addresses[0], source=f"10.0.0.{number}")
            client = Healthy(stream)
            self.nursery.start_soon(client.listen)
            self.healthy.append(client)
            await client.say(name)
            await wait_all_tasks_blocked()

    async def come(self) -> Peer:
        """Connect a peer that will misbehave, always from the same address."""
        address = self.server.addresses[self.over_tls].removeprefix("tls:")
        transport = await self.network.connect(address, source="10.0.0.66", back=NARROW)
        stream: MemoryStream | TLSStream = transport
        if self.over_tls:
            stream = TLSStream(
                cast("SendingNowMemoryStream", transport),
                tls_contexts()[1],
                server_hostname="127.0.0.1",
            )
        return Peer(self, stream, transport)

    async def log_in(self, peer: Peer) -> None:
        await peer.say(b"Mal\n")
        peer.is_member = True
        await wait_all_tasks_blocked()

    async def check_all(self) -> None:
        """Check that the healthy clients are answered in no time."""
        before = trio.current_time()
        await self.check()
        assert trio.current_time() == before

    async def carry_on(self, seconds: float) -> None:
        """Let time pass, while the healthy clients keep talking."""
        until = trio.current_time() + seconds
        while trio.current_time() < until:
            await self.check_all()
            await trio.sleep(40)

    @abstractmethod
    async def check(self) -> None:
        """Have the healthy clients say something, and wait for the answers."""

    @abstractmethod
    async def talk_much(self) -> None:
        """Make the server send everybody as much as it ever sends unasked."""

    def told_of_leaving(self) -> set[int]:
        """Return how often each listener was told that the peer left."""
        return {sum(1 for line in self.shown if line == self.leaving)}


class Room(Service):
    serve = chat.serve
    # Less than rooms take, so that a minute of flood is less work. The healthy stay below it.
    limits = replace(chat.OPEN_ROOM, **DEADLINES, rate=5, burst=600)
    others = 2
    member_line = b"x" * 99 + b"\n"
    leaving = "*** Mal left (2 here)"
    farewell = r"\*\*\* server is closing"

    async def check(self) -> None:
        ann, bob = self.healthy
        by_ann, by_bob = len(ann.heard), len(bob.heard)
        await ann.say("hello", "/who")
        await bob.hear("Ann: hello", since=by_bob)
        await bob.say("hello")
        await ann.hear(r"\*\*\* \d here: Ann, Bob.*", since=by_ann)
        await ann.hear("Bob: hello", since=by_ann)

    async def talk_much(self) -> None:
        ann, bob = self.healthy
        # In portions small enough to wait for a healthy client.
        for number in range(5):
            await ann.say(*("much " * 200 for _ in range(100)), f"portion {number}")
            await bob.hear(f"Ann: portion {number}", since=0)
        assert not bob.count(".* you missed .*")

    def told_of_leaving(self) -> set[int]:
        heard = {client.count(re.escape(self.leaving)) for client in self.healthy}
        return heard | super().told_of_leaving()


class Calculator(Service):
    serve = calc.serve
    limits = replace(calc.ONE_AT_A_TIME, max_clients=0, **DEADLINES)
    others = 1
    member_line = b"%95s / 3\n" % b"1"
    leaving = "Mal: Session ended"
    farewell = None

    async def check(self) -> None:
        (ann,) = self.healthy
        before = len(ann.heard)
        await ann.say("1 / 8")
        await ann.hear("0.125", since=before)

    async def talk_much(self) -> None:
        """Do nothing: a calculator sends nothing unasked."""


@asynccontextmanager
async def running(service: type[Service], *, over_tls: bool) -> AsyncIterator[Service]:
    """Serve healthy clients for as long as the block or the server runs."""
    network = WatchedNetwork()
    shown: list[str] = []
    events: list[ServerEvent] = []
    ended_at: list[float] = []

    async def run(*, task_status: trio.TaskStatus[Server]) -> None:
        await service.serve(
            "127.0.0.1:0",
            "tls:127.0.0.1:0",
            limits=service.limits,
            show=shown.append,
            on_event=events.append,
            network=network,
            task_status=task_status,
        )
        ended_at.append(trio.current_time())

    async with trio.open_nursery() as nursery:
        server: Server = await nursery.start(run)
        running = service(network, nursery, server, over_tls, shown, events, ended_at)
        await running.admit()
        yield running
        nursery.cancel_scope.cancel()


# The faults. A peer stops when its connection goes away, as it must.


async def closes(peer: Peer) -> None:
    await peer.say(b"half a li")
    peer.stream.close()


async def half_closes(peer: Peer) -> None:
    await peer.say(b"half a li")
    await peer.stream.send_eof()


async def resets(peer: Peer) -> None:
    await peer.say(b"half a li")
    peer.transport.reset()


async def is_silent(peer: Peer) -> None:
    pass


async def sends_a_byte_a_second(peer: Peer) -> None:
    for _ in range(60):
        await peer.say(b"x")
        await trio.sleep(1)


async def never_reads(peer: Peer) -> None:
    line = peer.service.member_line if peer.is_member else peer.service.stranger_line
    with trio.move_on_after(20):
        await peer.say(line * 500)
    await peer.service.talk_much()


async def floods(peer: Peer) -> None:
    """Send as fast as possible for a minute, and read all answers."""
    line = peer.service.member_line if peer.is_member else peer.service.stranger_line
    async with trio.open_nursery() as nursery:
        nursery.start_soon(peer.read_all)
        with trio.move_on_after(60), suppress(trio.BrokenResourceError):
            for _ in range(50):
                await peer.say(line * 100)
        nursery.cancel_scope.cancel()
    peer.stream.close()


async def sends_no_newline(peer: Peer) -> None:
    for _ in range(16):
        await peer.say(b"x" * 65536)


async def sends_bad_utf8(peer: Peer) -> None:
    await peer.say(b"\xff\xfe\n\xc0\x80\n\xed\xa0\x80\n")


async def sends_control_characters(peer: Peer) -> None:
    await peer.say("a\x1b[2J\x07\x00\x7f\x9b1m\r\x85\u2028*** Ann left (0 here)\n".encode())


async def speaks_http(peer: Peer) -> None:
    await peer.say(b"POST / HTTP/1.1\r\nHost: localhost\r\n\r\nMal\nhello\n")


async def abandons_its_handshake(peer: Peer) -> None:
    # The head of a record with a ClientHello, and nothing after it.
    await peer.transport.send_all(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")


Fault: TypeAlias = Callable[[Peer], Awaitable[None]]

FAULTS: list[Fault] = [
    closes,
    half_closes,
    resets,
    is_silent,
    sends_a_byte_a_second,
    never_reads,
    floods,
    sends_no_newline,
    sends_bad_utf8,
    sends_control_characters,
    speaks_http,
]

# These go on for so long that the others must be answered meanwhile.
LASTING = {sends_a_byte_a_second, floods}

# These end a member's session by themselves, before any deadline.
ENDING = {closes, half_closes, resets, sends_no_newline}

SERVICES = [Room, Calculator]

every_fault = pytest.mark.parametrize("fault", FAULTS)
every_service = pytest.mark.parametrize("service", SERVICES)
every_wire = pytest.mark.parametrize(
    "over_tls", [pytest.param(False, id="plain"), pytest.param(True, id="tls")]
)


async def misbehave(fault: Fault, peer: Peer, done: trio.Event | None = None) -> None:
    with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
        await fault(peer)
    if done is not None:
        done.set()


async def suffer(service: Service, fault: Fault, peer: Peer) -> None:
    """Let the fault happen, checking on the others, until all deadlines are past."""
    done = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(misbehave, fault, peer, done)
        await service.check_all()
        assert fault not in LASTING or not done.is_set() or not peer.is_member
        while not done.is_set():
            await service.check_all()
            await trio.sleep(3)
    await service.carry_on(ALL_DEADLINES)


async def assert_closed(streams: Sequence[trio.abc.Stream]) -> None:
    for stream in streams:
        with pytest.raises(trio.ClosedResourceError):
            await stream.receive_some(1)


def assert_harmless(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    """Check that none of it reached a screen unchanged, nor the log as an error."""
    lines = service.shown + [line for client in service.healthy for _, line in client.heard]
    # Each character once: there are a million.
    for character in set().union(*lines):
        assert unicodedata.category(character) not in ("Cc", "Zl", "Zp"), repr(character)
    for line in lines:
        assert "Ann left" not in line or ": " in line.partition("Ann left")[0]
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


def assert_logged_once(service: Service, peer: Peer) -> None:
    """Check that each connection was opened and closed, or refused."""
    (its,) = {event.peer for event in service.events if event.peer.startswith("10.0.0.66:")}
    kinds = [type(event) for event in service.events if event.peer == its]
    assert kinds in ([Opened, Closed], [Opened, Identified, Closed], [Refused])


def living_tasks() -> int:
    return trio.lowlevel.current_statistics().tasks_living


async def assert_over(
    service: Service, peer: Peer, idle_tasks: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Check that the peer left nothing behind, and another can take its place."""
    assert len(service.server.connections) == service.others
    assert living_tasks() == idle_tasks
    await assert_closed(service.network.accepted[service.others :])
    assert_logged_once(service, peer)
    assert_harmless(service, caplog)
    newcomer = await service.come()
    await service.log_in(newcomer)
    assert len(service.server.connections) == service.others + 1
    await service.check_all()
    if isinstance(service, Room):
        await service.healthy[0].say("/who")
        await service.healthy[0].hear(re.escape("*** 3 here: Ann, Bob, Mal"), since=0)


# The three times at which a fault can strike.


@every_wire
@every_service
@every_fault
async def test_nobody_notices_a_fault_before_login(
    fault: Fault,
    service: type[Service],
    over_tls: bool,
    autojump_clock: MockClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with running(service, over_tls=over_tls) as served:
        shown = list(served.shown)
        idle_tasks = living_tasks()
        peer = await served.come()
        await suffer(served, fault, peer)
        assert served.told_of_leaving() == {0}
        assert [line for line in served.shown if "Mal" in line] == []
        assert service is Calculator or served.shown == shown
        await assert_over(served, peer, idle_tasks, caplog)


@every_service
async def test_nobody_notices_an_abandoned_handshake(
    service: type[Service], autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(service, over_tls=True) as served:
        idle_tasks = living_tasks()
        peer = await served.come()
        began = trio.current_time()
        await suffer(served, abandons_its_handshake, peer)
        assert served.told_of_leaving() == {0}
        # It was never told as opened, so it is not told as closed.
        assert not [event for event in served.events if isinstance(event, Closed)]
        (refused,) = (event for event in served.events if isinstance(event, Refused))
        assert refused.reason == "no handshake: it took too long"
        assert trio.current_time() - began >= 10
        await assert_over(served, peer, idle_tasks, caplog)


@every_wire
@every_service
@every_fault
async def test_a_fault_ends_only_its_own_session_and_only_once(
    fault: Fault,
    service: type[Service],
    over_tls: bool,
    autojump_clock: MockClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with running(service, over_tls=over_tls) as served:
        idle_tasks = living_tasks()
        peer = await served.come()
        await served.log_in(peer)
        assert len(served.server.connections) == served.others + 1
        await suffer(served, fault, peer)
        assert served.told_of_leaving() == {1}
        await assert_over(served, peer, idle_tasks, caplog)


@pytest.mark.parametrize("begins", ["before", "during"])
@pytest.mark.parametrize("is_member", [False, True], ids=["stranger", "member"])
@every_wire
@every_service
@every_fault
async def test_a_fault_neither_delays_nor_spoils_a_drain(
    fault: Fault,
    service: type[Service],
    over_tls: bool,
    is_member: bool,
    begins: str,
    autojump_clock: MockClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await drain_during(fault, service, over_tls, is_member, begins, caplog)


@pytest.mark.parametrize("begins", ["before", "during"])
@every_service
async def test_an_abandoned_handshake_neither_delays_nor_spoils_a_drain(
    service: type[Service],
    begins: str,
    autojump_clock: MockClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await drain_during(abandons_its_handshake, service, True, False, begins, caplog)


async def drain_during(
    fault: Fault,
    service: type[Service],
    over_tls: bool,
    is_member: bool,
    begins: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    no_tasks = living_tasks()
    async with running(service, over_tls=over_tls) as served:
        peer = await served.come()
        if is_member:
            await served.log_in(peer)
        async with trio.open_nursery() as nursery:
            if begins == "before":
                nursery.start_soon(misbehave, fault, peer)
                await wait_all_tasks_blocked()
            await served.check_all()
            began = trio.current_time()
            cut: list[str] = []

            async def drain() -> None:
                cut.extend(await served.server.drain())

            nursery.start_soon(drain)
            await wait_all_tasks_blocked()
            if begins == "during":
                nursery.start_soon(misbehave, fault, peer)
            await assert_all_told(served, began)
            # Only a member that has something to read and does not read it needs the deadline: a
            # stranger is gone after ten lines.
            is_stuck = fault is never_reads and begins == "before" and is_member
            await trio.sleep(served.limits.drain_seconds + 1)
            (ended_at,) = served.ended_at
            limits = served.limits
            assert ended_at - began <= (limits.drain_seconds if is_stuck else limits.linger_seconds)
            assert len(cut) == is_stuck
            nursery.cancel_scope.cancel()
        due = is_member and (service is Calculator or (begins == "before" and fault in ENDING))
        assert served.told_of_leaving() == {int(due)}
        assert len(served.server.connections) == 0
        await assert_closed(served.network.accepted)
        assert_logged_once(served, peer)
        assert_harmless(served, caplog)
        assert living_tasks() == no_tasks


async def assert_all_told(service: Service, began: float) -> None:
    """Check that the healthy clients got their answers, their farewell and their end at once."""
    for client in service.healthy:
        assert client.ended_at == began
        if service.farewell is not None:
            assert client.count(service.farewell) == 1
            assert re.fullmatch(service.farewell, client.heard[-1][1])
    if service.farewell is not None:
        assert sum(1 for line in service.shown if re.fullmatch(service.farewell, line)) == 1
        # Everybody gets what was received from the peer.
        assert len({client.count("Mal: .*") for client in service.healthy}) == 1
