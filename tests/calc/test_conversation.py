"""`converse`, with scripted servers and with the real one."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing

from known_names import KNOWN
from trionet import ConnectionLost, Line, Server, TrionetError, encode_lines
from trionet.calc import MalformedExpression, NotServed, UnfitName, converse, serve
from trionet.errors import LineNotUTF8
from trionet.testing import LineClient, Link, MemoryNetwork, MemoryStream, memory_stream_pair


class Source:
    """A source whose lines are there from the beginning, and which may end after them or not."""

    def __init__(self, *lines: Line, then_wait: bool = False) -> None:
        self._lines = list(lines)
        self._then_wait = then_wait
        self.taken = 0

    def __aiter__(self) -> Source:
        return self

    async def __anext__(self) -> Line:
        await trio.lowlevel.checkpoint()
        if self._lines:
            self.taken += 1
            return self._lines.pop(0)
        if self._then_wait:
            await trio.sleep_forever()
        raise StopAsyncIteration


class Pasted:
    """A source whose lines are all there at once: taking one is not a checkpoint."""

    def __init__(self, lines: Sequence[Line]) -> None:
        self._lines = lines
        self.taken = 0

    def __aiter__(self) -> Pasted:
        return self

    async def __anext__(self) -> Line:
        if self.taken == len(self._lines):
            raise StopAsyncIteration
        self.taken += 1
        return self._lines[self.taken - 1]


class Conversation:
    """One run of the client: what it showed, what it refused, and how it ended."""

    def __init__(self, stream: MemoryStream, *, name: str = "ann") -> None:
        self._stream = stream
        self._name = name
        self.shown: list[str] = []
        self.refused: list[tuple[str, str, int | None]] = []
        self.noted: list[tuple[float, int, str]] = []
        self.failed: int | None = None
        self.failure: TrionetError | None = None

    def refuse(self, line: str, error: TrionetError) -> None:
        column = error.column if isinstance(error, MalformedExpression) else None
        self.refused.append((line, str(error), column))

    def note(self, line: str) -> None:
        # How many replies were shown before it.
        self.noted.append((trio.current_time(), len(self.shown), line))

    async def hold(self, operations: Source | Pasted, *, one_at_a_time: bool = False) -> None:
        try:
            self.failed = await converse(
                self._stream,
                self._name,
                operations,
                show=self.shown.append,
                refuse=self.refuse,
                one_at_a_time=one_at_a_time,
                note=self.note,
            )
        except TrionetError as error:
            self.failure = error
        await self._stream.aclose()


async def with_scripted_server(
    script: Callable[[LineClient], Awaitable[None]],
    *operations: Line,
    then_wait: bool = False,
    one_at_a_time: bool = False,
) -> Conversation:
    """Hold a conversation with a server that follows the script and then closes."""
    ours, theirs = memory_stream_pair()
    conversation = Conversation(ours)
    with trio.fail_after(3600):
        async with trio.open_nursery() as nursery, LineClient(theirs, name="server") as server:
            source = Source(*operations, then_wait=then_wait)

            async def hold() -> None:
                await conversation.hold(source, one_at_a_time=one_at_a_time)

            nursery.start_soon(hold)
            await script(server)
    return conversation


@asynccontextmanager
async def real_server() -> AsyncIterator[Callable[[], Awaitable[MemoryStream]]]:
    network = MemoryNetwork(link=Link(latency=0.1))

    async def run(*, task_status: trio.TaskStatus[Server]) -> None:
        await serve("127.0.0.1:0", network=network, task_status=task_status)

    async with trio.open_nursery() as nursery:
        server: Server = await nursery.start(run)
        yield lambda: network.connect(server.addresses[0])
        nursery.cancel_scope.cancel()


def refuse_nothing(line: str, error: TrionetError) -> None:
    raise AssertionError(f"{line} is refused: {error}")


async def hang_up(server: LineClient) -> None:
    """Close as a server does: nothing is left unread, or a reset would destroy what was sent."""
    await server.send_eof()
    async for _ in server.stream:
        pass


# With the real server


@pytest.mark.parametrize("one_at_a_time", [False, True])
@pytest.mark.parametrize("end", [["q"], [" q\t", "3 + 3"], []])
async def test_replies_are_shown_in_order_and_the_end_is_told_last(
    end: list[str], one_at_a_time: bool, autojump_clock: trio.testing.MockClock
) -> None:
    async with real_server() as connect:
        conversation = Conversation(await connect())
        operations = Source("12 + 42", " 1 / 0 ", "1 / 3", *end)
        await conversation.hold(operations, one_at_a_time=one_at_a_time)
        assert conversation.shown == [
            "54",
            "error: division by zero",
            "0." + "3" * 28,
            "Session ended",
        ]
        assert conversation.refused == []
        assert conversation.failure is None


async def test_a_session_without_operations_ends_normally(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with real_server() as connect:
        conversation = Conversation(await connect())
        await conversation.hold(Source())
        assert (conversation.shown, conversation.failure) == (["Session ended"], None)


async def test_a_thousand_operations_are_answered_in_order(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with real_server() as connect:
        conversation = Conversation(await connect())
        await conversation.hold(Source(*(f"{n} + {n}" for n in range(1000))))
        assert conversation.shown == [*(str(2 * n) for n in range(1000)), "Session ended"]


async def test_an_error_as_the_first_result_is_not_a_refusal(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with real_server() as connect:
        conversation = Conversation(await connect())
        await conversation.hold(Source("1 / 0", "1e999999 * 10", "1 + 1"))
        assert conversation.shown == [
            "error: division by zero",
            "error: the result is too large",
            "2",
            "Session ended",
        ]
        assert conversation.failure is None


# Waiting for its turn

WAITING = "waiting: the calculator seems to be serving somebody else"
SERVED = "it is your turn"


@pytest.mark.parametrize("one_at_a_time", [False, True])
async def test_a_waiting_user_is_told_after_a_second_and_again_when_served(
    one_at_a_time: bool, autojump_clock: trio.testing.MockClock
) -> None:
    async def script(server: LineClient) -> None:
        start = trio.current_time()
        await server.expect("ann", "1 + 1")
        await trio.sleep(600)
        await server.send("2")
        await server.expect("2 + 2")
        # Later waits are not for a turn.
        await trio.sleep(600)
        await server.send("4")
        await server.expect("q")
        notes = [(time - start, shown, note) for time, shown, note in conversation.noted]
        assert notes == [(1, 0, WAITING), (600, 0, SERVED)]

    ours, theirs = memory_stream_pair()
    conversation = Conversation(ours)
    async with trio.open_nursery() as nursery, LineClient(theirs, patience=3600) as server:
        operations = Source("1 + 1", "2 + 2") if one_at_a_time else Pasted(["1 + 1", "2 + 2"])

        async def hold() -> None:
            await conversation.hold(operations, one_at_a_time=one_at_a_time)

        nursery.start_soon(hold)
        await script(server)
    assert conversation.shown == ["2", "4", "Session ended"]


async def test_a_user_who_is_answered_within_a_second_is_told_nothing(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def script(server: LineClient) -> None:
        # However long the user thinks about what to ask.
        await server.expect("ann", "1 + 1")
        await trio.sleep(0.9)
        await server.send("2")
        await server.expect("q")

    conversation = await with_scripted_server(script, "1 + 1")
    assert conversation.shown == ["2", "Session ended"]
    assert conversation.noted == []


async def test_a_user_who_waits_in_vain_is_not_told_that_it_is_their_turn(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def script(server: LineClient) -> None:
        await server.expect("ann", "1 + 1")
        await trio.sleep(10)
        await server.send("error: server is closing")
        await hang_up(server)

    conversation = await with_scripted_server(script, "1 + 1", one_at_a_time=True)
    assert [note for _, _, note in conversation.noted] == [WAITING]
    assert isinstance(conversation.failure, NotServed)


# What is sent


async def test_malformed_lines_are_refused_and_blank_ones_skipped_and_neither_is_sent(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def script(server: LineClient) -> None:
        await server.expect("ann", "1 + 1", "2 - 2")
        await server.send("2", "0")
        await server.expect("q")

    # As many characters as an expression may have, but more bytes than a line may have.
    wide = "1" * 3095 + " × 1" * 250 + " "
    assert (len(wide), len(wide.encode())) == (4096, 4346)
    conversation = await with_scripted_server(
        script,
        "one + one",
        " \t1 + 1 ",
        "",
        "  \t",
        "Q",
        "\t (1",
        "1e1000000 + 1",
        "\x1b[2J",
        LineNotUTF8(b"\xff"),
        wide,
        "2 - 2",
    )
    assert conversation.shown == ["2", "0", "Session ended"]
    known = f"({KNOWN})"
    assert conversation.refused == [
        ("one + one", f"unknown name one at column 1 {known}", 1),
        ("Q", f"unknown name Q at column 1 {known}", 1),
        ("\t (1", "unclosed ( at column 3", 3),
        ("1e1000000 + 1", "exponents go from -999999 to 999999", 1),
        ("\x1b[2J", "unexpected U+001B at column 1", 1),
        ("", "line is not UTF-8", None),
        (wide, "line is longer than 4096 bytes", None),
    ]
    assert conversation.failed == 7


@pytest.mark.parametrize("name", ["", " ", "a" * 65, "a\tb", "a\nq"])
async def test_with_an_unfit_name_nothing_is_sent(name: str) -> None:
    ours, theirs = memory_stream_pair()
    conversation = Conversation(ours, name=name)
    await conversation.hold(Source("1 + 1"))
    assert isinstance(conversation.failure, UnfitName)
    assert await theirs.receive_some() == b""


async def test_blanks_around_the_name_are_not_sent() -> None:
    ours, theirs = memory_stream_pair()
    conversation = Conversation(ours, name=" ann\t")
    async with trio.open_nursery() as nursery, LineClient(theirs) as server:
        nursery.start_soon(conversation.hold, Source())
        await server.expect("ann", "q")


async def test_one_at_a_time_takes_the_next_operation_after_the_reply(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def script(server: LineClient) -> None:
        await server.expect("ann", "1 + 1")
        await server.expect_silence(60)
        await server.send("2")
        await server.expect("2 + 2")
        await server.expect_silence(60)
        await server.send("4")
        await server.expect("q")

    conversation = await with_scripted_server(script, "1 + 1", "2 + 2", one_at_a_time=True)
    assert conversation.shown == ["2", "4", "Session ended"]


async def test_otherwise_operations_are_sent_as_they_come_and_replies_shown_as_they_come(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def script(server: LineClient) -> None:
        await server.expect("ann", "1 + 1", "2 + 2", "3 + 3")
        await server.send("2", "4")
        # The `q` waits until everything is answered.
        await server.expect_silence(60)
        await server.send("6")
        await server.expect("q")

    conversation = await with_scripted_server(script, "1 + 1", "2 + 2", "3 + 3", "q", "4 + 4")
    assert conversation.shown == ["2", "4", "6", "Session ended"]


async def test_lines_from_a_server_move_no_cursor(autojump_clock: trio.testing.MockClock) -> None:
    async def script(server: LineClient) -> None:
        await server.expect("ann", "1 + 1")
        await server.send("\x1b[2J2\x07")
        await server.expect("q")

    conversation = await with_scripted_server(script, "1 + 1")
    assert conversation.shown == ["�[2J2�", "Session ended"]


async def test_a_server_that_never_closes_delays_the_end_by_at_most_two_seconds(
    autojump_clock: trio.testing.MockClock,
) -> None:
    ended: list[float] = []

    async def script(server: LineClient) -> None:
        await server.expect("ann", "q")
        began = trio.current_time()
        # The time that the client takes to close.
        await server.expect_end()
        ended.append(trio.current_time() - began)

    conversation = await with_scripted_server(script)
    assert conversation.shown == ["Session ended"]
    assert ended == [2.0]


async def test_operations_that_come_together_are_sent_together(
    autojump_clock: trio.testing.MockClock,
) -> None:
    ours, theirs = memory_stream_pair()
    operations = [f"{n} + 1" for n in range(1000)]
    conversation = Conversation(ours)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(conversation.hold, Pasted(operations))
        received = await theirs.receive_some()
        assert received == encode_lines(["ann", *operations])
        nursery.cancel_scope.cancel()


async def test_at_most_4096_operations_wait_for_their_replies(
    autojump_clock: trio.testing.MockClock,
) -> None:
    ours, theirs = memory_stream_pair(Link(capacity=1 << 20))
    source = Pasted([f"{n} + 0" for n in range(10_000)])
    conversation = Conversation(ours)
    async with trio.open_nursery() as nursery, LineClient(theirs, name="server") as server:
        nursery.start_soon(conversation.hold, source)
        await server.expect("ann", *(f"{n} + 0" for n in range(4096)))
        await server.expect_silence(60)
        assert source.taken == 4096
        # Sending goes on when half are answered.
        await server.send(*map(str, range(2047)))
        await server.expect_silence(60)
        await server.send("2047")
        await server.expect(*(f"{n} + 0" for n in range(4096, 4096 + 2048)))
        await server.expect_silence(60)
        # In steps of just as many: with more replies at a time it depends on the scheduler how far
        # the client goes on.
        await server.send(*map(str, range(2048, 4096)))
        await server.expect(*(f"{n} + 0" for n in range(6144, 8192)))
        await server.send(*map(str, range(4096, 6144)))
        await server.expect(*(f"{n} + 0" for n in range(8192, 10_000)))
        await server.send(*map(str, range(6144, 10_000)))
        await server.expect("q")
        await hang_up(server)
    assert conversation.shown == [*map(str, range(10_000)), "Session ended"]


async def test_a_slow_show_makes_the_server_wait(
    autojump_clock: trio.testing.MockClock,
) -> None:
    ours, theirs = memory_stream_pair(Link(capacity=64))
    shown: list[str] = []
    has_room = trio.Event()

    async def hold() -> None:
        await converse(
            ours,
            "ann",
            Source(*["1 + 1"] * 100),
            show=shown.append,
            refuse=refuse_nothing,
            wait_room=has_room.wait,
        )
        await ours.aclose()

    async with trio.open_nursery() as nursery, LineClient(theirs, name="server") as server:
        nursery.start_soon(hold)
        await server.expect("ann", *["1 + 1"] * 100)
        with trio.move_on_after(60):
            await server.send(*["2"] * 100)
        assert len(shown) <= 64
        assert not has_room.is_set()
        nursery.cancel_scope.cancel()


async def test_the_number_of_failed_operations_is_returned(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with real_server() as connect:
        for operations, failed in (
            (["1 + 1", "", "ans - 2"], 0),
            (["1 / 0", "1 + 1", "sqrt(-1)"], 2),
            (["1 + 1", "1 +", LineNotUTF8(b"")], 2),
        ):
            conversation = Conversation(await connect())
            await conversation.hold(Source(*operations))
            assert conversation.failed == failed


# How it can fail


async def test_a_name_that_the_server_refuses_raises_its_reason(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def script(server: LineClient) -> None:
        await server.expect("ann")
        await server.send("error: not you")
        await hang_up(server)

    for operations in (["1 + 1", "2 + 2"], ["q"], []):
        conversation = await with_scripted_server(script, *operations)
        assert isinstance(conversation.failure, NotServed)
        assert str(conversation.failure) == "not you"
        assert conversation.shown == []


@pytest.mark.parametrize("first", ["1 / 0", "ans + 1", "1 + 1"])
async def test_a_refusal_is_not_taken_for_the_reply_to_a_first_operation_that_fails(
    first: str, autojump_clock: trio.testing.MockClock
) -> None:
    async def script(server: LineClient) -> None:
        await server.expect("ann", first)
        await server.send("error: not you")
        await hang_up(server)

    for rest in (["q"], ["2 + 2"], []):
        conversation = await with_scripted_server(script, first, *rest)
        assert isinstance(conversation.failure, NotServed)
        assert str(conversation.failure) == "not you"
        assert conversation.shown == []


async def test_a_first_error_is_shown_at_once_if_the_client_expected_it(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def script(server: LineClient) -> None:
        await server.expect("ann", "1 / 0")
        began = trio.current_time()
        await server.send("error: division by zero")
        await server.expect("2 / 2")
        assert trio.current_time() == began
        await server.send("1")
        await server.expect("q")

    conversation = await with_scripted_server(script, "1 / 0", "2 / 2", one_at_a_time=True)
    assert conversation.shown == ["error: division by zero", "1", "Session ended"]


@pytest.mark.parametrize("first", ["1 / 0", "1 + 1"])
async def test_an_unexpected_first_error_is_a_reply_if_the_server_goes_on(
    first: str, autojump_clock: trio.testing.MockClock
) -> None:
    async def script(server: LineClient) -> None:
        await server.expect("ann", first)
        began = trio.current_time()
        await server.send("error: I would rather not")
        await server.expect("2 / 2")
        assert trio.current_time() == began + 1
        await server.send("1")
        await server.expect("q")

    conversation = await with_scripted_server(script, first, "2 / 2", one_at_a_time=True)
    assert conversation.shown == ["error: I would rather not", "1", "Session ended"]
    # Something has come, so the user is not told to wait.
    assert conversation.noted == []
    assert conversation.failed == 1

    async def answer_both(server: LineClient) -> None:
        await server.expect("ann", first, "2 / 2")
        await server.send("error: I would rather not")
        await trio.sleep(0.5)
        await server.send("1")
        await server.expect("q")

    conversation = await with_scripted_server(answer_both, first, "2 / 2")
    assert conversation.shown == ["error: I would rather not", "1", "Session ended"]
    # Something has come, so the user is not told to wait.
    assert conversation.noted == []


async def test_the_reason_a_server_gives_before_it_closes_is_raised(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def script(server: LineClient) -> None:
        await server.expect("ann", "1 + 1")
        await server.send("2")
        await trio.sleep(300)
        await server.send("error: nothing came for 300 seconds")
        await hang_up(server)

    conversation = await with_scripted_server(script, "1 + 1", then_wait=True, one_at_a_time=True)
    assert isinstance(conversation.failure, ConnectionLost)
    assert str(conversation.failure) == (
        "the server closed the connection: nothing came for 300 seconds"
    )


@pytest.mark.parametrize("then_wait", [True, False])
async def test_a_closing_server_refuses_although_it_never_read_the_name(
    then_wait: bool, autojump_clock: trio.testing.MockClock
) -> None:
    async def script(server: LineClient) -> None:
        await server.send("error: server is closing")
        await hang_up(server)

    conversation = await with_scripted_server(script, then_wait=then_wait)
    assert isinstance(conversation.failure, NotServed)
    assert str(conversation.failure) == "server is closing"
    assert conversation.shown == []


async def test_a_server_that_closes_first_is_a_lost_connection(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def script(server: LineClient) -> None:
        await server.expect("ann", "1 + 1", "2 + 2")
        await server.send("2")

    conversation = await with_scripted_server(script, "1 + 1", "2 + 2", "q")
    assert isinstance(conversation.failure, ConnectionLost)
    assert conversation.shown == ["2"]


@pytest.mark.parametrize("one_at_a_time", [True, False])
async def test_an_idle_user_is_told_at_once_that_the_server_is_gone(
    one_at_a_time: bool, autojump_clock: trio.testing.MockClock
) -> None:
    async def script(server: LineClient) -> None:
        await server.expect("ann", "1 + 1")
        await server.send("2")

    began = trio.current_time()
    conversation = await with_scripted_server(
        script, "1 + 1", then_wait=True, one_at_a_time=one_at_a_time
    )
    assert isinstance(conversation.failure, ConnectionLost)
    assert conversation.shown == ["2"]
    assert trio.current_time() == began


async def test_a_reset_is_a_lost_connection(autojump_clock: trio.testing.MockClock) -> None:
    async def script(server: LineClient) -> None:
        await server.expect("ann", "1 + 1")
        assert isinstance(server.stream, MemoryStream)
        server.stream.reset()

    for rest in (["q"], ["2 + 2"] * 100):
        conversation = await with_scripted_server(script, "1 + 1", *rest)
        assert isinstance(conversation.failure, ConnectionLost)
        assert conversation.shown == []


async def test_a_server_that_is_gone_before_the_name_is_a_lost_connection() -> None:
    ours, theirs = memory_stream_pair()
    await theirs.aclose()
    conversation = Conversation(ours)
    await conversation.hold(Source("1 + 1", "2 + 2"))
    assert isinstance(conversation.failure, ConnectionLost)


@pytest.mark.parametrize(
    "answer",
    [b"\xff\n", b"2" * 65537, b"2\n3\n"],
    ids=["not UTF-8", "longer than 65,536 bytes", "two answers to one operation"],
)
async def test_a_server_that_speaks_another_protocol_is_a_lost_connection(
    answer: bytes, autojump_clock: trio.testing.MockClock
) -> None:
    async def script(server: LineClient) -> None:
        await server.expect("ann", "1 + 1")
        with trio.move_on_after(60):
            await server.send_bytes(answer)

    conversation = await with_scripted_server(script, "1 + 1", then_wait=True)
    assert isinstance(conversation.failure, ConnectionLost)
    assert str(conversation.failure).startswith("the server does not speak this protocol: ")


async def test_an_answer_of_65536_bytes_is_accepted(autojump_clock: trio.testing.MockClock) -> None:
    async def script(server: LineClient) -> None:
        await server.expect("ann", "1 + 1")
        await server.send("2" * 65536)
        await server.expect("q")

    conversation = await with_scripted_server(script, "1 + 1")
    assert conversation.shown == ["2" * 65536, "Session ended"]


async def test_replies_from_before_the_connection_was_lost_are_shown_although_sending_fails(
    autojump_clock: trio.testing.MockClock,
) -> None:
    send, receive = trio.open_memory_channel[Line](math.inf)
    ours, theirs = memory_stream_pair(Link(latency=1))
    shown: list[str] = []

    async def hold() -> None:
        with pytest.raises(ConnectionLost):
            await converse(ours, "ann", receive, show=shown.append, refuse=refuse_nothing)

    async with send, receive, trio.open_nursery() as nursery, LineClient(theirs) as server:
        nursery.start_soon(hold)
        send.send_nowait("1 + 1")
        await server.expect("ann", "1 + 1")
        await server.send("2")
        await server.aclose()
        # The answer is still on its way when the server is gone.
        send.send_nowait("2 + 2")
        send.send_nowait("3 + 3")
    assert shown == ["2"]


async def test_cancelling_just_stops(autojump_clock: trio.testing.MockClock) -> None:
    ours, theirs = memory_stream_pair()
    shown: list[str] = []
    with trio.move_on_after(10) as scope:
        await converse(
            ours, "ann", Source(then_wait=True), show=shown.append, refuse=refuse_nothing
        )
    assert scope.cancelled_caught
    assert shown == []
    await ours.aclose()
    async with LineClient(theirs) as server:
        await server.expect("ann")
        await server.expect_end()
