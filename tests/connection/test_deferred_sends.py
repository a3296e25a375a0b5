"""Sends that are deferred: they share one loop, and none is ever left out."""

from __future__ import annotations

import logging
import math
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from itertools import count

import pytest
import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import wait_all_tasks_blocked

from trionet import Connection, Limits, Outbox, Server, WhenSlow, serve
from trionet.connection import deferred_sends
from trionet.connection.deferred_sends import FORCED_BY, DeferredSends
from trionet.fanout.group import put_to_all
from trionet.testing import Link, MemoryNetwork, MemoryStream, memory_stream_pair
from trionet.transport.readiness import HAS_EPOLL

GONE = (trio.ClosedResourceError, trio.BrokenResourceError)

BOTH = pytest.mark.parametrize("sends_now", [True, False])


@pytest.fixture(autouse=True)
def no_time_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    """However busy this machine is, no round takes too long."""
    monkeypatch.setattr(deferred_sends, "perf_counter", lambda: 0.0)


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FORCED_BY, "always")


@asynccontextmanager
async def deferring(least: float = 0) -> AsyncIterator[tuple[DeferredSends, trio.Nursery]]:
    """Run what defers sends, and a nursery for writers."""
    sends = DeferredSends(least)
    async with trio.open_nursery() as nursery:
        background = trio.CancelScope()

        async def run() -> None:
            with background:
                await sends.run()

        nursery.start_soon(run)
        await wait_all_tasks_blocked()
        yield sends, nursery
        background.cancel()


def arrived(stream: MemoryStream) -> bytes:
    """Take what has arrived, without letting any other task run."""
    return stream._in.receive(1 << 16) if stream.has_input() else b""


def pair(*, capacity: int = 1 << 16, sends_now: bool = True) -> tuple[MemoryStream, MemoryStream]:
    return memory_stream_pair(Link(capacity=capacity, sends_now=sends_now))


# One round


@BOTH
async def test_lines_are_held_until_all_tasks_of_the_round_have_run(sends_now: bool) -> None:
    record: list[str] = []
    ends = [pair(sends_now=sends_now) for _ in range(5)]
    async with deferring() as (sends, nursery):
        boxes = [Outbox(ours, nursery, deferred=sends) for ours, _ in ends]

        async def put(number: int) -> None:
            boxes[number].put(b"%d\n" % number)
            record.append(f"put, {sum(theirs.has_input() for _, theirs in ends)} have arrived")

        async with trio.open_nursery() as tasks:
            for number in range(5):
                tasks.start_soon(put, number)
        await wait_all_tasks_blocked()
        assert record == ["put, 0 have arrived"] * 5
        assert [arrived(theirs) for _, theirs in ends] == [b"%d\n" % number for number in range(5)]
        assert [(box.waiting, box.bytes_out, box.lines_out) for box in boxes] == [(0, 2, 1)] * 5


async def test_sends_are_deferred_only_from_three_woken_tasks_on() -> None:
    ours, theirs = pair()
    async with deferring(deferred_sends.LEAST_WOKEN) as (sends, nursery):
        outbox = Outbox(ours, nursery, deferred=sends)
        for woken in (0, 1, 2):
            sends.begin(woken)
            outbox.put(b"now\n")
            assert outbox.waiting == 0
            assert arrived(theirs) == b"now\n"
        sends.begin(3)
        outbox.put(b"soon\n")
        assert outbox.waiting == 5
        assert arrived(theirs) == b""
        await wait_all_tasks_blocked()
        assert arrived(theirs) == b"soon\n"


async def test_nothing_is_deferred_where_nobody_would_send_it() -> None:
    ours, theirs = pair()
    async with deferring(deferred_sends.LEAST_WOKEN) as (sends, nursery):
        outbox = Outbox(ours, nursery, deferred=sends)
        sends.begin(3)
    sends.begin(3)
    outbox.put(b"late\n")
    never_run = DeferredSends(0)
    never_run.begin(100)
    async with trio.open_nursery() as nursery:
        Outbox(ours, nursery, deferred=never_run).put(b"early\n")
    assert arrived(theirs) == b"late\nearly\n"


async def test_the_end_of_deferring_sends_what_is_held() -> None:
    ours, theirs = pair()
    async with deferring() as (sends, nursery):
        outbox = Outbox(ours, nursery, deferred=sends)
        outbox.put(b"held\n")
        # Cancelled before it could run.
    assert arrived(theirs) == b"held\n"


async def test_a_line_put_when_deferring_was_cancelled_and_has_not_ended_is_sent() -> None:
    ours, theirs = pair()
    sends = DeferredSends(0)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(sends.run)
        await wait_all_tasks_blocked()
        outbox = Outbox(ours, nursery, deferred=sends)
        nursery.cancel_scope.cancel()
        # The task that sends is about to run, and to raise.
        outbox.put(b"last\n")
    assert arrived(theirs) == b"last\n"


async def test_a_line_put_long_after_its_round_is_sent_without_new_input() -> None:
    ours, theirs = pair()
    async with deferring(deferred_sends.LEAST_WOKEN) as (sends, nursery):
        outbox = Outbox(ours, nursery, deferred=sends)
        sends.begin(10)
        for _ in range(3):
            await wait_all_tasks_blocked()
            outbox.put(b"late\n")
            await wait_all_tasks_blocked()
            assert arrived(theirs) == b"late\n"


async def test_answers_are_not_held_for_longer_than_a_millisecond(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    milliseconds = count(0, 0.0004)
    monkeypatch.setattr(deferred_sends, "perf_counter", lambda: next(milliseconds))
    ends = [pair() for _ in range(5)]
    async with deferring() as (sends, nursery):
        boxes = [Outbox(ours, nursery, deferred=sends) for ours, _ in ends]
        for box in boxes:
            box.put(b"line\n")
        # The fourth came 1.2 ms after the first.
        assert [arrived(theirs) for _, theirs in ends] == [b"line\n"] * 3 + [b""] * 2


@pytest.mark.parametrize(("held", "sent"), [(0.0009, b""), (0.0011, b"line\n")])
async def test_a_task_that_lets_the_others_have_their_turn_sends_what_is_overdue(
    monkeypatch: pytest.MonkeyPatch, held: float, sent: bytes
) -> None:
    ours, theirs = pair()
    async with deferring() as (sends, nursery):
        Outbox(ours, nursery, deferred=sends).put(b"line\n")
        # Its owner works on a costly line, and has no answer yet.
        costly = Outbox(pair()[0], nursery, deferred=sends)
        monkeypatch.setattr(deferred_sends, "perf_counter", lambda: held)
        turn = costly.flush().__await__()
        next(turn)
        assert arrived(theirs) == sent
        turn.close()


# What is held counts, and is bounded


async def test_what_is_held_counts_as_waiting_and_not_yet_as_sent() -> None:
    ours, _ = pair()
    async with deferring() as (sends, nursery):
        outbox = Outbox(ours, nursery, deferred=sends)
        outbox.put(b"one\n")
        outbox.put(b"two\n")
        assert (outbox.waiting, outbox.lines_out, outbox.bytes_out) == (8, 2, 0)
        assert not outbox.is_blocked
        assert "8 bytes waiting" in repr(outbox)
        await wait_all_tasks_blocked()
        assert (outbox.waiting, outbox.lines_out, outbox.bytes_out) == (0, 2, 8)


@pytest.mark.parametrize("bound", [9, 1 << 20])
async def test_no_more_is_held_than_may_wait_and_never_much(bound: int) -> None:
    ours, _ = pair(capacity=5)
    async with deferring() as (sends, nursery):
        outbox = Outbox(
            ours, nursery, max_waiting=bound, when_slow=WhenSlow.DROP_OLDEST, deferred=sends
        )
        most = 0
        for _ in range(3000):
            outbox.put(b"line\n")
            if outbox.is_blocked:
                break
            most = max(most, outbox.waiting)
        assert most <= min(bound, 4096)
        assert outbox.is_blocked
        outbox.give_up()


async def test_held_lines_beyond_the_bound_give_a_slow_peer_up() -> None:
    ours, _ = pair(capacity=1)
    gave_up: list[bool] = []
    async with deferring() as (sends, nursery):
        outbox = Outbox(
            ours,
            nursery,
            max_waiting=20,
            on_overflow=lambda: gave_up.append(True),
            deferred=sends,
        )
        for _ in range(5):
            outbox.put(b"line\n")
        assert gave_up
        assert (outbox.broken, outbox.waiting, outbox.dropped) == (True, 0, 5)


# What cannot wait for the end of the round


@BOTH
async def test_a_close_sends_what_is_held(sends_now: bool) -> None:
    ours, theirs = pair(sends_now=sends_now)
    async with deferring() as (sends, nursery):
        outbox = Outbox(ours, nursery, deferred=sends)
        outbox.put(b"goodbye\n")
        outbox.close()
        if sends_now:
            assert arrived(theirs) == b"goodbye\n"
        outbox.put(b"too late\n")
        await wait_all_tasks_blocked()
        assert outbox.dropped == 1
        if not sends_now:
            assert arrived(theirs) == b"goodbye\n"


@BOTH
async def test_a_flush_waits_until_what_is_held_is_sent(sends_now: bool) -> None:
    ours, theirs = pair(sends_now=sends_now)
    async with deferring() as (sends, nursery):
        outbox = Outbox(ours, nursery, deferred=sends)
        outbox.put(b"put\n")
        with trio.testing.assert_checkpoints():
            await outbox.flush()
        assert arrived(theirs) == b"put\n"
        await outbox.send(b"sent\n")
        assert arrived(theirs) == b"sent\n"


async def test_a_flush_waits_for_a_peer_that_takes_only_a_part_of_what_was_held() -> None:
    ours, theirs = pair(capacity=4)
    async with deferring() as (sends, nursery):
        outbox = Outbox(ours, nursery, deferred=sends)
        outbox.put(b"a line\n")
        with trio.move_on_after(0) as scope:
            await outbox.flush()
        assert scope.cancelled_caught
        await wait_all_tasks_blocked()
        assert outbox.is_blocked
        assert await theirs.receive_some() == b"a li"
        await outbox.flush()
        assert arrived(theirs) == b"ne\n"


async def test_a_cancelled_send_is_sent_all_the_same() -> None:
    ours, theirs = pair()
    async with deferring() as (sends, nursery):
        outbox = Outbox(ours, nursery, deferred=sends)
        with trio.CancelScope() as scope:
            scope.cancel()
            await outbox.send(b"sent\n")
        await wait_all_tasks_blocked()
        assert arrived(theirs) == b"sent\n"


async def test_a_send_to_a_peer_that_is_gone_raises_in_the_sender() -> None:
    ours, theirs = pair()
    async with deferring() as (sends, nursery):
        outbox = Outbox(ours, nursery, deferred=sends)
        theirs.close()
        with pytest.raises(trio.BrokenResourceError):
            await outbox.send(b"sent\n")
        assert (outbox.broken, outbox.dropped) == (True, 1)


async def test_a_peer_that_is_given_up_gets_nothing_of_what_is_held() -> None:
    ours, theirs = pair()
    async with deferring() as (sends, nursery):
        outbox = Outbox(ours, nursery, deferred=sends)
        outbox.put(b"one\ntwo\n")
        outbox.give_up()
        assert (outbox.waiting, outbox.dropped) == (0, 2)
        await wait_all_tasks_blocked()
        assert arrived(theirs) == b""


async def test_lines_of_a_hub_come_after_those_that_are_held() -> None:
    ours, theirs = pair()
    async with deferring() as (sends, nursery):
        outbox = Outbox(ours, nursery, deferred=sends)
        outbox.put(b"own\n")
        put_to_all([outbox], b"hub\n", 1, (), lambda *_: None, [])
        outbox.put(b"own again\n")
        outbox.put_pieces([b"pieces\n", memoryview(b"of the hub\n")], 2, 18)
        await wait_all_tasks_blocked()
        assert arrived(theirs) == b"own\nhub\nown again\npieces\nof the hub\n"
        assert outbox.waiting == 0


async def test_held_bytes_are_a_copy_that_their_owner_cannot_change() -> None:
    ours, theirs = pair()
    async with deferring() as (sends, nursery):
        lines = bytearray(b"mine\n")
        Outbox(ours, nursery, deferred=sends).put(lines)  # type: ignore[arg-type]
        lines[:] = b"your\n"
        await wait_all_tasks_blocked()
        assert arrived(theirs) == b"mine\n"


async def test_an_outbox_that_cannot_send_takes_nothing_from_the_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    (bad, _), (good, theirs) = pair(sends_now=False), pair()
    async with deferring() as (sends, nursery):
        async with trio.open_nursery() as closed:
            pass
        broken = Outbox(bad, closed, deferred=sends)
        broken.put(b"line\n")
        Outbox(good, nursery, deferred=sends).put(b"line\n")
        with caplog.at_level(logging.ERROR):
            await wait_all_tasks_blocked()
        assert broken.broken
        assert arrived(theirs) == b"line\n"
    assert [record.name for record in caplog.records] == ["trionet.connection"]


# Whatever happens, nothing is left


steps = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "put",
                "put",
                "put",
                "hub",
                "pieces",
                "send",
                "close",
                "give-up",
                "read",
                "idle",
                "begin",
            ]
        ),
        st.integers(0, 2),
        st.integers(1, 60),
    ),
    max_size=40,
)


@settings(deadline=None, max_examples=100)
@given(
    script=steps,
    least=st.sampled_from([0, 3, math.inf]),
    capacity=st.integers(1, 80),
    sends_now=st.booleans(),
)
def test_no_byte_is_left_unsent_while_the_process_is_idle(
    script: list[tuple[str, int, int]], least: float, capacity: int, sends_now: bool
) -> None:
    async def play() -> None:
        ends = [pair(capacity=capacity, sends_now=sends_now) for _ in range(3)]
        put = [b""] * 3
        got = [b""] * 3
        open_ = [True] * 3

        async def read(number: int) -> None:
            """Read until nothing more comes."""
            while True:
                with trio.move_on_after(1) as scope:
                    got[number] += await ends[number][1].receive_some()
                if scope.cancelled_caught:
                    return

        async with deferring(least) as (sends, nursery):
            boxes = [Outbox(ours, nursery, deferred=sends) for ours, _ in ends]
            for what, number, size in script:
                box, line = boxes[number], b"x" * (size - 1) + b"\n"
                match what:
                    case "put":
                        box.put(line)
                    case "hub":
                        box._lines += 1
                        box._bytes += size
                        put_to_all([box], line, 1, (), lambda *_: None, [])
                    case "pieces":
                        box.put_pieces([line], 1, size)
                    case "send":
                        with trio.move_on_after(1), suppress(*GONE):
                            await box.send(line)
                    case "close":
                        box.close()
                    case "give-up":
                        box.give_up()
                    case "read":
                        await read(number)
                    case "begin":
                        sends.begin(size)
                    case _:
                        # Idle: what is not with the peer waits for it alone, with its writer.
                        await wait_all_tasks_blocked()
                        for one in boxes:
                            assert not one._held
                            assert one.is_blocked == (one.waiting > 0)
                if what in ("put", "hub", "pieces", "send") and open_[number]:
                    put[number] += line
                if what in ("close", "give-up"):
                    open_[number] = False
            await wait_all_tasks_blocked()
            assert not any(box._held for box in boxes)
            for number, box in enumerate(boxes):
                await read(number)
                assert box.waiting == 0
                if box.broken:
                    assert put[number].startswith(got[number])
                else:
                    assert got[number] == put[number]
                    assert box.bytes_out == len(put[number])

    trio.run(play, clock=trio.testing.MockClock(autojump_threshold=0))


# A server


async def served(
    nursery: trio.Nursery, handler: object, link: Link, **options: object
) -> tuple[Server, MemoryStream]:
    network = MemoryNetwork(link=link)
    server: Server = await nursery.start(
        partial(serve, handler, "localhost:1", network=network, **options)  # type: ignore[arg-type]
    )
    return server, await network.connect("localhost:1")


async def read_all(stream: MemoryStream) -> bytes:
    return b"".join([data async for data in stream])


@pytest.mark.usefixtures("always", "autojump_clock")
@BOTH
async def test_a_handler_that_puts_its_last_words_and_returns_is_heard(sends_now: bool) -> None:
    async def handle(connection: Connection) -> None:
        connection.outbox.put(b"last words\n")

    async with trio.open_nursery() as nursery:
        _, client = await served(nursery, handle, Link(sends_now=sends_now))
        await client.send_eof()
        assert await read_all(client) == b"last words\n"
        nursery.cancel_scope.cancel()


@pytest.mark.usefixtures("always", "autojump_clock")
async def test_last_words_to_a_slow_reader_survive_a_drain() -> None:
    async def handle(connection: Connection) -> None:
        async for _ in connection.lines:
            pass
        connection.outbox.put(b"x" * 999 + b"\n")

    async with trio.open_nursery() as nursery:
        server, client = await served(nursery, handle, Link(capacity=10))
        await wait_all_tasks_blocked()
        nursery.start_soon(server.drain)
        assert await read_all(client) == b"x" * 999 + b"\n"


@pytest.mark.usefixtures("always", "autojump_clock")
async def test_the_last_words_of_a_cancelled_handler_are_sent() -> None:
    events: list[object] = []

    async def handle(connection: Connection) -> None:
        try:
            await trio.sleep_forever()
        finally:
            connection.outbox.put(b"cut off\n")

    async with trio.open_nursery() as nursery:
        server, client = await served(nursery, handle, Link(), on_event=events.append)
        await wait_all_tasks_blocked()
        nursery.start_soon(server.drain, 0)
        assert await read_all(client) == b"cut off\n"
    assert getattr(events[-1], "bytes_out", 0) == 8


@pytest.mark.usefixtures("always", "autojump_clock")
async def test_what_the_server_tells_at_a_deadline_is_sent() -> None:
    async def handle(connection: Connection) -> None:
        async for _ in connection.lines:
            pass

    async with trio.open_nursery() as nursery:
        limits = Limits(idle_timeout=5)
        _, client = await served(nursery, handle, Link(), limits=limits)
        await client.send_all(b"line\n")
        assert (await read_all(client)).startswith(b"error: ")
        nursery.cancel_scope.cancel()


@pytest.mark.skipif(not HAS_EPOLL, reason="only the shared epoll instance counts woken tasks")
async def test_tasks_that_input_woke_together_are_deferred_on_real_sockets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Not what `tools/deferring.py` forces, but what a server does.
    monkeypatch.delenv(FORCED_BY, raising=False)
    waiting: list[int] = []

    async def handle(connection: Connection) -> None:
        async for line in connection.lines:
            connection.outbox.put(line.encode() + b"\n")
            waiting.append(connection.outbox.waiting)

    async with trio.open_nursery() as nursery:
        server: Server = await nursery.start(serve, handle, "127.0.0.1:0")
        port = int(server.addresses[0].rpartition(":")[2])
        clients = [await trio.open_tcp_stream("127.0.0.1", port) for _ in range(5)]
        for client in clients:
            await client.send_all(b"hello\n")
            assert await client.receive_some() == b"hello\n"
        assert waiting == [0] * 5
        waiting.clear()
        for client in clients:
            # Without a checkpoint in between, so that all of it comes in one round.
            client.socket._sock.send(b"again\n")  # type: ignore[attr-defined]
        for client in clients:
            assert await client.receive_some() == b"again\n"
        assert waiting == [6] * 5
        for client in clients:
            await client.aclose()
        nursery.cancel_scope.cancel()


def test_the_environment_forces_deferring_on_and_off_for_tests(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def least() -> Iterator[float]:
        for forced in ("always", "never", "", "?"):
            monkeypatch.setenv(FORCED_BY, forced)
            yield DeferredSends()._least

    assert list(least()) == [0, math.inf, 3, 3]
