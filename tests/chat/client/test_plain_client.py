"""The chat's client, with scripted servers and with the real one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

import pytest
import trio
import trio.testing
from hypothesis import example, given
from hypothesis import strategies as st

from trionet import BadLine, ConnectionLost, Line, LineStream, Server, TrionetError
from trionet.chat import NameRefused, converse, log_in, serve
from trionet.chat.client.plain_client import as_text
from trionet.chat.formats.plain import decode
from trionet.chat.formats.requests import Say
from trionet.errors import LineNotUTF8
from trionet.testing import LineClient, Link, MemoryNetwork, MemoryStream, memory_stream_pair
from trionet.text.safe import WHITE_SPACE, safe_message


class Source:
    """A source whose lines are there from the beginning, and which may end after them or not."""

    def __init__(self, *lines: Line, then_wait: bool = False) -> None:
        self._lines = list(lines)
        self._then_wait = then_wait

    def __aiter__(self) -> Source:
        return self

    async def __anext__(self) -> Line:
        await trio.lowlevel.checkpoint()
        if self._lines:
            return self._lines.pop(0)
        if self._then_wait:
            await trio.sleep_forever()
        raise StopAsyncIteration


class Conversation:
    """What a conversation showed, its warnings, and how and when it ended."""

    def __init__(self) -> None:
        self.shown: list[str] = []
        self.warned: list[str] = []
        self.failure: TrionetError | None = None
        self.ended_at = 0.0


async def with_scripted_server(
    script: Callable[[LineClient], Awaitable[None]], *lines: Line, then_wait: bool = False
) -> Conversation:
    """Converse with a server that follows the script and then closes."""
    ours, theirs = memory_stream_pair()
    conversation = Conversation()

    async def hold() -> None:
        try:
            await converse(
                LineStream(ours),
                Source(*lines, then_wait=then_wait),
                show=conversation.shown.append,
                warn=conversation.warned.append,
            )
        except TrionetError as error:
            conversation.failure = error
        conversation.ended_at = trio.current_time()
        await ours.aclose()

    with trio.fail_after(3600):
        async with trio.open_nursery() as nursery, LineClient(theirs, name="server") as server:
            nursery.start_soon(hold)
            await script(server)
    return conversation


async def answered(name: str, answer: bytes) -> str:
    """Log in to a server that gives this answer and closes, and return the outcome."""
    ours, theirs = memory_stream_pair(Link(capacity=1 << 20))
    async with LineClient(theirs) as server:
        await server.send_bytes(answer)
        await server.send_eof()
        async with LineStream(ours) as lines:
            return await log_in(lines, name)


# Logging in


@given(st.text(st.characters(codec="utf-8", exclude_characters="\n")))
@example("q")
@example(" q\t")
@example("/quit  ")
@example("/")
@example("//who")
@example("/say")
@example("/say q")
def test_as_text_makes_any_line_a_message(line: str) -> None:
    text = line.rstrip(WHITE_SPACE)
    if text:
        assert decode(as_text(line)) == Say(safe_message(text))


@pytest.mark.parametrize("line", ["hello", " /who", "Q", "q q", ""])
def test_as_text_leaves_a_line_that_is_not_a_command_unchanged(line: str) -> None:
    assert as_text(line) == line


async def test_log_in_returns_the_welcome() -> None:
    welcome = "*** welcome, Ann (1 here: Ann)"
    assert await answered("Ann", f"{welcome}\n".encode()) == welcome


async def test_the_name_is_sent_as_it_was_typed() -> None:
    ours, theirs = memory_stream_pair()
    async with LineClient(theirs) as server, trio.open_nursery() as nursery:
        nursery.start_soon(log_in, LineStream(ours), " Ａnn ")
        await server.expect(" Ａnn ")
        await server.send("*** welcome, Ann (1 here: Ann)")


async def test_the_welcome_moves_no_cursor() -> None:
    welcome = await answered("Ann", "*** welcome\x1b[2J\u2028\x9b\n".encode())
    assert welcome == "*** welcome�[2J��"


async def test_after_a_refused_name_another_can_be_tried_on_the_same_connection(
    autojump_clock: trio.testing.MockClock,
) -> None:
    network = MemoryNetwork()
    async with trio.open_nursery() as nursery:
        server: Server = await nursery.start(partial(serve, "127.0.0.1:0", network=network))

        async def connect() -> LineStream:
            return LineStream(await network.connect(server.addresses[0]))

        ann, bob = await connect(), await connect()
        assert await log_in(ann, "Ann") == "*** welcome, Ann (1 here: Ann)"
        for name, reason in (("ann", "the name ann is taken"), ("", "the name is empty")):
            with pytest.raises(NameRefused) as caught:
                await log_in(bob, name)
            assert str(caught.value) == reason
        assert await log_in(bob, "Bob") == "*** welcome, Bob (2 here: Ann, Bob)"
        await server.drain()


@pytest.mark.parametrize("name", ["q", " q", "/quit"])
async def test_a_line_that_leaves_is_refused_as_a_name(name: str) -> None:
    ours, theirs = memory_stream_pair()
    with pytest.raises(NameRefused, match=r"^nobody can be called (q|/quit)"):
        await log_in(LineStream(ours), name)
    await ours.aclose()
    assert await theirs.receive_some() == b"", "it was not sent"


async def test_a_closing_server_refuses() -> None:
    with pytest.raises(NameRefused, match=r"^server is closing$"):
        await answered("Ann", b"error: server is closing\n")


async def test_a_refusal_moves_no_cursor() -> None:
    with pytest.raises(NameRefused, match=r"^no�\[2J$"):
        await answered("Ann", b"error: no\x1b[2J\n")


@pytest.mark.parametrize("answer", [b"", b"*** welc", b"\xff\n", b"a" * 65537])
async def test_a_server_that_gives_no_answer_is_a_lost_connection(answer: bytes) -> None:
    with pytest.raises(ConnectionLost):
        await answered("Ann", answer)


async def test_a_server_that_is_gone_or_resets_is_a_lost_connection(
    autojump_clock: trio.testing.MockClock,
) -> None:
    for go in (MemoryStream.close, MemoryStream.reset):
        ours, theirs = memory_stream_pair()
        go(theirs)
        with pytest.raises(ConnectionLost):
            await log_in(LineStream(ours), "Ann")
        ours, theirs = memory_stream_pair()
        async with trio.open_nursery() as nursery:

            async def go_later(go: Callable[[MemoryStream], None], stream: MemoryStream) -> None:
                await trio.sleep(1)
                go(stream)

            nursery.start_soon(go_later, go, theirs)
            with pytest.raises(ConnectionLost):
                await log_in(LineStream(ours), "Ann")


# What is sent


async def test_each_line_is_sent_as_it_is_and_the_end_of_input_sends_q(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def script(server: LineClient) -> None:
        await server.expect("hello", "  indented ", "/who", "//x", "Q", "q q", "q")

    lines = ["hello", "  indented ", "/who", "//x", "Q", "q q"]
    conversation = await with_scripted_server(script, *lines)
    assert conversation.failure is None
    assert conversation.shown == conversation.warned == []


@pytest.mark.parametrize("line", ["q", " q\t", "/quit", "/quit "])
async def test_a_line_that_leaves_is_sent_and_nothing_after_it(
    line: str, autojump_clock: trio.testing.MockClock
) -> None:
    async def script(server: LineClient) -> None:
        await server.expect("hello", line)
        await server.expect_silence(1)

    conversation = await with_scripted_server(script, "hello", line, "not sent", "q")
    assert conversation.failure is None


@pytest.mark.parametrize("blank", ["", "  ", "\t", "\u3000\xa0"])
async def test_a_blank_line_is_not_sent(blank: str, autojump_clock: trio.testing.MockClock) -> None:
    async def script(server: LineClient) -> None:
        await server.expect("hello", "q")

    await with_scripted_server(script, blank, "hello", blank)


async def test_a_line_of_control_characters_is_not_blank(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def script(server: LineClient) -> None:
        await server.expect("\x1c\x1f", "q")

    await with_scripted_server(script, "\x1c\x1f")


@pytest.mark.parametrize("bad", [LineNotUTF8(b"\xff"), "a\nq", "/quit\n", "\udcff"])
async def test_an_unsendable_line_causes_a_warning_and_the_next_line_is_sent(
    bad: str | BadLine, autojump_clock: trio.testing.MockClock
) -> None:
    async def script(server: LineClient) -> None:
        await server.expect("hello", "q")

    conversation = await with_scripted_server(script, bad, "hello")
    (warning,) = conversation.warned
    assert "line" in warning
    assert conversation.failure is None


# What is shown


async def test_lines_are_shown_as_they_come_and_move_no_cursor(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def script(server: LineClient) -> None:
        await server.send("Bob: hello", "", "Bob: \x1b[2J\x07\u2028*** x", "a\tb")
        await server.expect_silence(60)

    conversation = await with_scripted_server(script, then_wait=True)
    assert conversation.shown == ["Bob: hello", "", "Bob: �[2J��*** x", "a�b"]


async def test_a_bad_line_from_the_server_causes_a_warning_and_the_next_is_shown(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def script(server: LineClient) -> None:
        await server.send_bytes(b"one\n\xff\n" + b"a" * 65536 + b"\ntwo\n")
        await server.expect_silence(1)
        with trio.move_on_after(1):
            await server.send_bytes(b"b" * 65537 + b"\nthree\n")

    conversation = await with_scripted_server(script, then_wait=True)
    assert conversation.shown == ["one", "a" * 65536, "two", "three"]
    assert conversation.warned == [
        "from the server: line is not UTF-8",
        "from the server: line is longer than 65536 bytes",
    ]


# How it ends


async def test_lines_between_the_q_and_the_close_are_shown(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def script(server: LineClient) -> None:
        await server.expect("q")
        await server.send("Bob: on its way")

    conversation = await with_scripted_server(script, "q")
    assert conversation.shown == ["Bob: on its way"]
    assert conversation.failure is None


async def test_a_server_that_never_closes_delays_the_end_by_at_most_two_seconds(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def script(server: LineClient) -> None:
        await server.expect("q")
        await server.expect_end()

    began = trio.current_time()
    conversation = await with_scripted_server(script, "q")
    assert conversation.ended_at - began == 2.0
    assert conversation.failure is None


async def test_a_server_that_closes_first_is_reported_at_once_as_a_lost_connection(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def script(server: LineClient) -> None:
        await server.expect("hello")
        await server.send("*** server is closing")

    began = trio.current_time()
    conversation = await with_scripted_server(script, "hello", then_wait=True)
    assert isinstance(conversation.failure, ConnectionLost)
    assert str(conversation.failure) == "the server closed the connection"
    assert conversation.shown == ["*** server is closing"]
    assert conversation.ended_at == began


async def test_a_reset_is_a_lost_connection(autojump_clock: trio.testing.MockClock) -> None:
    async def script(server: LineClient) -> None:
        await server.expect("hello")
        assert isinstance(server.stream, MemoryStream)
        server.stream.reset()

    for then_wait, more in ((True, []), (False, ["more"] * 100)):
        conversation = await with_scripted_server(script, "hello", *more, then_wait=then_wait)
        assert isinstance(conversation.failure, ConnectionLost)


async def test_the_rooms_last_lines_are_shown_although_sending_fails(
    autojump_clock: trio.testing.MockClock,
) -> None:
    ours, theirs = memory_stream_pair(Link(latency=10))
    async with LineClient(theirs) as server:
        await server.send("Bob: hello", "*** server is closing")
    shown: list[str] = []
    with pytest.raises(ConnectionLost):
        await converse(
            LineStream(ours), Source(*["hello"] * 10), show=shown.append, warn=shown.append
        )
    assert shown == ["Bob: hello", "*** server is closing"]


async def test_cancelling_just_stops(autojump_clock: trio.testing.MockClock) -> None:
    ours, _ = memory_stream_pair()
    shown: list[str] = []
    with trio.move_on_after(10) as scope:
        source = Source(then_wait=True)
        await converse(LineStream(ours), source, show=shown.append, warn=shown.append)
    assert scope.cancelled_caught
    assert shown == []


async def test_two_clients_talk_through_the_real_server_until_both_have_left(
    autojump_clock: trio.testing.MockClock,
) -> None:
    network = MemoryNetwork(link=Link(latency=0.1))
    seen: dict[str, list[str]] = {"Ann": [], "Bob": []}

    class Timed(Source):
        async def __anext__(self) -> Line:
            await trio.sleep(1)
            return await super().__anext__()

    async def talk(address: str, name: str, *lines: str) -> None:
        async with LineStream(await network.connect(address)) as stream:
            show = seen[name].append
            show(await log_in(stream, name))
            await converse(stream, Timed(*lines), show=show, warn=show)

    async with trio.open_nursery() as nursery:
        server: Server = await nursery.start(partial(serve, "127.0.0.1:0", network=network))
        nursery.start_soon(talk, server.addresses[0], "Ann", "hello", "/me waves", "bye")
        await trio.sleep(0.5)
        await talk(server.addresses[0], "Bob", "hi", "q")
    # Ann's input ends in the fourth second, and the room ends with her.
    assert seen["Ann"] == [
        "*** welcome, Ann (1 here: Ann)",
        "*** Bob joined (2 here)",
        "Bob: hi",
        "*** Bob left (1 here)",
    ]
    assert seen["Bob"] == ["*** welcome, Bob (2 here: Ann, Bob)", "Ann: hello", "* Ann waves"]
