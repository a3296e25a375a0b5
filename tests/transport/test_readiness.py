"""Waiting through a shared epoll instance: no input is missed, however it comes."""

from __future__ import annotations

import errno
import os
import random
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from itertools import count

import pytest
import trio
import trio.testing

from trionet.errors import ReceiveInterrupted
from trionet.transport import readiness as readiness_module
from trionet.transport.readiness import HAS_EPOLL, Readiness
from trionet.transport.sockets import SocketStream

pytestmark = pytest.mark.skipif(not HAS_EPOLL, reason="only Linux has epoll")


@asynccontextmanager
async def running_readiness() -> AsyncIterator[Readiness]:
    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            readiness = Readiness()
            nursery.start_soon(readiness.run)
            yield readiness
            nursery.cancel_scope.cancel()


def connected() -> tuple[socket.socket, socket.socket]:
    """Return both ends of a TCP connection, because urgent data and resets belong to TCP."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        one = socket.create_connection(listener.getsockname())
        other, _ = listener.accept()
    return one, other


@asynccontextmanager
async def watched_stream(
    pair: tuple[socket.socket, socket.socket] | None = None,
) -> AsyncIterator[tuple[SocketStream, socket.socket, Readiness]]:
    """Yield a stream that waits with a readiness, its peer's socket, and the readiness."""
    peer, sock = pair or connected()
    with peer:
        async with running_readiness() as readiness:
            stream = SocketStream(sock, peer="peer")
            stream.wait_with(readiness)
            yield stream, peer, readiness
            stream.close()


async def received(stream: SocketStream, count: int, *, at_once: int = 65536) -> bytes:
    data = b""
    while len(data) < count:
        more = await stream.receive_some(at_once)
        assert more, data
        data += more
    return data


def test_a_wait_yields_to_trio_what_trio_s_own_wait_yields() -> None:
    def abort(_: object) -> trio.lowlevel.Abort:
        return trio.lowlevel.Abort.SUCCEEDED

    waiting = trio.lowlevel.wait_task_rescheduled(abort)  # noqa: ASYNC105
    assert readiness_module._Trap(abort) == waiting.send(None)
    waiting.close()


class Woken:
    """Counts the tasks that a readiness wakes."""

    def __init__(self) -> None:
        self.tasks = 0

    def begin(self, woken: int, /, *, flushes: bool = False) -> None:  # noqa: ARG002
        self.tasks += woken

    def flush(self) -> None:
        pass


async def test_tasks_that_have_just_been_started_wait_before_they_are_told_of_their_input() -> None:
    # Trio runs the tasks of a round in either order, so this tries several times.
    woken = Woken()
    async with trio.open_nursery() as nursery:
        readiness = Readiness(woken)
        nursery.start_soon(readiness.run)
        for number in range(1, 21):
            peer, sock = connected()
            with peer:
                await trio.testing.wait_all_tasks_blocked()
                peer.sendall(b"here already")
                stream = SocketStream(sock, peer="peer")
                stream.wait_with(readiness)
                async with trio.open_nursery() as tasks:
                    tasks.start_soon(stream.receive_some)
                assert woken.tasks == number
                stream.close()
        nursery.cancel_scope.cancel()


async def test_input_wakes_the_task_that_waits_for_it() -> None:
    async with watched_stream() as (stream, peer, _), trio.open_nursery() as nursery:
        for word in (b"one", b"two"):
            got: list[bytes] = []

            async def receive(got: list[bytes] = got) -> None:
                got.append(await stream.receive_some())

            nursery.start_soon(receive)
            await trio.testing.wait_all_tasks_blocked()
            assert got == []
            peer.sendall(word)
            while not got:
                await trio.lowlevel.checkpoint()
            assert got == [word]


async def test_input_that_came_before_the_watch_or_before_the_wait_is_found() -> None:
    pair = connected()
    pair[0].sendall(b"early")
    async with watched_stream(pair) as (stream, peer, _):
        assert await stream.receive_some() == b"early"
        peer.sendall(b"meanwhile")
        await trio.testing.wait_all_tasks_blocked()
        assert await stream.receive_some() == b"meanwhile"


async def test_the_next_read_gets_what_a_full_read_left() -> None:
    async with watched_stream() as (stream, peer, _):
        peer.sendall(b"0123456789")
        assert await received(stream, 10, at_once=1) == b"0123456789"
        peer.sendall(b"ab")
        assert await stream.receive_some() == b"ab"


async def test_an_end_that_comes_with_the_last_input_is_found_after_it() -> None:
    async with watched_stream() as (stream, peer, _):
        peer.sendall(b"last words")
        peer.shutdown(socket.SHUT_WR)
        await trio.testing.wait_all_tasks_blocked()
        assert await stream.receive_some() == b"last words"
        assert await stream.receive_some() == b""
        assert await stream.receive_some() == b""


async def test_a_reset_wakes_the_waiting_task() -> None:
    async with watched_stream() as (stream, peer, _):
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        async with trio.open_nursery() as nursery:

            async def receive() -> None:
                with pytest.raises(trio.BrokenResourceError):
                    await stream.receive_some()

            nursery.start_soon(receive)
            await trio.testing.wait_all_tasks_blocked()
            peer.close()


@pytest.mark.parametrize("at_once", [65536, 4], ids=["at once", "in full reads"])
async def test_lines_around_urgent_data_are_all_read(at_once: int) -> None:
    async with watched_stream() as (stream, peer, _):
        for _ in range(3):
            peer.sendall(b"before")
            peer.send(b"!", socket.MSG_OOB)
            peer.sendall(b"behind")
            await trio.testing.wait_all_tasks_blocked()
            assert await received(stream, 12, at_once=at_once) == b"beforebehind"


async def test_a_second_reader_is_refused_even_if_a_read_is_worth_trying() -> None:
    async with watched_stream() as (stream, peer, _):
        assert stream._input is not None
        stream._input.more()
        told: list[bytes | str] = []

        async def receive() -> None:
            try:
                told.append(await stream.receive_some())
            except trio.BusyResourceError:
                told.append("busy")

        async with trio.open_nursery() as nursery:
            for _ in range(2):
                nursery.start_soon(receive)
            await trio.testing.wait_all_tasks_blocked()
            assert told == ["busy"]
            peer.sendall(b"here")
        assert told == ["busy", b"here"]
        assert stream._input.reads == 0


async def test_an_interruption_between_waking_and_reading_is_not_lost() -> None:
    # The order in which Trio runs two tasks is random.
    for _ in range(20):
        async with watched_stream() as (stream, _, _), trio.open_nursery() as nursery:
            assert stream._input is not None
            stream._input.more()

            async def receive(stream: SocketStream = stream) -> None:
                with pytest.raises(ReceiveInterrupted):
                    await stream.receive_some()

            nursery.start_soon(receive)
            for _ in range(2):
                await trio.lowlevel.checkpoint()
            stream.interrupt_receive()


async def test_the_task_that_awaits_is_the_one_that_waits() -> None:
    async with watched_stream() as (stream, peer, _), trio.open_nursery() as nursery:
        waiting = stream.wait_input()

        async def wait() -> None:
            await waiting

        nursery.start_soon(wait)
        await trio.testing.wait_all_tasks_blocked()
        peer.sendall(b"here")


async def test_after_one_task_another_can_wait_although_the_first_goes_on() -> None:
    async with watched_stream() as (stream, peer, _), trio.open_nursery() as nursery:
        got: list[bytes] = []

        async def receive_and_stay() -> None:
            got.append(await stream.receive_some())
            await trio.sleep_forever()

        for word in (b"one", b"two", b"three"):
            nursery.start_soon(receive_and_stay)
            await trio.testing.wait_all_tasks_blocked()
            peer.sendall(word)
            while not got:
                await trio.lowlevel.checkpoint()
            assert got.pop() == word
        nursery.cancel_scope.cancel()


async def test_trio_waits_for_a_socket_that_the_kernel_cannot_watch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def watch(_readiness: Readiness, _fd: int) -> None:
        raise OSError(errno.ENOSPC, "no space left")

    monkeypatch.setattr(Readiness, "watch", watch)
    async with watched_stream() as (stream, peer, _):
        peer.sendall(b"here")
        assert await stream.receive_some() == b"here"


async def test_on_a_unix_socket_input_after_a_passed_descriptor_is_read() -> None:
    async with watched_stream(socket.socketpair()) as (stream, peer, _):
        socket.send_fds(peer, [b"one"], [peer.fileno()])
        peer.sendall(b"two")
        await trio.testing.wait_all_tasks_blocked()
        assert await received(stream, 6) == b"onetwo"


async def test_a_cancelled_wait_loses_no_input() -> None:
    async with watched_stream() as (stream, peer, _):
        with trio.CancelScope() as scope:
            scope.cancel()
            await stream.receive_some()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stream.receive_some)
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
        peer.sendall(b"later")
        assert await stream.receive_some() == b"later"


async def test_an_interrupted_wait_loses_no_input_and_leaves_the_writer_alone() -> None:
    async with watched_stream() as (stream, peer, _):
        while stream.send_nowait(b"x" * 65536):
            pass
        async with trio.open_nursery() as nursery:
            written = trio.Event()

            async def write() -> None:
                await stream.wait_writable()
                written.set()

            async def receive() -> None:
                with pytest.raises(ReceiveInterrupted):
                    await stream.receive_some()

            nursery.start_soon(write)
            nursery.start_soon(receive)
            await trio.testing.wait_all_tasks_blocked()
            stream.interrupt_receive()
            await trio.testing.wait_all_tasks_blocked()
            assert not written.is_set()
            nursery.cancel_scope.cancel()
        peer.sendall(b"still here")
        assert await stream.receive_some() == b"still here"


async def test_closing_wakes_the_waiting_task() -> None:
    async with watched_stream() as (stream, _, _), trio.open_nursery() as nursery:

        async def receive() -> None:
            with pytest.raises(trio.ClosedResourceError):
                await stream.receive_some()

        nursery.start_soon(receive)
        await trio.testing.wait_all_tasks_blocked()
        stream.close()


async def test_two_tasks_cannot_wait_for_one_socket() -> None:
    async with watched_stream() as (stream, _, _), trio.open_nursery() as nursery:
        nursery.start_soon(stream.receive_some)
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(trio.BusyResourceError):
            await stream.receive_some()
        nursery.cancel_scope.cancel()


async def test_waiting_is_always_a_checkpoint() -> None:
    async with watched_stream() as (stream, peer, _):
        peer.sendall(b"here")
        peer.shutdown(socket.SHUT_WR)
        await trio.testing.wait_all_tasks_blocked()
        for expected in (b"here", b"", b""):
            with trio.testing.assert_checkpoints():
                assert await stream.receive_some() == expected


async def test_a_reused_descriptor_keeps_nothing_of_its_last_socket() -> None:
    async with running_readiness() as readiness:
        for _ in range(3):
            peer, sock = connected()
            number = sock.fileno()
            stream = SocketStream(sock, peer="peer")
            stream.wait_with(readiness)
            peer.sendall(b"unread")
            peer.close()
            await trio.testing.wait_all_tasks_blocked()
            stream.close()
            peer, sock = connected()
            with peer:
                assert sock.fileno() == number
                stream = SocketStream(sock, peer="peer")
                stream.wait_with(readiness)
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(stream.receive_some)
                    await trio.testing.wait_all_tasks_blocked()
                    nursery.cancel_scope.cancel()
                peer.sendall(b"new")
                assert await stream.receive_some() == b"new"
                stream.close()


async def test_a_closed_socket_that_another_process_still_has_disturbs_nobody() -> None:
    async with watched_stream() as (stream, peer, readiness):
        gone_peer, sock = connected()
        gone = SocketStream(sock, peer="gone")
        gone.wait_with(readiness)
        with gone_peer, socket.socket(fileno=os.dup(sock.fileno())):
            gone.close()
            gone_peer.sendall(b"for nobody")
            await trio.testing.wait_all_tasks_blocked()
        peer.sendall(b"here")
        assert await stream.receive_some() == b"here"


async def test_a_socket_can_be_closed_after_the_readiness_has_ended() -> None:
    peer, sock = connected()
    with peer:
        stream = SocketStream(sock, peer="peer")
        async with running_readiness() as readiness:
            stream.wait_with(readiness)
        stream.close()


async def test_more_sockets_than_one_round_takes_are_all_woken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("trionet.transport.readiness._EVENTS_AT_ONCE", 3)
    async with running_readiness() as readiness, trio.open_nursery() as nursery:
        pairs = [connected() for _ in range(20)]
        for _, sock in pairs:
            stream = SocketStream(sock, peer="peer")
            stream.wait_with(readiness)
            nursery.start_soon(stream.receive_some)
        await trio.testing.wait_all_tasks_blocked()
        for peer, _ in pairs:
            peer.sendall(b"x")
    for pair in pairs:
        for sock in pair:
            sock.close()


class Told:
    """Notes what rounds are told, in place of the deferred sends of a server."""

    def __init__(self, record: list[str]) -> None:
        self._record = record

    def begin(self, woken: int, *, flushes: bool = False) -> None:
        pass

    def flush(self) -> None:
        self._record.append("flush")


async def calls_and_turns(sockets: int, *, ends: frozenset[int] = frozenset()) -> list[str]:
    """Let input come to many sockets together, each served without its task; return what happened.

    Args:
        sockets: how many.
        ends: the calls, counted from 1, that close all sockets but their own.
    """
    record: list[str] = []
    readiness = Readiness(Told(record))
    pairs = [connected() for _ in range(sockets)]
    streams = [SocketStream(sock, peer="peer") for _, sock in pairs]

    def answer(stream: SocketStream, _now: float) -> bool:
        stream.receive_nowait()
        record.append("call")
        if record.count("call") in ends:
            for other in streams:
                if other is not stream:
                    other.close()
        return True

    async def wait(stream: SocketStream) -> None:
        with suppress(trio.ClosedResourceError):
            await stream.wait_input()

    class Turns(trio.abc.Instrument):
        def before_io_wait(self, _timeout: float) -> None:
            record.append("turn")

    async with trio.open_nursery() as nursery:
        for stream in streams:
            stream.wait_with(readiness)
            stream.call_on_input(partial(answer, stream))
            nursery.start_soon(wait, stream)
        await trio.testing.wait_all_tasks_blocked()
        for peer, _ in pairs:
            peer.send(b"line\n")
        turns = Turns()
        trio.lowlevel.add_instrument(turns)
        nursery.start_soon(readiness.run)
        with trio.fail_after(20):
            while record.count("call") < (max(ends) if ends else sockets):
                await trio.lowlevel.checkpoint()
            for _ in range(3):
                await trio.lowlevel.checkpoint()
        trio.lowlevel.remove_instrument(turns)
        nursery.cancel_scope.cancel()
    for (peer, _), stream in zip(pairs, streams, strict=True):
        peer.close()
        stream.close()
    return record


def calls_between_turns(record: list[str]) -> list[int]:
    return [part.count("c") for part in "".join(word[0] for word in record).split("t") if part]


async def test_others_have_their_turn_after_64_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness_module, "perf_counter", lambda: 0.0)
    record = await calls_and_turns(150)
    assert calls_between_turns(record) == [64, 64, 22]


async def test_others_have_their_turn_after_two_milliseconds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Each look at the clock takes 0.7 ms: the third call has taken too long.
    clock = count(0, 0.0007)
    monkeypatch.setattr(readiness_module, "perf_counter", lambda: next(clock))
    record = await calls_and_turns(7)
    assert max(calls_between_turns(record)) == 3
    assert record.count("call") == 7


@pytest.mark.parametrize(("seconds", "is_woken"), [(0.001, False), (0.003, True)])
async def test_a_call_is_told_the_time_and_a_slow_one_wakes_the_task(
    seconds: float, is_woken: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = count(0, seconds)
    monkeypatch.setattr(readiness_module, "perf_counter", lambda: next(clock))
    told: list[float] = []
    woken = trio.Event()

    async with watched_stream() as (stream, peer, _), trio.open_nursery() as nursery:

        def answer(now: float) -> bool:
            stream.receive_nowait()
            told.append(now)
            return True

        async def wait() -> None:
            with suppress(trio.ClosedResourceError):
                await stream.wait_input()
                woken.set()

        stream.call_on_input(answer)
        nursery.start_soon(wait)
        await trio.testing.wait_all_tasks_blocked()
        begin = trio.current_time()
        peer.sendall(b"line\n")
        while not told:
            await trio.lowlevel.checkpoint()
        await trio.testing.wait_all_tasks_blocked()
        assert begin <= told[0] <= trio.current_time()
        assert len(told) == 1
        assert woken.is_set() is is_woken
        nursery.cancel_scope.cancel()


async def test_what_was_answered_is_sent_before_others_have_their_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(readiness_module, "perf_counter", lambda: 0.0)
    record = await calls_and_turns(100)
    last = None
    for word in record:
        assert not (word == "turn" and last == "call")
        last = word


async def test_a_call_may_close_the_others_that_are_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness_module, "perf_counter", lambda: 0.0)
    record = await calls_and_turns(100, ends=frozenset({3}))
    assert record.count("call") == 3


@pytest.mark.parametrize("seed", range(5))
async def test_all_bytes_of_many_peers_arrive_whatever_the_timing(seed: int) -> None:
    chance = random.Random(seed)
    async with running_readiness() as readiness, trio.open_nursery() as nursery:
        pairs = [connected() for _ in range(8)]
        for number, (peer, sock) in enumerate(pairs):
            text = random.Random(number).randbytes(3000)
            stream = SocketStream(sock, peer="peer")
            stream.wait_with(readiness)
            nursery.start_soon(_send_in_pieces, SocketStream(peer, peer="stream"), text, chance)
            nursery.start_soon(_receive_in_pieces, stream, text, chance)


async def _send_in_pieces(stream: SocketStream, text: bytes, chance: random.Random) -> None:
    while text:
        size = 1 + int(chance.expovariate(1 / 60))
        stream.send_nowait(text[:size])
        text = text[size:]
        for _ in range(chance.randrange(3)):
            await trio.lowlevel.checkpoint()
    stream.close()


async def _receive_in_pieces(stream: SocketStream, text: bytes, chance: random.Random) -> None:
    got = b""
    while True:
        data: bytes | None = None
        with trio.CancelScope() as scope:
            if chance.random() < 0.2:
                scope.cancel()
            data = await stream.receive_some(1 + chance.randrange(90))
        if data == b"":
            break
        got += data or b""
    assert got == text
    stream.close()
