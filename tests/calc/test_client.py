"""`calc.Client`, with the real server and with scripted ones."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from decimal import Context, Decimal
from functools import partial

import pytest
import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st

from trionet import ConnectError, Connection, ConnectionLost, Limits, Server, TrionetError, WhenFull
from trionet.calc import (
    CalculationError,
    Client,
    MalformedExpression,
    NotServed,
    UnfitName,
    client,
    pipeline,
    serve,
)
from trionet.server import serve as serve_lines
from trionet.testing import LineClient, Link, MemoryNetwork, MemoryStream

WHERE = "127.0.0.1:22333"
FEW = 40


@asynccontextmanager
async def real_server(
    link: Link | None = None, precision: int = 28
) -> AsyncIterator[MemoryNetwork]:
    network = MemoryNetwork(link=link or Link(latency=0.1))

    async def run(*, task_status: trio.TaskStatus[Server]) -> None:
        await serve(WHERE, network=network, precision=precision, task_status=task_status)

    async with trio.open_nursery() as nursery:
        await nursery.start(run)
        yield network
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def scripted_server(
    script: Callable[[LineClient], Awaitable[None]], link: Link | None = None
) -> AsyncIterator[Client]:
    """Enter a client whose server follows the script and then closes."""
    network = MemoryNetwork(link=link)
    [listener] = await network.listen(WHERE)

    async def run() -> None:
        stream = await listener.accept()
        async with LineClient(stream, name="server") as server:
            await server.expect("ann")
            await script(server)

    with trio.fail_after(3600):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run)
            async with Client(WHERE, name="ann", network=network) as calc:
                yield calc


async def reset(server: LineClient) -> None:
    assert isinstance(server.stream, MemoryStream)
    server.stream.reset()


async def hang_up(server: LineClient) -> None:
    """Close as a server does: nothing is left unread, or a reset would destroy what was sent."""
    await server.send_eof()
    async for _ in server.stream:
        pass


# Asking


async def test_a_result_is_an_exact_decimal(autojump_clock: trio.testing.MockClock) -> None:
    async with (
        real_server(precision=50) as network,
        Client(WHERE, name=" ann ", network=network) as calc,
    ):
        for expression, result in (
            ("12 + 42", "54"),
            (" 1 / 3\t", "0." + "3" * 50),
            ("-ans", "-0." + "3" * 50),
            ("2 ^ 100000", str(Context(prec=50).power(2, 100000))),
            ("10 ^ -999999", "1E-999999"),
            ("0.50 + 0.50 =", "1"),
        ):
            assert str(await calc(expression)) == result
    assert network.streams[0].peer == WHERE


async def test_an_expression_without_a_result_raises_and_the_session_goes_on(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with real_server() as network, Client(WHERE, name="ann", network=network) as calc:
        for expression, reason in (
            ("1 / 0", "division by zero"),
            ("ans", "ans is the last result, and there is none yet"),
            ("9 ^ 9 ^ 9", "the result is too large"),
        ):
            with pytest.raises(CalculationError) as caught:
                await calc(expression)
            assert str(caught.value) == reason
            assert not isinstance(caught.value, MalformedExpression)
        assert await calc("1 + 1") == 2


async def test_a_malformed_expression_is_not_sent(autojump_clock: trio.testing.MockClock) -> None:
    async def script(server: LineClient) -> None:
        await server.expect("1 + 1")
        await server.send("2")
        await server.expect("q")

    async with scripted_server(script) as calc:
        for expression, column in (
            (" 2 plus 3", 4),
            ("", None),
            ("q", 1),
            ("1 +\n1", 4),
            ("1 + \ud800", 5),
            ("1" * 3095 + " × 1" * 250, None),
            ("1" * 5000, None),
        ):
            with pytest.raises(MalformedExpression) as caught:
                await calc(expression)
            assert caught.value.column == column
        assert await calc("1 + 1") == 2


async def test_a_client_calculates_over_real_sockets() -> None:
    async with trio.open_nursery() as nursery:
        server: Server = await nursery.start(serve, "127.0.0.1:0")
        with trio.fail_after(20):
            async with Client(server.addresses[0], name="ann") as calc:
                assert await calc("12 + 42") == 54
                with pytest.raises(CalculationError, match="division by zero"):
                    await calc("ans / 0")
                assert await calc("ans / 4") == Decimal("13.5")
        nursery.cancel_scope.cancel()


# Many at a time


async def test_no_call_waits_for_the_reply_to_another(
    autojump_clock: trio.testing.MockClock,
) -> None:
    results: dict[int, Decimal] = {}
    async with (
        real_server(Link(latency=1)) as network,
        Client(WHERE, name="ann", network=network) as calc,
    ):
        began = trio.current_time()

        async def ask(number: int) -> None:
            results[number] = await calc(f"{number} + 1")

        async with trio.open_nursery() as nursery:
            for number in range(1000):
                nursery.start_soon(ask, number)
        # One round trip.
        assert trio.current_time() == began + 2
    assert results == {number: number + 1 for number in range(1000)}


async def test_requests_made_at_the_same_time_are_sent_together(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: trio.testing.MockClock
) -> None:
    sent: list[bytes] = []
    send = MemoryStream._send

    def note(stream: MemoryStream, data: bytes | memoryview) -> int:
        if stream.peer == WHERE:
            sent.append(bytes(data))
        return send(stream, data)

    async def script(server: LineClient) -> None:
        for _ in range(2):
            await server.expect(*["1 + 1"] * 100)
            await server.send(*["2"] * 100)
        await server.expect("q")

    monkeypatch.setattr(MemoryStream, "_send", note)
    async with scripted_server(script) as calc:
        await trio.testing.wait_all_tasks_blocked()
        for _ in range(2):
            async with trio.open_nursery() as nursery:
                for _ in range(100):
                    nursery.start_soon(calc, "1 + 1")
    # The first request does not wait for others that may follow.
    both = [b"1 + 1\n", b"1 + 1\n" * 99]
    assert sent == [b"ann\n", *both, *both, b"q\n"]


async def test_at_most_4096_calls_wait_for_a_reply_and_the_others_for_their_turn(
    autojump_clock: trio.testing.MockClock,
) -> None:
    arrived: list[str] = []

    async def script(server: LineClient) -> None:
        with trio.move_on_after(60):
            while True:
                arrived.append(await server.receive())
        assert len(arrived) == 4096
        for number in range(4200):
            await server.send(str(number))
        await server.expect(*["1 + 1"] * (4200 - 4096), "q")

    answered: list[Decimal] = []
    async with scripted_server(script, Link(capacity=1 << 20)) as calc:

        async def ask() -> None:
            answered.append(await calc("1 + 1"))

        async with trio.open_nursery() as nursery:
            for _ in range(4200):
                nursery.start_soon(ask)
    # Trio wakes tasks in any order.
    assert sorted(answered) == [Decimal(number) for number in range(4200)]


@pytest.fixture
def few_in_flight(monkeypatch: pytest.MonkeyPatch) -> None:
    """At most `FEW` calls wait for a reply; the real 4,096, tested above, take half a second."""
    monkeypatch.setattr(client, "MAX_IN_FLIGHT", FEW)


async def test_a_cancelled_call_does_not_take_the_reply_of_another(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with (
        real_server(Link(latency=10)) as network,
        Client(WHERE, name="ann", network=network) as calc,
    ):
        with trio.move_on_after(1):
            await calc("1 + 1")
        with trio.CancelScope() as scope:
            scope.cancel()
            await calc("1 + 2")
        assert await calc("1 + 3") == 4
        with trio.move_on_after(1):
            await calc("1 / 0")
        # The block ends while a reply is on its way.


@pytest.mark.usefixtures("few_in_flight")
async def test_a_call_cancelled_while_it_waits_for_its_turn_is_not_sent(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def script(server: LineClient) -> None:
        await server.expect(*["1 + 1"] * FEW)
        await server.expect_silence(60)
        await server.send(*["2"] * FEW)
        await server.expect("3 + 3")
        await server.expect_end()

    async with scripted_server(script) as calc:
        async with trio.open_nursery() as nursery:
            for _ in range(FEW):
                nursery.start_soon(calc, "1 + 1")
            await trio.testing.wait_all_tasks_blocked()
            with trio.move_on_after(1) as scope:
                await calc("2 + 2")
            assert scope.cancelled_caught
        with trio.move_on_after(1):
            await calc("3 + 3")


@settings(deadline=None, max_examples=60)
@given(
    asks=st.lists(
        st.tuples(
            st.integers(0, 3),
            st.sampled_from([0.0, 0.5, 1.0, 2.0, math.inf]),
            st.sampled_from(["{n} + 0", "{n} / 0", "{n} +", "{n} * 1000000 / 1000000", "q", "1/3"]),
        ),
        min_size=1,
        max_size=30,
    ),
    seed=st.integers(0, 1000),
)
def test_each_call_gets_its_own_reply_whichever_others_are_cancelled(
    asks: list[tuple[int, float, str]], seed: int
) -> None:
    gave_up: set[int] = set()
    outcomes: dict[int, Decimal | str] = {}

    async def ask(calc: Client, number: int, delay: int, patience: float, text: str) -> None:
        await trio.sleep(delay / 2)
        with trio.move_on_after(patience) as scope:
            try:
                outcomes[number] = await calc(text.format(n=number))
            except CalculationError as error:
                outcomes[number] = str(error)
        if scope.cancelled_caught:
            gave_up.add(number)

    async def main() -> None:
        link = MemoryNetwork(seed=seed).random_link(latency=0.4)
        async with real_server(link) as network, Client(WHERE, name="a", network=network) as calc:
            async with trio.open_nursery() as askers:
                for number, (delay, patience, text) in enumerate(asks):
                    askers.start_soon(ask, calc, number, delay, patience, text)
            # No reply is left over for the next call.
            assert await calc("6 * 7") == 42

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
    assert set(outcomes) | gave_up == set(range(len(asks)))
    assert not set(outcomes) & gave_up
    for number, outcome in outcomes.items():
        match asks[number][2]:
            case "{n} / 0":
                assert outcome == "division by zero"
            case "{n} +" | "q":
                assert "at column" in str(outcome)
            case "1/3":
                assert outcome == Decimal("0." + "3" * 28)
            case _:
                assert outcome == number


# How it can fail


async def check_that_all_fail(calc: Client, error: type[Exception], reason: str) -> None:
    """Check calls that wait for a reply, calls that wait for their turn, and later calls."""
    failures: list[Exception] = []

    async def ask() -> None:
        with pytest.raises(error, match=reason) as caught:
            await calc("1 + 1")
        failures.append(caught.value)

    async with trio.open_nursery() as nursery:
        for _ in range(2 * FEW):
            nursery.start_soon(ask)
    await ask()
    # Each call has an error of its own, because a traceback grows with each raise.
    assert len({id(failure) for failure in failures}) == 2 * FEW + 1


@pytest.mark.usefixtures("few_in_flight")
@pytest.mark.parametrize("end", [hang_up, reset])
async def test_a_lost_connection_ends_every_call_and_later_ones(
    end: Callable[[LineClient], Awaitable[None]], autojump_clock: trio.testing.MockClock
) -> None:
    async def script(server: LineClient) -> None:
        await server.expect("1 + 1")
        # Half a reply is not a reply.
        await server.send_bytes(b"2")
        await trio.sleep(1)
        await end(server)

    async with scripted_server(script) as calc:
        await check_that_all_fail(calc, ConnectionLost, "^the server closed the connection$")


async def test_a_connection_lost_while_nobody_asks_is_noticed(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def script(server: LineClient) -> None:
        await server.expect("1 + 1")
        await server.send("2")
        await trio.sleep(300)
        await server.send("error: nothing came for 300 seconds")
        await hang_up(server)

    async with scripted_server(script) as calc:
        assert await calc("1 + 1") == 2
        await trio.sleep(301)
        reason = "^the server closed the connection: nothing came for 300 seconds$"
        with pytest.raises(ConnectionLost, match=reason):
            await calc("1 + 1")


@pytest.mark.usefixtures("few_in_flight")
@pytest.mark.parametrize("asks_first", [True, False])
async def test_a_refusal_has_the_servers_reason(
    asks_first: bool, autojump_clock: trio.testing.MockClock
) -> None:
    async def script(server: LineClient) -> None:
        if asks_first:
            await server.expect("1 + 1")
        await server.send("error: server is closing")
        await hang_up(server)

    async with scripted_server(script) as calc:
        if not asks_first:
            await trio.sleep(60)
        await check_that_all_fail(calc, NotServed, "^server is closing$")


async def test_a_full_server_refuses(autojump_clock: trio.testing.MockClock) -> None:
    async def hold(_connection: Connection) -> None:
        await trio.sleep_forever()

    network = MemoryNetwork()
    serve_one = partial(
        serve_lines,
        hold,
        WHERE,
        limits=Limits(max_clients=1),
        when_full=WhenFull.REFUSE,
        network=network,
    )
    async with trio.open_nursery() as nursery:
        await nursery.start(serve_one)
        async with (
            await network.connect(WHERE),
            Client(WHERE, name="ann", network=network) as calc,
        ):
            with pytest.raises(NotServed, match=r"^server is full$"):
                await calc("1 + 1")
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    "reply",
    [
        *(b"hello", b"NaN", b"1_0", b"0x10", "٣".encode(), b"", b" 2", b"1e5", b"1E+9999999999"),
        *(b"\xff", b"2\n3", b"2" * 65537),
    ],
)
async def test_a_server_that_speaks_another_protocol_is_a_lost_connection(
    reply: bytes, autojump_clock: trio.testing.MockClock
) -> None:
    async def script(server: LineClient) -> None:
        await server.expect("1 + 1")
        await server.send_bytes(reply + b"\n")
        await trio.sleep(1)
        await reset(server)

    async with scripted_server(script) as calc:
        if reply == b"2\n3":
            assert await calc("1 + 1") == 2
        for _ in range(2):
            with pytest.raises(ConnectionLost, match=r"^the server does not speak this protocol: "):
                await calc("1 + 1")


async def test_the_block_is_not_entered_without_a_connection(
    autojump_clock: trio.testing.MockClock,
) -> None:
    with pytest.raises(UnfitName, match="the name is empty"):
        Client(WHERE, name=" ")
    with pytest.raises(ConnectError, match="connection refused"):
        async with Client(WHERE, name="ann", network=MemoryNetwork()):
            raise AssertionError("it is entered")


# The block


async def test_leaving_sends_q_and_waits_for_the_server_to_close(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def script(server: LineClient) -> None:
        await server.expect("q")
        await trio.sleep(1)
        await server.aclose()

    async with scripted_server(script):
        began = trio.current_time()
    assert trio.current_time() == began + 1


@pytest.mark.parametrize("asked", [True, False])
async def test_leaving_waits_for_a_stalled_server_for_at_most_two_seconds(
    asked: bool, autojump_clock: trio.testing.MockClock
) -> None:
    async def script(server: LineClient) -> None:
        await server.expect("1 + 1" if asked else "q")
        began = trio.current_time()
        await server.expect_end()
        assert trio.current_time() == began + (3 if asked else 2)

    async with scripted_server(script) as calc:
        if asked:
            with trio.move_on_after(1):
                await calc("1 + 1")
            began = trio.current_time()
        else:
            began = trio.current_time()
    assert trio.current_time() == began + 2


async def test_a_client_can_only_be_used_within_its_block(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with real_server() as network:
        calc = Client(WHERE, name="ann", network=network)
        with pytest.raises(trio.ClosedResourceError, match="outside of its `async with` block"):
            await calc("1 + 1")
        async with calc:
            assert await calc("1 + 1") == 2
        with pytest.raises(trio.ClosedResourceError, match="the client is closed"):
            await calc("1 + 1")
        with pytest.raises(RuntimeError, match="make another"):
            await calc.__aenter__()


async def test_calls_of_other_tasks_end_with_the_block(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def script(server: LineClient) -> None:
        await server.expect("1 + 1")
        await server.expect_end()

    async def ask() -> None:
        with pytest.raises(trio.ClosedResourceError, match="the client is closed"):
            await calc("1 + 1")

    async with trio.open_nursery() as nursery, scripted_server(script) as calc:
        nursery.start_soon(ask)
        await trio.testing.wait_all_tasks_blocked()


class OwnError(Exception):
    pass


@pytest.mark.parametrize(
    "error", [OwnError("mine"), ExceptionGroup("mine", [OwnError()]), KeyboardInterrupt()], ids=repr
)
async def test_an_error_in_the_block_is_raised_unwrapped_and_at_once(
    error: BaseException, autojump_clock: trio.testing.MockClock
) -> None:
    network = MemoryNetwork()
    await network.listen(WHERE)
    began = trio.current_time()
    with pytest.raises(type(error)) as caught:
        async with Client(WHERE, name="ann", network=network):
            raise error
    assert caught.value is error
    assert trio.current_time() == began


async def test_an_error_in_the_block_is_not_lost_in_a_cancellation(
    autojump_clock: trio.testing.MockClock,
) -> None:
    network = MemoryNetwork()
    await network.listen(WHERE)
    with pytest.raises(OwnError), trio.CancelScope() as scope:
        async with Client(WHERE, name="ann", network=network):
            scope.cancel()
            raise OwnError


async def test_a_fault_of_the_client_is_not_taken_for_a_cancellation(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: trio.testing.MockClock
) -> None:
    async def fail(_pipeline: object) -> None:
        raise AssertionError("a fault")

    monkeypatch.setattr(pipeline.Pipeline, "receive", fail)
    network = MemoryNetwork()
    await network.listen(WHERE)
    with pytest.raises(ExceptionGroup) as caught:
        async with Client(WHERE, name="ann", network=network) as calc:
            await calc("1 + 1")
    assert caught.group_contains(AssertionError, match="a fault")


async def test_a_cancelled_block_ends_at_once_and_closes(
    autojump_clock: trio.testing.MockClock,
) -> None:
    network = MemoryNetwork()
    [listener] = await network.listen(WHERE)
    began = trio.current_time()
    with trio.move_on_after(5) as scope:
        async with Client(WHERE, name="ann", network=network) as calc:
            await calc("1 + 1")
    assert scope.cancelled_caught
    assert trio.current_time() == began + 5
    async with LineClient(await listener.accept()) as server:
        await server.expect("ann", "1 + 1")
        await server.expect_end()


async def test_the_errors_of_a_call_are_not_wrapped_in_groups(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with real_server() as network:
        with pytest.raises(CalculationError, match="division by zero") as caught:
            async with Client(WHERE, name="ann", network=network) as calc:
                await calc("1 / 0")
        assert isinstance(caught.value, TrionetError)
