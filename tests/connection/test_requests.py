"""`trionet.Requests`: answers by order or by id, pipelined, bounded, with deadlines."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

import trionet
from trionet import AnswerTimedOut, Connection, ConnectionLost, Requests, UnsendableLine
from trionet.testing import LineClient, Link, MemoryNetwork

ADDRESS = "127.0.0.1:7000"

Script = Callable[[LineClient], Awaitable[None]]


@asynccontextmanager
async def server_that(
    script: Script, *, decode: bool = True, link: Link | None = None, **options: Any
) -> AsyncIterator[Requests]:
    """Enter requests to a server that follows a script, and then closes."""
    network = MemoryNetwork(link=link)
    [listener] = await network.listen(ADDRESS)

    async def run() -> None:
        async with LineClient(await listener.accept(), name="server", decode=decode) as server:
            await script(server)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run)
        async with (
            trionet.connect(ADDRESS, network=network, decode=decode) as connections,
            connections.requests(**options) as requests,
        ):
            yield requests
        nursery.cancel_scope.cancel()


async def upper(server: LineClient) -> None:
    """Answer each line by itself in capital letters."""
    async for line in trionet.LineStream(server.stream):
        await server.send(line.upper())


def id_of(line: str) -> str | None:
    """Return the first word; an event begins with a star."""
    return None if line.startswith("*") else line.split()[0]


# Asking


async def test_an_answer_is_returned_to_whoever_asked(autojump_clock: MockClock) -> None:
    async with server_that(upper) as requests:
        assert await requests.ask("hello") == "HELLO"
        assert await requests.ask("") == ""


async def test_what_several_tasks_ask_goes_out_together(autojump_clock: MockClock) -> None:
    answers: dict[int, str] = {}

    async def script(server: LineClient) -> None:
        await server.expect(*[str(number) for number in range(10)])
        await server.send(*[f"no. {number}" for number in range(10)])
        await trio.sleep_forever()

    async def ask(requests: Requests, number: int) -> None:
        answers[number] = await requests.ask(str(number))

    async with server_that(script, link=Link(latency=1)) as requests:
        began = trio.current_time()
        async with trio.open_nursery() as nursery:
            for number in range(10):
                nursery.start_soon(ask, requests, number)
                await trio.testing.wait_all_tasks_blocked()
        assert trio.current_time() == began + 2
    assert answers == {number: f"no. {number}" for number in range(10)}


async def test_answers_with_ids_come_in_any_order_and_events_between_them(
    autojump_clock: MockClock,
) -> None:
    events: list[str] = []
    answers: dict[str, str] = {}

    async def script(server: LineClient) -> None:
        await server.expect("a", "b", "c")
        await server.send("c 3", "* event", "a 1", "b 2")
        await trio.sleep_forever()

    async def ask(requests: Requests, name: str) -> None:
        answers[name] = await requests.ask(name, id=name)

    async with (
        server_that(script, id_of=id_of, on_line=events.append) as requests,
        trio.open_nursery() as nursery,
    ):
        for name in "abc":
            nursery.start_soon(ask, requests, name)
            await trio.testing.wait_all_tasks_blocked()
    assert answers == {"a": "a 1", "b": "b 2", "c": "c 3"}
    assert events == ["* event"]


async def test_a_line_without_an_answer_can_be_told(autojump_clock: MockClock) -> None:
    async def script(server: LineClient) -> None:
        await server.expect("note", "question")
        await server.send("answer")
        await trio.sleep_forever()

    async with server_that(script) as requests:
        await requests.tell("note")
        assert await requests.ask("question") == "answer"


async def test_bytes_are_asked_and_answered_as_they_are(autojump_clock: MockClock) -> None:
    async def script(server: LineClient) -> None:
        await server.expect(b"ask \xff\r\n")
        await server.send(b"answer\r\n")
        await trio.sleep_forever()

    async with server_that(script, decode=False) as requests:
        assert await requests.ask(b"ask \xff\r\n") == b"answer\r\n"
        with pytest.raises(ValueError, match="no end"):
            await requests.ask(b"half")
        with pytest.raises(TypeError, match="is bytes with its end"):
            await requests.ask("text")


# Deadlines and cancellation


async def late(server: LineClient) -> None:
    """Answer the first request after three seconds, and all others at once."""
    await server.expect("one")
    await trio.sleep(3)
    await server.send("1")
    async for line in trionet.LineStream(server.stream):
        await server.send(f"to {line}")


async def test_a_late_answer_is_not_taken_for_the_next_one(autojump_clock: MockClock) -> None:
    async with server_that(late, timeout=1) as requests:
        with pytest.raises(AnswerTimedOut, match="no answer within 1 seconds") as caught:
            await requests.ask("one")
        assert isinstance(caught.value, TimeoutError)
        assert await requests.ask("two", timeout=5) == "to two"


async def test_a_cancelled_request_swallows_its_answer_too(autojump_clock: MockClock) -> None:
    async with server_that(late) as requests:
        with trio.move_on_after(1):
            await requests.ask("one")
        assert await requests.ask("two") == "to two"


async def test_a_late_answer_with_an_id_is_dropped_and_not_taken_for_an_event(
    autojump_clock: MockClock,
) -> None:
    events: list[str] = []

    async def script(server: LineClient) -> None:
        await server.expect("a")
        await trio.sleep(3)
        await server.send("a late", "* event", "b in time")
        await trio.sleep_forever()

    async with server_that(script, id_of=id_of, on_line=events.append) as requests:
        with pytest.raises(AnswerTimedOut):
            await requests.ask("a", id="a", timeout=1)
        with pytest.raises(ValueError, match="a request with the id 'a' has no answer yet"):
            await requests.ask("a", id="a")
        assert await requests.ask("b", id="b") == "b in time"
    assert events == ["* event"]


async def test_a_request_that_is_cancelled_before_its_turn_is_not_sent(
    autojump_clock: MockClock,
) -> None:
    async def script(server: LineClient) -> None:
        await server.expect("one")
        await trio.sleep(5)
        await server.send("1")
        await server.expect("three")
        await server.send("3")
        await trio.sleep_forever()

    async with (
        server_that(script, max_asked=1) as requests,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(requests.ask, "one")
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(AnswerTimedOut):
            await requests.ask("two", timeout=1)
        assert await requests.ask("three") == "3"


# Bounds


async def asked_at_first(sizes: list[int], **bounds: Any) -> list[int]:
    """Return the sizes of the requests that a server gets before it has answered any."""
    got: list[int] = []

    async def script(server: LineClient) -> None:
        async for line in trionet.LineStream(server.stream):
            got.append(len(line) + 1)  # noqa: PERF401  it never ends

    async with server_that(script, **bounds) as requests, trio.open_nursery() as nursery:
        for size in sizes:
            nursery.start_soon(requests.ask, "x" * (size - 1))
            await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    return got


async def test_requests_without_an_answer_are_bounded(autojump_clock: MockClock) -> None:
    assert await asked_at_first([5, 6, 7], max_asked=2) == [5, 6]


async def test_their_bytes_are_bounded_and_nobody_is_overtaken(autojump_clock: MockClock) -> None:
    assert await asked_at_first([50, 60, 10], max_bytes=100) == [50]
    assert await asked_at_first([50, 50, 10], max_bytes=100) == [50, 50]
    assert await asked_at_first([500, 1], max_bytes=100) == [500]


async def test_what_timed_out_but_was_not_sent_yet_is_bounded_too(
    autojump_clock: MockClock,
) -> None:
    async def read_nothing(_server: LineClient) -> None:
        await trio.sleep_forever()

    async with server_that(
        read_nothing, link=Link(capacity=10), id_of=id_of, max_bytes=100, timeout=1
    ) as requests:
        for number in range(20):
            with pytest.raises(AnswerTimedOut):
                await requests.ask(f"{number:020}", id=number)
        assert requests._exchange.unsent <= 100


async def test_whoever_waits_for_a_turn_gets_it_when_one_before_gives_up(
    autojump_clock: MockClock,
) -> None:
    async def script(server: LineClient) -> None:
        await server.expect("x" * 49)
        await server.expect("short")
        await server.send("1", "2")
        await trio.sleep_forever()

    async with server_that(script, max_bytes=100) as requests, trio.open_nursery() as nursery:
        nursery.start_soon(requests.ask, "x" * 49)
        await trio.testing.wait_all_tasks_blocked()
        with trio.CancelScope() as scope:
            nursery.start_soon(cancel_later, scope)
            nursery.start_soon(expect_answer, requests, "short", "2")
            await requests.ask("y" * 90)


async def cancel_later(scope: trio.CancelScope) -> None:
    await trio.sleep(1)
    scope.cancel()


async def expect_answer(requests: Requests, line: str, answer: str) -> None:
    await trio.sleep(0.5)
    assert await requests.ask(line) == answer


# The end


async def lost(requests: Requests, match: str) -> None:
    """Ask in several tasks, and check that all get an error of their own."""
    errors: list[ConnectionLost] = []

    async def ask(number: int) -> None:
        with pytest.raises(ConnectionLost, match=match) as caught:
            await requests.ask(str(number), id=number if by_id else None)
        errors.append(caught.value)

    by_id = requests._exchange._matching.__class__.__name__ == "ById"
    async with trio.open_nursery() as nursery:
        for number in range(3):
            nursery.start_soon(ask, number)
    await requests.wait_lost()
    await ask(4)
    assert len({id(error) for error in errors}) == 4


@pytest.mark.parametrize(
    ("sent", "options", "match"),
    [
        (b"", {}, "the server closed the connection"),
        (b"half", {}, "the server closed the connection"),
        (b"\xff\n", {}, "cannot be read: line is not UTF-8"),
        (b"* event\n", {"id_of": id_of}, "a line that nobody asked for"),
        (b"\n", {"id_of": id_of}, "a line that has no id: IndexError"),
    ],
)
async def test_all_who_wait_are_told_that_the_connection_is_lost(
    sent: bytes, options: dict[str, Any], match: str, autojump_clock: MockClock
) -> None:
    async def script(server: LineClient) -> None:
        await trio.sleep(1)
        await server.send_bytes(sent)
        await server.send_eof()
        # Or what is left unread would reset the connection.
        async for _ in server.stream:
            pass

    async with server_that(script, max_asked=2, **options) as requests:
        await lost(requests, match)


async def test_an_error_of_on_line_ends_the_block_by_itself(autojump_clock: MockClock) -> None:
    def fail(line: str) -> None:
        raise RuntimeError(line)

    network = MemoryNetwork()
    [listener] = await network.listen(ADDRESS)
    async with (
        trionet.connect(ADDRESS, network=network) as connections,
        LineClient(await listener.accept()) as server,
    ):
        await server.send("event")
        with pytest.raises(RuntimeError, match="event"):
            async with connections.requests(on_line=fail):
                await trio.sleep_forever()


async def test_an_error_in_the_block_is_raised_by_itself(autojump_clock: MockClock) -> None:
    network = MemoryNetwork()
    await network.listen(ADDRESS)
    async with trionet.connect(ADDRESS, network=network) as connections:
        with pytest.raises(KeyError, match="mine"):
            async with connections.requests():
                raise KeyError("mine")


async def test_calls_outside_of_the_block_are_refused(autojump_clock: MockClock) -> None:
    network = MemoryNetwork()
    await network.listen(ADDRESS)
    connections = trionet.connect(ADDRESS, network=network)
    with pytest.raises(RuntimeError, match="enter the connection first"):
        connections.requests()
    async with connections:
        requests = connections.requests()
        with pytest.raises(trio.ClosedResourceError, match="outside of its `async with` block"):
            await requests.ask("early")
        async with requests:
            with pytest.raises(UnsendableLine):
                await requests.ask("two\nlines")
        for call in (requests.ask, requests.tell):
            with pytest.raises(trio.ClosedResourceError, match="the client is closed"):
                await call("late")


async def test_each_connection_of_the_loop_can_have_its_requests(
    autojump_clock: MockClock,
) -> None:
    async def answer_once(connection: Connection) -> None:
        async for line in connection.lines:
            await connection.send(line.upper())
            return

    network, answers = MemoryNetwork(), []
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(trionet.serve, answer_once, ADDRESS, network=network))
        async with trionet.connect(ADDRESS, network=network) as connections:
            async for lines in connections:
                async with Requests(lines) as requests:
                    answers.append(await requests.ask("hello"))
                    await requests.wait_lost()
                if len(answers) == 3:
                    break
        nursery.cancel_scope.cancel()
    assert answers == ["HELLO"] * 3


# Everything at once


@given(st.integers(0, 2**32), st.booleans(), st.integers(1, 6))
def test_whatever_times_out_or_is_cancelled_each_call_gets_its_own_answer(
    seed: int, by_id: bool, max_asked: int
) -> None:
    chance = random.Random(seed)

    async def answer(connection: Connection) -> None:
        async def slowly(line: str) -> str:
            await trio.sleep(chance.random() * 3)
            return f"{line} answered"

        if not by_id:
            await trionet.respond(connection, slowly, concurrent=4)
            return

        async def send(line: str) -> None:
            connection.outbox.put(trionet.encode_line(await slowly(line)))

        async with trio.open_nursery() as nursery:
            async for line in connection.lines:
                nursery.start_soon(send, line)

    async def ask(requests: Requests, number: int) -> None:
        await trio.sleep(chance.random() * 5)
        try:
            with trio.move_on_after(chance.random() * 6):
                answer = await requests.ask(
                    str(number), id=str(number) if by_id else None, timeout=chance.random() * 6
                )
                assert answer == f"{number} answered"
        except AnswerTimedOut:
            pass

    async def talk() -> None:
        network = MemoryNetwork(link=Link(latency=0.1))
        async with trio.open_nursery() as nursery:
            await nursery.start(partial(trionet.serve, answer, ADDRESS, network=network))
            options: dict[str, Any] = {"id_of": id_of} if by_id else {}
            async with (
                trionet.connect(ADDRESS, network=network) as connections,
                connections.requests(max_asked=max_asked, **options) as requests,
            ):
                async with trio.open_nursery() as asking:
                    for number in range(20):
                        asking.start_soon(ask, requests, number)
                # Nothing is left over that would shift the answers, or keep a place.
                last = await requests.ask("last", id="last" if by_id else None)
                assert last == "last answered"
                assert (requests._asking._asked, requests._asking._bytes) == (0, 0)
            nursery.cancel_scope.cancel()

    trio.run(talk, clock=MockClock(autojump_threshold=0))
