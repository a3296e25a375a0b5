"""What `serve` does at each limit and deadline, and what it tells its operator."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing
from trio.testing import MockClock, wait_all_tasks_blocked

from trionet import (
    Closed,
    Connection,
    Identified,
    Limits,
    Opened,
    Refused,
    Server,
    ServerEvent,
    TLSStream,
    WhenFull,
    serve,
)
from trionet.testing import LineClient, Link, MemoryNetwork, run_handler

if TYPE_CHECKING:
    from tests.conftest import Certificates


async def echo(connection: Connection) -> None:
    async for line in connection.lines:
        await connection.send(line)


async def hear(connection: Connection) -> None:
    async for _ in connection.lines:
        pass


@dataclass
class Log:
    """What the operator is told."""

    events: list[ServerEvent] = field(default_factory=list)

    @property
    def reasons(self) -> list[str]:
        return [event.reason for event in self.events if isinstance(event, Closed | Refused)]


async def ended(client: LineClient) -> float:
    await client.expect_end()
    return trio.current_time()


# Deadlines


async def test_a_peer_that_sends_no_whole_line_in_time_is_told_and_closed(
    autojump_clock: MockClock,
) -> None:
    log = Log()
    limits = Limits(login_timeout=30)
    async with run_handler(echo, limits=limits, on_event=log.events.append) as connect:
        silent, slow, prompt = await connect("silent"), await connect("slow"), await connect()
        await slow.send_bytes(b"never a whole ")
        await prompt.send("hello")
        await prompt.expect("hello")
        await silent.expect_silence(29.9)
        await silent.expect("error: no login within 30 seconds")
        await slow.expect("error: no login within 30 seconds")
        await slow.expect_end()
        assert await ended(silent) == pytest.approx(30)
        await prompt.expect_silence(3600)
    assert log.reasons[:2] == ["the peer did not log in in time"] * 2


async def log_in(connection: Connection) -> None:
    """Accept ``Ann`` as a login, and nothing else."""
    async for line in connection.lines:
        if line == "Ann":
            connection.identify("Ann")
        await connection.send(f"{line}?" if connection.name is None else line)


async def test_in_a_service_that_identifies_peers_no_line_ends_the_login_deadline(
    autojump_clock: MockClock,
) -> None:
    log = Log()
    run = run_handler(
        log_in,
        limits=Limits(login_timeout=30, idle_timeout=20),
        identifies=True,
        on_event=log.events.append,
    )
    async with run as connect:
        wrong, right = await connect("wrong"), await connect("right")
        for client in (wrong, right):
            await client.send("Bob")
            await client.expect("Bob?")
        await trio.sleep(15)
        await right.send("Ann")
        await right.expect("Ann")
        for _ in range(4):
            await wrong.send_bytes(b"Cid\n\xff\n")
            await wrong.expect("Cid?", "error: line is not UTF-8")
            await trio.sleep(3)
        await wrong.expect("error: no login within 30 seconds")
        assert await ended(wrong) == pytest.approx(30)
        await right.expect("error: nothing came for 20 seconds")
        assert await ended(right) == pytest.approx(35)
    assert log.reasons[0] == "the peer did not log in in time"
    opened = [event for event in log.events if isinstance(event, Opened)]
    identified = [event for event in log.events if isinstance(event, Identified)]
    assert identified == [Identified(id=opened[1].id, peer=opened[1].peer, name="Ann")]


async def test_identifying_a_peer_ends_the_login_deadline_in_any_service(
    autojump_clock: MockClock,
) -> None:
    log = Log()

    async def identify_by_address(connection: Connection) -> None:
        connection.identify(f"host {connection.peer.partition(':')[0]}")
        connection.identify("a new name")
        await hear(connection)

    limits = Limits(login_timeout=30)
    async with run_handler(
        identify_by_address, limits=limits, on_event=log.events.append
    ) as connect:
        client = await connect(source="10.0.0.7")
        await client.expect_silence(100)
    names = [event.name for event in log.events if isinstance(event, Identified)]
    assert names == ["host 10.0.0.7", "a new name"]


async def test_a_byte_a_second_is_not_a_login(autojump_clock: MockClock) -> None:
    async with run_handler(echo, limits=Limits(login_timeout=30, idle_timeout=5)) as connect:
        client = await connect()
        for _ in range(29):
            await client.send_bytes(b"x")
            await trio.sleep(1)
        await client.expect("error: no login within 30 seconds")
        assert await ended(client) == pytest.approx(30)


async def test_a_peer_that_is_silent_too_long_is_told_and_closed(autojump_clock: MockClock) -> None:
    log = Log()
    limits = Limits(idle_timeout=300)
    async with run_handler(echo, limits=limits, on_event=log.events.append) as connect:
        client = await connect()
        await trio.sleep(200)
        await client.send_bytes(b"half a li")
        await trio.sleep(200)
        await client.send_bytes(b"ne\n")
        await client.expect("half a line")
        await client.expect_silence(299)
        await client.expect("error: nothing came for 300 seconds")
        assert await ended(client) == pytest.approx(700)
    assert log.reasons[0] == "nothing came from the peer for too long"


async def test_a_peer_is_idle_even_while_the_server_sends(
    autojump_clock: MockClock,
) -> None:
    async def tick(connection: Connection) -> None:
        while connection.lines.end is None:
            connection.outbox.put(b"tick\n")
            await trio.sleep(1)

    async with run_handler(tick, limits=Limits(idle_timeout=10)) as connect:
        client = await connect()
        while (line := await client.receive()) == "tick":
            pass
        assert line == "error: nothing came for 10 seconds"
        assert trio.current_time() == pytest.approx(10)


async def test_a_peer_that_reads_nothing_of_what_waits_is_given_up(
    autojump_clock: MockClock,
) -> None:
    log = Log()

    async def flood(connection: Connection) -> None:
        connection.outbox.put(b"x\n" * 1000)
        await hear(connection)

    limits = Limits(write_timeout=30)
    async with run_handler(flood, limits=limits, on_event=log.events.append) as connect:
        client = await connect(link=Link(capacity=100))
        await trio.sleep(29)
        assert len(connect.server.connections) == 1
        await client.expect("x")
        await trio.sleep(29)
        assert len(connect.server.connections) == 1, "it did take something"
        await trio.sleep(2)
        assert len(connect.server.connections) == 0
    assert log.reasons == ["the peer reads too slowly"]


async def test_a_handler_that_is_done_does_not_wait_for_ever_for_a_peer_that_never_reads(
    autojump_clock: MockClock,
) -> None:
    async def flood(connection: Connection) -> None:
        connection.outbox.put(b"x\n" * 1000)

    limits = Limits(max_clients=1, write_timeout=30)
    async with run_handler(flood, limits=limits, when_full=WhenFull.WAIT) as connect:
        await connect("never reads", link=Link(capacity=100))
        patient = await connect("patient")
        await patient.expect("x")
        assert trio.current_time() == pytest.approx(30)


async def test_a_deadline_of_zero_is_not_a_deadline(autojump_clock: MockClock) -> None:
    limits = Limits(login_timeout=0, idle_timeout=0, write_timeout=0, handshake_timeout=0)

    async def flood(connection: Connection) -> None:
        connection.outbox.put(b"x\n" * 1000)
        await hear(connection)

    async with run_handler(flood, limits=limits) as connect:
        await connect(link=Link(capacity=100))
        await trio.sleep(86_400)
        assert len(connect.server.connections) == 1


class ShakingHands(MemoryNetwork):
    """A network whose servers make a handshake with each peer."""

    def __init__(self, handshake: Callable[[trio.abc.Stream], Awaitable[None]]) -> None:
        super().__init__()
        self._handshake = handshake

    async def listen(self, address, *, backlog=None):  # type: ignore[no-untyped-def]
        listeners = await super().listen(address, backlog=backlog)
        for listener in listeners:
            accept_nowait = listener.accept_nowait

            def shaking(accept_nowait=accept_nowait):  # type: ignore[no-untyped-def]
                stream = accept_nowait()
                stream.do_handshake = partial(self._handshake, stream)
                return stream

            # `accept` calls it too.
            listener.accept_nowait = shaking  # type: ignore[method-assign]
        return listeners


async def test_a_handshake_that_takes_too_long_is_closed(autojump_clock: MockClock) -> None:
    log = Log()

    async def never(_stream: trio.abc.Stream) -> None:
        await trio.sleep_forever()

    async with run_handler(
        echo,
        network=ShakingHands(never),
        limits=Limits(handshake_timeout=10),
        on_event=log.events.append,
    ) as connect:
        client = await connect()
        assert await ended(client) == pytest.approx(10)
    assert log.reasons == ["no handshake: it took too long"]


@pytest.mark.parametrize("handshake_timeout", [0, 5, 50])
async def test_a_silent_tls_peer_ends_at_the_first_deadline_and_harms_nobody(
    certificates: Certificates, autojump_clock: MockClock, handshake_timeout: int
) -> None:
    class OverTLS(MemoryNetwork):
        async def listen(self, address, *, backlog=None):  # type: ignore[no-untyped-def]
            listeners = await super().listen(address, backlog=backlog)
            for listener in listeners:
                accept_nowait = listener.accept_nowait

                def secured(accept_nowait=accept_nowait):  # type: ignore[no-untyped-def]
                    return TLSStream(accept_nowait(), certificates.server(), server_side=True)

                listener.accept_nowait = secured  # type: ignore[method-assign]
            return listeners

    limits = Limits(handshake_timeout=handshake_timeout, login_timeout=10)
    log = Log()
    async with run_handler(
        echo, network=OverTLS(), limits=limits, on_event=log.events.append
    ) as connect:
        silent = await connect()
        assert await ended(silent) == pytest.approx(min(handshake_timeout or 10, 10))
        # The server goes on.
        assert await ended(await connect()) > 0
    assert log.reasons == ["no handshake: it took too long"] * 2


# A process that was stopped, or busy


STOPPED = pytest.mark.parametrize("which_task_comes_first", range(8))


async def shake_hands_twice(stream: trio.abc.Stream) -> None:
    for _ in range(2):
        await stream.receive_some()
        await stream.send_all(b"and?\n")


@STOPPED
async def test_a_handshake_that_went_on_while_the_server_was_stopped_is_in_time(
    autojump_clock: MockClock, which_task_comes_first: int
) -> None:
    limits = Limits(handshake_timeout=10, login_timeout=0)
    network = ShakingHands(shake_hands_twice)
    async with run_handler(echo, network=network, limits=limits) as connect:
        client, silent = await connect(), await connect("silent")
        await wait_all_tasks_blocked()
        client.stream.send_nowait(b"hello")  # type: ignore[attr-defined]
        autojump_clock.jump(40)
        await client.expect("and?")
        await client.send_bytes(b"hello again")
        await client.expect("and?")
        await client.send("served")
        await client.expect("served")
        # It gets a second more, and not another handshake's time.
        assert await ended(silent) == pytest.approx(41, abs=0.1)


@STOPPED
async def test_a_login_that_came_while_the_server_was_stopped_is_in_time(
    autojump_clock: MockClock, which_task_comes_first: int
) -> None:
    run = run_handler(log_in, limits=Limits(login_timeout=30), identifies=True)
    async with run as connect:
        client, silent = await connect(), await connect("silent")
        await wait_all_tasks_blocked()
        client.stream.send_nowait(b"Ann\n")  # type: ignore[attr-defined]
        autojump_clock.jump(40)
        await client.expect("Ann")
        await silent.expect("error: no login within 30 seconds")
        assert trio.current_time() == pytest.approx(40)


@STOPPED
async def test_a_peer_whose_line_came_while_the_server_was_stopped_is_not_idle(
    autojump_clock: MockClock, which_task_comes_first: int
) -> None:
    async with run_handler(echo, limits=Limits(idle_timeout=30)) as connect:
        client = await connect()
        await wait_all_tasks_blocked()
        client.stream.send_nowait(b"1\n")  # type: ignore[attr-defined]
        autojump_clock.jump(40)
        await client.expect("1")
        await client.expect("error: nothing came for 30 seconds")
        assert trio.current_time() == pytest.approx(70, abs=0.1)


@STOPPED
async def test_a_peer_that_read_everything_while_the_server_was_stopped_is_not_slow(
    autojump_clock: MockClock, which_task_comes_first: int
) -> None:
    async def answer_much(connection: Connection) -> None:
        connection.outbox.put(b"x" * 299 + b"\n")
        await hear(connection)

    async with run_handler(answer_much, limits=Limits(write_timeout=30)) as connect:
        client = await connect(link=Link(capacity=100))
        await wait_all_tasks_blocked()
        autojump_clock.jump(40)
        await client.expect("x" * 299)
        await trio.sleep(60)
        assert len(connect.server.connections) == 1


async def test_bytes_without_a_line_end_put_the_login_deadline_off_by_a_second_at_most(
    autojump_clock: MockClock,
) -> None:
    async def dribble(client: LineClient) -> None:
        while True:
            await client.send_bytes(b"x")
            await trio.sleep(0.01)

    run = run_handler(log_in, limits=Limits(login_timeout=30), identifies=True)
    async with run as connect, trio.open_nursery() as nursery:
        client = await connect()
        nursery.start_soon(dribble, client)
        await client.expect("error: no login within 30 seconds")
        assert 30 <= trio.current_time() <= 31.1
        nursery.cancel_scope.cancel()


async def test_lines_held_back_at_the_login_deadline_are_not_answered(
    autojump_clock: MockClock,
) -> None:
    run = run_handler(log_in, limits=Limits(login_timeout=3, rate=1, burst=1), identifies=True)
    async with run as connect:
        client = await connect()
        await client.send("1", "2", "3", "4", "5", "6", "Ann")
        await client.expect("1?", "2?", "3?", "error: no login within 3 seconds")
        assert await ended(client) == pytest.approx(3)


async def test_while_its_handler_works_a_peer_is_neither_idle_nor_late(
    autojump_clock: MockClock,
) -> None:
    async def think(connection: Connection) -> None:
        async for line in connection.lines:
            await trio.sleep(20)
            await connection.send(line)

    async with run_handler(think, limits=Limits(idle_timeout=5)) as connect:
        client = await connect()
        await client.send("1", "2", "3")
        await client.expect("1", "2", "3")
        await client.expect("error: nothing came for 5 seconds")
        assert await ended(client) == pytest.approx(65)


async def test_a_handler_that_works_forever_does_not_keep_the_login_open(
    autojump_clock: MockClock,
) -> None:
    async def ponder(connection: Connection) -> None:
        await connection.lines.receive()
        await trio.sleep(60)

    run = run_handler(ponder, limits=Limits(login_timeout=3), identifies=True)
    async with run as connect:
        client = await connect()
        await client.send("1")
        await client.expect("error: no login within 3 seconds")
        assert trio.current_time() == pytest.approx(4, abs=0.2)


# Connections of one host


async def test_one_host_has_only_so_many_connections(autojump_clock: MockClock) -> None:
    log = Log()
    limits = Limits(max_per_address=2)
    async with run_handler(echo, limits=limits, on_event=log.events.append) as connect:
        first = await connect("first", source="10.0.0.7")
        await connect("second", source="10.0.0.7")
        third = await connect("third", source="10.0.0.7")
        await third.expect("error: too many connections from your address")
        await third.expect_end()
        other = await connect("other", source="10.0.0.8")
        await other.send("hello")
        await other.expect("hello")
        await first.aclose()
        await trio.sleep(1)
        again = await connect("again", source="10.0.0.7")
        await again.send("hello")
        await again.expect("hello")
        assert connect.server._places._from_host == {"10.0.0.7": 2, "10.0.0.8": 1}
    refused = [event for event in log.events if isinstance(event, Refused)]
    assert [event.reason for event in refused] == ["too many connections from your address"]


async def refusals_of(sources: list[str], **limits: int) -> list[str]:
    """Connect from each host, and return those that had too many connections."""
    log = Log()
    async with run_handler(
        hear, limits=Limits(max_per_address=1, **limits), on_event=log.events.append
    ) as connect:
        for source in sources:
            await connect(source, source=source)
            await trio.testing.wait_all_tasks_blocked()
    refused = {event.peer for event in log.events if isinstance(event, Refused)}
    opened = [event.peer for event in log.events if isinstance(event, Opened)]
    assert len(opened) + len(refused) == len(sources)
    return [
        source
        for source in sources
        if any(f"[{source}]:" in peer or peer.startswith(f"{source}:") for peer in refused)
    ]


async def test_an_ipv6_network_of_64_bits_is_one_host(autojump_clock: MockClock) -> None:
    sources = ["2001:db8:1:2::1", "2001:db8:1:2:ffff::9", "2001:db8:1:3::1", "2001:db8:1:3::"]
    assert await refusals_of(sources) == [sources[1], sources[3]]


async def test_how_many_bits_make_a_host_can_be_set(autojump_clock: MockClock) -> None:
    sources = ["2001:db8:1:2::1", "2001:db8:1:2::2", "2001:db8:1:3::1", "2001:db8:2::1"]
    assert await refusals_of(sources, ipv6_prefix=128) == []
    assert await refusals_of(sources, ipv6_prefix=48) == sources[1:3]
    assert await refusals_of(sources, ipv6_prefix=1) == sources[1:]


async def test_an_ipv4_address_written_as_ipv6_is_the_ipv4_address(
    autojump_clock: MockClock,
) -> None:
    assert await refusals_of(["10.0.0.7", "::ffff:10.0.0.7", "::ffff:10.0.0.8"]) == [
        "::ffff:10.0.0.7"
    ]


async def test_peers_on_a_unix_socket_have_no_host_and_are_told_apart_by_their_number(
    autojump_clock: MockClock,
) -> None:
    log = Log()
    network = MemoryNetwork()
    async with trio.open_nursery() as nursery:
        server: Server = await nursery.start(
            partial(
                serve,
                echo,
                "unix:/run/room",
                limits=Limits(max_per_address=1),
                on_event=log.events.append,
                network=network,
            )
        )
        for _ in range(3):
            await network.connect("unix:/run/room")
        await trio.testing.wait_all_tasks_blocked()
        assert len(server.connections) == 3
        nursery.cancel_scope.cancel()
    told = [event.peer for event in log.events]
    assert told[:3] == ["unix:/run/room#1", "unix:/run/room#2", "unix:/run/room#3"]
    assert sorted(told[3:]) == told[:3]


# The numbers of connections


async def test_each_connection_has_a_number_that_all_its_events_carry(
    autojump_clock: MockClock,
) -> None:
    log = Log()
    numbers: list[tuple[int, str]] = []

    async def note(connection: Connection) -> None:
        numbers.append((connection.id, connection.peer))
        await hear(connection)

    limits = Limits(max_clients=2)
    async with run_handler(note, limits=limits, on_event=log.events.append) as connect:
        first, _second, _third = await connect(), await connect(), await connect()
        # The third is refused before the first leaves.
        await trio.sleep(1)
        await first.aclose()
        await trio.sleep(5)
        await (await connect()).aclose()
        await trio.sleep(5)
    kinds = [(type(event).__name__, event.id) for event in log.events[:-1]]
    assert kinds == [
        ("Opened", 1), ("Opened", 2), ("Refused", 3), ("Closed", 1), ("Opened", 4), ("Closed", 4),
    ]  # fmt: skip
    assert (log.events[-1].id, len(log.events)) == (2, 7)
    opened = [(event.id, event.peer) for event in log.events if isinstance(event, Opened)]
    assert numbers == opened


# Callbacks that fail


@pytest.mark.parametrize("kind", [Opened, Refused, Closed])
async def test_an_on_event_that_raises_is_logged_once_and_ends_nothing(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture, kind: type[ServerEvent]
) -> None:
    def fail(event: ServerEvent) -> None:
        if isinstance(event, kind):
            raise RuntimeError("no more room in the journal")

    async with run_handler(echo, limits=Limits(max_clients=1), on_event=fail) as connect:
        for _ in range(3):
            async with await connect() as client, await connect() as refused:
                await client.send("hello")
                await client.expect("hello")
                await refused.expect("error: server is full")
            await trio.sleep(5)
        told = [record for record in caplog.records if record.exc_info]
        (message,) = [record.getMessage() for record in told]
        assert message.startswith(f"on_event failed, and the server goes on: {kind.__name__}(id=")
        assert message.endswith(" (logged once, however often it happens)")
        assert "no more room in the journal" in caplog.text


async def test_an_on_drain_that_raises_is_logged_and_the_drain_goes_on(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise RuntimeError("cannot say goodbye")

    async with run_handler(echo, on_drain=fail) as connect:
        client = await connect()
        await client.send("hello")
        await client.expect("hello")
        assert await connect.server.drain(5) == ()
        await client.expect_end()
    assert caplog.messages == [
        "on_drain failed, and the server goes on (logged once, however often it happens)"
    ]


# Rates


async def test_a_peer_is_slowed_to_its_rate(autojump_clock: MockClock) -> None:
    async with run_handler(echo, limits=Limits(rate=10, burst=5)) as connect:
        client = await connect()
        await client.send(*map(str, range(25)))
        await client.expect(*map(str, range(25)))
        assert trio.current_time() == pytest.approx(2, abs=0.01)


async def test_a_drain_slows_nobody_down(autojump_clock: MockClock) -> None:
    async with run_handler(echo, limits=Limits(rate=1, burst=1)) as connect:
        client = await connect()
        await client.send(*map(str, range(20)))
        await client.expect("0")
        assert await connect.server.drain(5) == ()
        await client.expect(*map(str, range(1, 20)))
        await client.expect_end()


# Events


async def test_the_operator_is_told_about_each_connection(autojump_clock: MockClock) -> None:
    log = Log()
    async with run_handler(echo, on_event=log.events.append) as connect:
        client = await connect(source="10.0.0.7")
        await client.send("hello", "wörld")
        await client.expect("hello", "wörld")
        await trio.sleep(2)
        await client.send_eof()
        await client.expect_end()
    opened, closed = log.events
    assert isinstance(opened, Opened)
    assert opened.peer.startswith("10.0.0.7:")
    assert closed == Closed(
        id=1,
        peer=opened.peer,
        reason="the peer ended its sending",
        seconds=2,
        bytes_in=13,
        bytes_out=13,
        lines_in=2,
        lines_out=2,
    )


async def test_each_kind_of_end_has_its_reason(autojump_clock: MockClock) -> None:
    log = Log()

    async def handler(connection: Connection) -> None:
        async for line in connection.lines:
            if line == "bye":
                return
            if line == "fail":
                raise RuntimeError("as asked")
            await connection.send(line)

    async with run_handler(handler, on_event=log.events.append) as connect:
        for line, reason in (("bye", "the session ended"), ("fail", "the handler failed")):
            client = await connect()
            await client.send(line)
            await client.expect_end()
            assert log.reasons.pop() == reason
        client = await connect()
        await trio.sleep(1)
        client.stream.reset()  # type: ignore[attr-defined]
        await trio.sleep(1)
        assert log.reasons[-1] == "the peer reset the connection"
        client = await connect()
        await client.send("GET / HTTP/1.1")
        await client.expect_end()
        assert log.reasons[-1] == "the peer sent an HTTP request"
        client = await connect()
        await trio.sleep(1)
        await connect.server.drain()
        await client.expect_end()
        assert log.reasons[-1] == "server is closing"


async def test_the_operator_is_told_who_was_cut_off_at_the_deadline_of_a_drain(
    autojump_clock: MockClock,
) -> None:
    log = Log()

    async def stubborn(_connection: Connection) -> None:
        await trio.sleep_forever()

    async with run_handler(stubborn, on_event=log.events.append) as connect:
        await connect()
        await trio.sleep(1)
        assert len(await connect.server.drain(5)) == 1
    assert log.reasons == ["cut off"]
