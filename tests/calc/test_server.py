"""The calculator as a service: in memory if the lines matter, on sockets if the socket does."""

from __future__ import annotations

import math
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Any

import pytest
import trio
import trio.testing

from known_names import KNOWN
from served import LOOPBACK, Served, reset, served
from trionet import SYSTEM, ConnectError, Limits, ListenError, Server, SocketStream
from trionet.calc import ONE_AT_A_TIME, serve
from trionet.testing import LineClient, Link, MemoryNetwork, cut_bytes

BLANK = "error: expected an expression, such as 12 + 42"


def calculator(**options: Any) -> AbstractAsyncContextManager[Served]:
    return served(serve, Served, **options)


settled = trio.testing.wait_all_tasks_blocked


# One session


async def test_operations_are_answered_and_the_console_shows_the_session(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with calculator() as calc:
        ann = await calc.connect()
        await ann.send("ann")
        await ann.expect_silence(10)
        for operation, answer in (
            ("12 + 42", "54"),
            ("3.24 - 45", "-41.76"),
            ("4.5 / -6", "-0.75"),
        ):
            await ann.send(operation)
            await ann.expect(answer)
        await ann.send("q")
        await ann.expect_end()
        assert calc.shown == [
            "ann connected",
            "ann: 12 + 42 = 54",
            "ann: 3.24 - 45 = -41.76",
            "ann: 4.5 / -6 = -0.75",
            "Session ended",
        ]


async def test_errors_of_every_kind_come_in_their_place_and_the_session_goes_on(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with calculator() as calc:
        ann = await calc.connect("ann", "1 + 1", "1 / 0", "", "x")
        await ann.send_bytes(b"1 + \xff\n" + b"1" * 4097 + b"\r\n" + b"1" * 4096 + b"\r\n2 + 2\r\n")
        unknown = f"error: unknown name x at column 1 ({KNOWN})"
        await ann.expect("2", "error: division by zero", BLANK, unknown)
        await ann.expect("error: line is not UTF-8", "error: line is longer than 4096 bytes")
        await ann.expect("1." + "1" * 27 + "E+4095", "4")
        assert calc.shown[1:5] == [
            "ann: 1 + 1 = 2",
            "ann: 1 / 0: error: division by zero",
            f"ann: {BLANK}",
            f"ann: x: {unknown}",
        ]
        assert calc.shown[5:7] == [
            "ann: error: line is not UTF-8",
            "ann: error: line is longer than 4096 bytes",
        ]
        assert calc.shown[8:] == ["ann: 2 + 2 = 4"]


async def test_an_over_long_line_is_answered_before_its_end_has_come(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with calculator() as calc:
        ann = await calc.connect("ann")
        await ann.send_bytes(b"1" * 5000)
        await ann.expect("error: line is longer than 4096 bytes")
        await ann.send_bytes(b"1" * 5000)
        await ann.expect_silence(10)
        await ann.send_bytes(b"\n1 + 1\n")
        await ann.expect("2")


async def test_a_peer_that_sends_no_end_of_line_gets_an_error_and_is_cut_off(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with calculator() as calc:
        ann = await calc.connect("ann", "1 + 1")
        await ann.send_bytes(b"1" * (1 << 20))
        await ann.expect("2", "error: line is longer than 4096 bytes")
        await ann.expect("error: no end of line within 1048576 bytes")
        await ann.expect_end()
        assert calc.shown[-1] == "Session ended"


async def test_a_thousand_pipelined_lines_are_answered_in_order(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with calculator() as calc:
        ann = await calc.connect("ann", *(f"{n} * 2" for n in range(1000)), "q")
        await ann.expect(*(str(2 * n) for n in range(1000)))
        await ann.expect_end()
        assert len(calc.shown) == 1002


@pytest.mark.parametrize("sends_now", [True, False])
async def test_lines_cut_anywhere_over_a_narrow_link_are_the_same_lines(
    sends_now: bool, autojump_clock: trio.testing.MockClock
) -> None:
    link = Link(capacity=7, latency=0.1, cut=cut_bytes, sends_now=sends_now)
    async with calculator() as calc, trio.open_nursery() as nursery:
        ann = await calc.connect(link=link)
        text = "Zoë\r\n" + "".join(f"{n} × 2\r\n" for n in range(50)) + "q\n"
        nursery.start_soon(ann.send_bytes, text.encode())
        await ann.expect(*(str(2 * n) for n in range(50)))
        await ann.expect_end()
        assert calc.shown[-2:] == ["Zoë: 49 × 2 = 98", "Session ended"]


async def test_the_server_never_works_ahead_of_a_client_that_does_not_read(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with calculator() as calc:
        ann = await calc.connect(link=Link(capacity=600))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(ann.send, "ann", *["1 / 3"] * 1000, "q"))
            await settled()
            # What the client has not read is in the link, or in the answers of one batch.
            assert len(calc.shown) < 250
            await ann.expect(*("0." + "3" * 28 for _ in range(1000)))
        await ann.expect_end()


@pytest.mark.parametrize("quitting", ["q", " \tq ", "q\r"])
async def test_q_ends_the_session_and_later_lines_are_not_answered(
    quitting: str, autojump_clock: trio.testing.MockClock
) -> None:
    async with calculator() as calc:
        ann = await calc.connect()
        await ann.send_bytes(f"ann\n1 + 1\n{quitting}\n2 + 2\n".encode())
        await ann.expect("2")
        await ann.expect_end()
        assert calc.shown == ["ann connected", "ann: 1 + 1 = 2", "Session ended"]


async def test_a_capital_q_does_not_quit(autojump_clock: trio.testing.MockClock) -> None:
    async with calculator() as calc:
        ann = await calc.connect("ann", "Q", "q 1", "1 + 1")
        await ann.expect(f"error: unknown name Q at column 1 ({KNOWN})")
        await ann.expect(f"error: unknown name q at column 1 ({KNOWN})", "2")


async def test_q_as_the_first_line_closes_unanswered_and_is_not_shown(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with calculator() as calc:
        nobody = await calc.connect("q", "1 + 1")
        await nobody.expect_end()
        assert calc.shown == []


@pytest.mark.parametrize("name", ["", "  ", "a" * 65, "a\tb", "\x1b[2J"])
async def test_an_unfit_name_is_answered_and_the_connection_closed(
    name: str, autojump_clock: trio.testing.MockClock
) -> None:
    async with calculator() as calc:
        client = await calc.connect(name, "1 + 1", "q")
        assert (await client.receive()).startswith("error: the name ")
        await client.expect_end()
        assert calc.shown == []


@pytest.mark.parametrize(
    ("first", "answer"),
    [
        (b"\xff\n", "error: line is not UTF-8"),
        (b"a" * 4097 + b"\n", "error: line is longer than 4096 bytes"),
        (b"a" * 4097, "error: line is longer than 4096 bytes"),
    ],
)
async def test_a_bad_first_line_is_answered_and_the_next_is_not_taken_as_the_name(
    first: bytes, answer: str, autojump_clock: trio.testing.MockClock
) -> None:
    async with calculator() as calc:
        client = await calc.connect()
        await client.send_bytes(first)
        await client.expect(answer)
        await client.expect_end()
        assert calc.shown == []


async def test_an_http_request_is_closed_unanswered_and_its_lines_are_not_read(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with calculator() as calc:
        browser = await calc.connect("POST /1 HTTP/1.1", "", "ann", "1 + 1")
        await browser.expect_end()
        assert calc.shown == []


async def test_an_http_request_line_after_the_name_is_an_operation_like_another(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with calculator() as calc:
        ann = await calc.connect("ann", "GET / HTTP/1.1", "1 + 1")
        await ann.expect(f"error: unknown name GET at column 1 ({KNOWN})", "2")


# How a session ends


async def test_a_half_close_is_answered_in_full_and_an_unfinished_line_is_dropped(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with calculator() as calc:
        ann = await calc.connect("ann", *("1 / 3" for _ in range(300)))
        await ann.send_bytes(b"1 + 1")
        await ann.send_eof()
        await ann.expect(*("0." + "3" * 28 for _ in range(300)))
        await ann.expect_end()
        assert calc.shown[-1] == "Session ended"
        assert calc.shown.count("Session ended") == 1


async def end_by_q(client: LineClient) -> None:
    await client.send("q")


async def end_by_closing(client: LineClient) -> None:
    await client.aclose()


async def end_by_eof(client: LineClient) -> None:
    await client.send_eof()


async def end_by_reset(client: LineClient) -> None:
    reset(client)


@pytest.mark.parametrize("end", [end_by_q, end_by_closing, end_by_eof, end_by_reset])
async def test_every_end_of_a_named_session_is_shown_exactly_once(
    end: Callable[[LineClient], Any], autojump_clock: trio.testing.MockClock
) -> None:
    async with calculator() as calc:
        ann = await calc.connect("ann")
        await settled()
        assert calc.shown == ["ann connected"]
        await end(ann)
        await settled()
        assert calc.shown == ["ann connected", "Session ended"]
        await trio.sleep(60)
        assert calc.shown == ["ann connected", "Session ended"]


@pytest.mark.parametrize("end", [end_by_closing, end_by_eof, end_by_reset])
async def test_a_client_that_leaves_without_a_name_is_not_shown(
    end: Callable[[LineClient], Any], autojump_clock: trio.testing.MockClock
) -> None:
    async with calculator() as calc:
        nobody = await calc.connect()
        await nobody.send_bytes(b"ann")
        await settled()
        await end(nobody)
        await trio.sleep(60)
        assert calc.shown == []
        assert len(calc.server.connections) == 0


async def test_a_client_that_leaves_before_reading_harms_nobody(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with calculator() as calc:
        for _ in range(3):
            ann = await calc.connect("ann", *("1 / 3" for _ in range(100)))
            await ann.receive()
            reset(ann)
        bob = await calc.connect("bob", "1 + 1")
        await bob.expect("2")


async def test_a_cancelled_server_still_shows_every_session_as_ended(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with calculator(limits=Limits()) as calc:
        for name in ("ann", "bob"):
            await (await calc.connect(name, "1 + 1")).expect("2")
    assert sorted(calc.shown[-2:]) == ["ann: Session ended", "bob: Session ended"]
    assert not calc.ended.is_set()


# How many clients at a time


async def test_one_client_is_served_at_a_time_and_the_next_in_order(
    autojump_clock: trio.testing.MockClock,
) -> None:
    assert ONE_AT_A_TIME.max_clients == 1
    async with calculator() as calc:
        ann = await calc.connect("ann", "1 + 1")
        bob = await calc.connect("bob", "2 + 2")
        cid = await calc.connect("cid", "3 + 3")
        await ann.expect("2")
        await bob.expect_silence(60)
        await ann.send("4 + 4")
        await ann.expect("8")
        await ann.send("q")
        await bob.expect("4")
        await cid.expect_silence(60)
        reset(bob)
        await cid.expect("6")
        assert calc.shown == [
            "ann connected",
            "ann: 1 + 1 = 2",
            "ann: 4 + 4 = 8",
            "Session ended",
            "bob connected",
            "bob: 2 + 2 = 4",
            "Session ended",
            "cid connected",
            "cid: 3 + 3 = 6",
        ]


async def test_a_client_that_half_closes_while_it_waits_loses_nothing(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with calculator() as calc:
        ann = await calc.connect("ann")
        bob = await calc.connect("bob", "2 + 2")
        await bob.send_eof()
        await bob.expect_silence(60)
        await ann.send("q")
        await bob.expect("4")
        await bob.expect_end()


async def test_a_place_is_free_while_the_server_still_waits_for_the_last_client_to_close(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with calculator() as calc:
        ann = await calc.connect("ann")
        bob = await calc.connect("bob", "2 + 2")
        await settled()
        began = trio.current_time()
        await ann.send("q")
        await bob.expect("4")
        assert trio.current_time() == began


async def test_three_clients_are_served_at_a_time_if_the_limit_is_three(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with calculator(limits=Limits(max_clients=3)) as calc:
        clients = [await calc.connect(name, "1 + 1") for name in ("ann", "bob", "cid", "dan")]
        for client in clients[:3]:
            await client.expect("2")
        await clients[3].expect_silence(60)
        await clients[1].send("q")
        await clients[3].expect("2")
        assert "bob: Session ended" in calc.shown
        assert "Session ended" not in calc.shown
        await clients[0].send("q")
        await clients[0].expect_end()
        assert calc.shown[-1] == "ann: Session ended"


async def test_the_backlog_has_the_size_that_was_asked_for(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with calculator(backlog=1) as calc:
        await calc.connect("ann")
        await settled()
        # One is accepted and waits for its turn; the backlog holds one, and another as on Linux.
        for _ in range(3):
            await calc.connect()
            await settled()
        with trio.move_on_after(60) as waiting:
            await calc.connect()
        assert waiting.cancelled_caught


# How the server ends


async def test_once_ends_after_the_first_named_session(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with calculator(once=True) as calc:
        nobody = await calc.connect("q")
        await nobody.expect_end()
        unfit = await calc.connect("")
        await unfit.expect("error: the name is empty")
        await trio.sleep(60)
        assert not calc.ended.is_set()
        ann = await calc.connect("ann", "1 + 1", "q")
        await ann.expect("2")
        await ann.expect_end()
        await calc.ended.wait()
        assert calc.shown == ["ann connected", "ann: 1 + 1 = 2", "Session ended"]
        with pytest.raises(ConnectError):
            await calc.connect()


async def test_once_serves_none_of_the_waiting_clients(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with calculator(once=True) as calc:
        ann = await calc.connect("ann")
        waiting = [await calc.connect(name, "1 + 1") for name in ("bob", "cid", "dan")]
        await settled()
        await ann.send("q")
        for client in waiting:
            await client.expect("error: server is closing")
            await client.expect_end()
        await calc.ended.wait()
        assert calc.shown == ["ann connected", "Session ended"]


async def test_a_drain_answers_what_was_received_and_adds_no_line_of_its_own(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with calculator() as calc:
        ann = await calc.connect("ann", "1 + 1", "2 + 2")
        await settled()
        assert await calc.server.drain() == ()
        await ann.expect("2", "4")
        await ann.expect_end()
        await calc.ended.wait()
        assert calc.shown[-1] == "Session ended"


async def test_a_drain_tells_waiting_clients_that_the_server_is_closing(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with calculator() as calc:
        ann = await calc.connect("ann")
        waiting = [await calc.connect(name, "1 + 1") for name in ("bob", "cid", "dan")]
        await settled()
        await calc.server.drain()
        for client in waiting:
            await client.expect("error: server is closing")
            await client.expect_end()
        await ann.expect_end()
        assert calc.shown == ["ann connected", "Session ended"]


async def test_a_drain_cuts_off_a_client_that_does_not_read_at_its_deadline(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with calculator() as calc:
        ann = await calc.connect(link=Link(capacity=20))
        with trio.move_on_after(1):
            await ann.send("ann", *("1 / 3" for _ in range(10)))
        began = trio.current_time()
        assert len(await calc.server.drain()) == 1
        assert trio.current_time() - began == ONE_AT_A_TIME.drain_seconds
        await calc.ended.wait()
        assert calc.shown[-1] == "Session ended"


@pytest.mark.parametrize("once", [True, False])
async def test_a_drain_ends_a_server_that_nobody_came_to(
    once: bool, autojump_clock: trio.testing.MockClock
) -> None:
    async with calculator(once=once) as calc:
        await trio.sleep(60)
        assert not calc.ended.is_set()
        assert await calc.server.drain() == ()
        await calc.ended.wait()
        assert calc.shown == []


async def test_a_drain_with_once_ends_the_running_session(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with calculator(once=True) as calc:
        ann = await calc.connect("ann", "1 + 1")
        await ann.expect("2")
        assert await calc.server.drain() == ()
        await ann.expect_end()
        await calc.ended.wait()
        assert calc.shown[-1] == "Session ended"


# Options


async def test_results_have_the_precision_that_was_asked_for(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with calculator(precision=5) as calc:
        ann = await calc.connect("ann", "2 / 3", "123456 + 0")
        await ann.expect("0.66667", "123460")


async def test_a_precision_out_of_bounds_is_refused_before_anybody_is_served() -> None:
    network = MemoryNetwork()
    with pytest.raises(ValueError, match="precision"):
        await serve(LOOPBACK, precision=0, network=network)


async def test_an_address_in_use_is_an_error_that_names_it() -> None:
    network = MemoryNetwork()
    await network.listen("127.0.0.1:22333")
    with pytest.raises(ListenError, match=r"cannot listen on 127\.0\.0\.1:22333"):
        await serve("127.0.0.1:22333", network=network)


# On sockets


@asynccontextmanager
async def on_a_socket() -> AsyncIterator[tuple[str, trio.MemoryReceiveChannel[str], Server]]:
    """Serve on the loopback; yields the address, the console's lines and the server."""
    send, shown = trio.open_memory_channel[str](math.inf)
    with trio.fail_after(20):
        async with send, shown, trio.open_nursery() as nursery:

            async def run(*, task_status: trio.TaskStatus[Server]) -> None:
                await serve(LOOPBACK, show=send.send_nowait, task_status=task_status)

            server: Server = await nursery.start(run)
            yield server.addresses[0], shown, server
            await server.drain()


async def connected(address: str) -> LineClient:
    return LineClient(await SYSTEM.connect(address))


async def test_a_half_closed_socket_gets_every_answer() -> None:
    async with on_a_socket() as (address, shown, _), await connected(address) as ann:
        await ann.send("ann", *("1 / 3" for _ in range(5000)))
        await ann.send_eof()
        for _ in range(5000):
            await ann.expect("0." + "3" * 28)
        await ann.expect_end()
        assert await shown.receive() == "ann connected"


async def test_after_a_quit_every_answer_can_be_read_although_input_was_left_unread() -> None:
    async with on_a_socket() as (address, _, _), await connected(address) as ann:
        await ann.send("ann", *("1 / 3" for _ in range(2000)), "q", *("2 / 3",) * 10_000)
        for _ in range(2000):
            await ann.expect("0." + "3" * 28)
        await ann.expect_end()


async def test_a_socket_that_is_reset_ends_its_session_once_and_the_next_is_served() -> None:
    async with on_a_socket() as (address, shown, server):
        sock = socket.socket()
        host, _, port = address.rpartition(":")
        sock.connect((host, int(port)))
        async with LineClient(SocketStream(sock, peer=address)) as ann:
            await ann.send("ann", "1 + 1")
            await ann.expect("2")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        expected = ["ann connected", "ann: 1 + 1 = 2", "Session ended"]
        assert [await shown.receive() for _ in range(3)] == expected
        async with await connected(address) as bob:
            await bob.send("bob", "q")
            await bob.expect_end()
        assert [await shown.receive() for _ in range(2)] == ["bob connected", "Session ended"]
        await server.drain()
        with pytest.raises(trio.WouldBlock):
            shown.receive_nowait()


async def test_a_console_that_fails_costs_its_line_alone(
    autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    network, shown = MemoryNetwork(), list[str]()

    def show(line: str) -> None:
        shown.append(line)
        if "1 + 1" in line or line == "ann connected":
            raise RuntimeError("the console")

    async with trio.open_nursery() as nursery:
        server: Server = await nursery.start(partial(serve, LOOPBACK, show=show, network=network))
        async with LineClient(await network.connect(server.addresses[0])) as ann:
            await ann.send("ann", "1 + 1", "2 + 2", "q")
            await ann.expect("2", "4")
            await ann.expect_end()
        nursery.cancel_scope.cancel()
    assert shown == ["ann connected", "ann: 1 + 1 = 2", "ann: 2 + 2 = 4", "Session ended"]
    assert [record.name for record in caplog.records] == ["trionet.calc"]
    assert "logged once" in caplog.text
