"""`trionet.respond`: answers in order, several at a time, each with a deadline."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from trionet import Connection, respond
from trionet.testing import Link, run_handler


async def slowly(line: str, *, since: float = 0) -> str | None:
    """Answer after as many seconds as the line says; a minus sign stands for no answer."""
    await trio.sleep(abs(float(line)))
    return None if line.startswith("-") else f"{line} at {trio.current_time() - since:.0f}"


def responding(**options: Any) -> Any:
    async def handler(connection: Connection) -> None:
        await respond(connection, partial(slowly, since=connection.opened_at), **options)

    return handler


async def test_one_line_at_a_time_is_answered(autojump_clock: MockClock) -> None:
    async with run_handler(responding()) as connect:
        client = await connect()
        await client.send("3", "-1", "1")
        await client.expect("3 at 3", "1 at 5")


async def test_several_lines_are_worked_on_at_a_time_and_answered_in_order(
    autojump_clock: MockClock,
) -> None:
    async with run_handler(responding(concurrent=3)) as connect:
        client = await connect()
        await client.send("3", "1", "2", "1")
        # The fourth begins when the first has been answered.
        await client.expect("3 at 3", "1 at 1", "2 at 2", "1 at 4")


async def test_answers_out_of_order_go_out_as_soon_as_they_are_there(
    autojump_clock: MockClock,
) -> None:
    async with run_handler(responding(concurrent=3, in_order=False)) as connect:
        client = await connect()
        await client.send("3", "1", "2", "1")
        await client.send_eof()
        # The fourth begins when the second has been answered.
        first = await client.receive()
        assert first == "1 at 1"
        assert sorted([await client.receive(), await client.receive()]) == ["1 at 2", "2 at 2"]
        await client.expect("3 at 3")
        await client.expect_end()


async def test_one_line_at_a_time_is_answered_in_order_in_any_case(
    autojump_clock: MockClock,
) -> None:
    async with run_handler(responding(in_order=False)) as connect:
        client = await connect()
        await client.send("3", "1")
        await client.expect("3 at 3", "1 at 4")


async def test_answers_that_wait_for_their_turn_count_as_being_worked_on(
    autojump_clock: MockClock,
) -> None:
    working = most = 0

    async def count(line: str) -> str:
        nonlocal working, most
        working += 1
        most = max(most, working)
        await trio.sleep(float(line))
        working -= 1
        return line

    begun: list[str] = []

    async def handler(connection: Connection) -> None:
        async def note(line: str) -> str:
            begun.append(line)
            return await count(line)

        await respond(connection, note, concurrent=2)

    async with run_handler(handler) as connect:
        client = await connect()
        await client.send("9", "1", "1", "1")
        await trio.sleep(5)
        assert begun == ["9", "1"]
        await client.expect("9", "1", "1", "1")
    assert most == 2


@pytest.mark.parametrize("concurrent", [1, 2])
async def test_an_answer_that_takes_too_long_is_given_up_and_the_session_goes_on(
    concurrent: int, autojump_clock: MockClock
) -> None:
    async with run_handler(responding(concurrent=concurrent, timeout=5)) as connect:
        client = await connect()
        await client.send("60", "1")
        second = "1 at 6" if concurrent == 1 else "1 at 1"
        await client.expect("error: no answer within 5 seconds", second)


@pytest.mark.parametrize("concurrent", [1, 3])
async def test_a_bad_line_is_answered_in_its_place(
    concurrent: int, autojump_clock: MockClock
) -> None:
    async with run_handler(responding(concurrent=concurrent)) as connect:
        client = await connect()
        await client.stream.send_all(b"2\n\xff\n0\n")
        assert (await client.receive()).startswith("2 at 2")
        await client.expect("error: line is not UTF-8")
        assert (await client.receive()).startswith("0 at 2" if concurrent == 1 else "0 at 0")


@pytest.mark.parametrize("concurrent", [1, 3])
async def test_lines_before_the_end_of_input_are_still_answered(
    concurrent: int, autojump_clock: MockClock
) -> None:
    async with run_handler(responding(concurrent=concurrent)) as connect:
        client = await connect()
        await client.send("2", "1")
        await client.send_eof()
        assert (await client.receive()).startswith("2 at 2")
        assert (await client.receive()).startswith("1 at")
        await client.expect_end()


@pytest.mark.parametrize("concurrent", [1, 4])
async def test_a_peer_that_does_not_read_is_not_worked_for(
    concurrent: int, autojump_clock: MockClock
) -> None:
    begun = 0

    async def count(_line: str) -> str:
        nonlocal begun
        begun += 1
        await trio.lowlevel.checkpoint()
        return "x" * 99

    async def handler(connection: Connection) -> None:
        await respond(connection, count, concurrent=concurrent)

    async with run_handler(handler) as connect:
        client = await connect(back=Link(capacity=1000))
        await client.send(*["line"] * 500)
        await trio.sleep(20)
        assert begun < 30


@pytest.mark.parametrize("concurrent", [1, 3])
async def test_a_failure_costs_its_own_connection_alone(
    concurrent: int, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(line: str) -> str:
        if line == "fail":
            raise RuntimeError("a fault")
        return line

    async def handler(connection: Connection) -> None:
        await respond(connection, fail, concurrent=concurrent)

    async with run_handler(handler) as connect:
        ann, bob = await connect(), await connect()
        await ann.send("fail")
        await ann.expect_end()
        await bob.send("fine")
        await bob.expect("fine")
    assert "a handler failed" in caplog.text


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"answer": str.upper}, "answer must be an async function"),
        ({"answer": None}, "answer must be an async function"),
        ({"concurrent": 0}, "concurrent must be at least 1"),
        ({"concurrent": 1.5}, "concurrent"),
        ({"timeout": "5"}, "timeout must be a number of seconds"),
        ({"timeout": -1}, "timeout must be a number of seconds, and not negative"),
        ({"connection": 3}, "connection"),
        ({"in_order": "no"}, "in_order must be True or False"),
    ],
)
async def test_misuse_is_refused_at_the_call(wrong: dict[str, Any], message: str) -> None:
    told: list[Exception] = []

    async def handler(connection: Connection) -> None:
        arguments = {"connection": connection, "answer": slowly, **wrong}
        try:
            await respond(**arguments)
        except (TypeError, ValueError) as error:
            told.append(error)

    async with run_handler(handler) as connect:
        await (await connect()).expect_end()
    (error,) = told
    assert message in str(error)


async def test_respond_can_be_filled_in_beforehand(autojump_clock: MockClock) -> None:
    async def shout(line: str) -> str:
        await trio.sleep(1)
        return line.upper()

    async with run_handler(partial(respond, answer=shout)) as connect:
        client = await connect()
        await client.send("hello")
        await client.expect("HELLO")


@pytest.mark.parametrize("concurrent", [2, 10])
async def test_after_a_failure_no_later_answer_takes_its_place(
    concurrent: int, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async def answer(line: str) -> str:
        await trio.sleep(1)
        if line == "boom":
            raise ValueError(line)
        return line

    async def handler(connection: Connection) -> None:
        await respond(connection, answer, concurrent=concurrent)

    async with run_handler(handler) as connect:
        for _ in range(20):
            client = await connect()
            await client.send("boom", "later")
            await client.expect_end()
    assert "ValueError: boom" in caplog.text
