"""A client for tests tells what it saw: each failure shows the conversation."""

from __future__ import annotations

from collections.abc import Awaitable

import pytest
import trio
import trio.testing

from trionet.testing import LineClient, Link, MemoryStream, memory_stream_pair


def client_and_server(
    *, patience: float = 60.0, link: Link | None = None
) -> tuple[LineClient, MemoryStream]:
    ours, theirs = memory_stream_pair(link)
    return LineClient(ours, name="ann", patience=patience), theirs


async def failure_of(expectation: Awaitable[object]) -> str:
    with pytest.raises(AssertionError) as caught:
        await expectation
    assert caught.value.__cause__ is None
    return str(caught.value)


async def test_lines_are_sent_together_and_bytes_as_they_are() -> None:
    client, server = client_and_server()
    await client.send("one", "två")
    assert await server.receive_some() == "one\ntvå\n".encode()
    await client.send_bytes(b"\xffhalf")
    assert await server.receive_some() == b"\xffhalf"
    await client.send_eof()
    assert await server.receive_some() == b""


async def test_expect_takes_lines_in_order() -> None:
    client, server = client_and_server()
    await server.send_all(b"one\ntwo\r\nthree\n")
    await client.expect("one")
    await client.expect("two", "three")


async def test_an_unexpected_line_shows_the_conversation(
    autojump_clock: trio.testing.MockClock,
) -> None:
    client, server = client_and_server()
    await client.send("1 + 1")
    await server.send_all(b"warm-up\n3\n")
    told = await failure_of(client.expect("warm-up", "2"))
    assert told.splitlines() == [
        "ann expected '2', but '3' came",
        "the conversation of ann:",
        "      0.000 s → 1 + 1",
        "      0.000 s ← warm-up",
        "      0.000 s ← 3",
    ]


async def test_the_conversation_shows_the_ends_of_what_is_long(
    autojump_clock: trio.testing.MockClock,
) -> None:
    client, server = client_and_server(link=Link(capacity=1 << 20))
    await client.send_bytes(b"a" * 100_000)
    await client.send("<" + "b" * 501 + ">", "c" * 500)
    await server.send_all(b"<" + b"d" * 9_000 + b">\nno\n")
    await client.receive()
    told = await failure_of(client.expect("yes"))
    assert told.splitlines() == [
        "ann expected 'yes', but 'no' came",
        "the conversation of ann:",
        f"      0.000 s → b'{'a' * 398} … {'a' * 99}' (100,003 characters)",
        f"      0.000 s → <{'b' * 399} … {'b' * 99}> (503 characters)",
        f"      0.000 s → {'c' * 500}",
        f"      0.000 s ← <{'d' * 399} … {'d' * 99}> (9,002 characters)",
        "      0.000 s ← no",
    ]


async def test_a_line_that_differs_is_shown_whole(autojump_clock: trio.testing.MockClock) -> None:
    client, server = client_and_server()
    line = "x" * 3000
    await server.send_all(line.encode() + b"\n")
    assert f"but '{line}' came" in await failure_of(client.expect("y"))


async def test_a_line_that_does_not_come_fails_after_the_patience(
    autojump_clock: trio.testing.MockClock,
) -> None:
    client, _ = client_and_server(patience=5.0)
    await trio.sleep(1)
    await client.send_bytes(b"hel")
    told = await failure_of(client.expect("hello"))
    assert told.splitlines() == [
        "ann expected 'hello', but no line came within 5.0 s",
        "the conversation of ann:",
        "      1.000 s → b'hel'",
    ]
    assert trio.current_time() == pytest.approx(6.0)


async def test_a_failure_before_anything_was_said_says_so(
    autojump_clock: trio.testing.MockClock,
) -> None:
    client, _ = client_and_server()
    assert (await failure_of(client.receive())).endswith("conversation of ann:\n  (nothing yet)")


async def test_a_line_that_comes_late_but_in_time_is_received(
    autojump_clock: trio.testing.MockClock,
) -> None:
    client, server = client_and_server(link=Link(latency=59.0))
    await server.send_all(b"late\n")
    await client.expect("late")


async def test_an_end_instead_of_a_line_is_reported_with_its_reason() -> None:
    client, server = client_and_server()
    await client.send_eof()
    await server.send_eof()
    told = await failure_of(client.expect("bye"))
    assert "ann expected 'bye', but no more lines: the peer ended its sending" in told
    assert "→ (end of input)" in told
    assert "← (the peer ended its sending)" in told


async def test_a_reset_instead_of_a_line_is_reported_as_a_reset() -> None:
    client, server = client_and_server()
    server.reset()
    assert "no more lines: the peer reset the connection" in await failure_of(client.receive())


async def test_a_line_that_is_not_utf8_is_reported_as_such() -> None:
    client, server = client_and_server()
    await server.send_all(b"\xff\n\xfe\n")
    assert "cannot be read came: line is not UTF-8" in await failure_of(client.receive())
    told = await failure_of(client.expect_silence(1))
    assert "cannot be read came: line is not UTF-8" in told
    assert "the conversation of ann" in told


async def test_silence_lasts_as_long_as_expected(
    autojump_clock: trio.testing.MockClock,
) -> None:
    client, server = client_and_server(link=Link(latency=10.0))
    await server.send_all(b"x\n")
    await client.expect_silence(9.9)
    assert trio.current_time() == pytest.approx(9.9)
    told = await failure_of(client.expect_silence(0.2))
    assert "expected silence, but 'x' came" in told
    assert "(9.9 s of silence)" in told


async def test_the_end_of_the_connection_is_not_silence(
    autojump_clock: trio.testing.MockClock,
) -> None:
    client, server = client_and_server()
    await server.send_eof()
    told = await failure_of(client.expect_silence(1))
    assert "expected silence, but the peer ended its sending" in told


async def test_expecting_silence_loses_no_line(autojump_clock: trio.testing.MockClock) -> None:
    client, server = client_and_server()
    await server.send_all(b"hel")
    await client.expect_silence(1)
    await server.send_all(b"lo\n")
    await client.expect("hello")


async def test_expect_end_accepts_only_an_orderly_end(
    autojump_clock: trio.testing.MockClock,
) -> None:
    client, server = client_and_server()
    await server.send_eof()
    await client.expect_end()
    await client.expect_end()

    client, server = client_and_server()
    await server.send_all(b"not yet\n")
    await server.send_eof()
    assert "expected an end, but 'not yet' came" in await failure_of(client.expect_end())

    client, server = client_and_server()
    server.reset()
    assert "the peer reset the connection" in await failure_of(client.expect_end())

    client, server = client_and_server()
    assert "no line came within" in await failure_of(client.expect_end())


async def test_expect_end_rejects_an_end_in_the_middle_of_a_line() -> None:
    client, server = client_and_server()
    await server.send_all(b"*** serv")
    await server.send_eof()
    told = await failure_of(client.expect_end())
    assert "expected an end, but b'*** serv' came" in told


async def test_leaving_the_block_closes_the_stream() -> None:
    client, server = client_and_server()
    async with client as same:
        assert same is client
    assert await server.receive_some() == b""
    client, server = client_and_server()
    await client.aclose()
    assert await server.receive_some() == b""


class SendOnly(trio.abc.Stream):
    """A stream that cannot end its sending alone."""

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        raise NotImplementedError

    async def wait_send_all_might_not_block(self) -> None:
        raise NotImplementedError

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        raise NotImplementedError

    async def aclose(self) -> None:
        raise NotImplementedError


async def test_a_call_that_has_nothing_to_do_is_a_checkpoint_all_the_same() -> None:
    client, _server = client_and_server()
    with trio.testing.assert_checkpoints():
        await client.expect()
    with trio.testing.assert_checkpoints():
        await LineClient(SendOnly()).send_eof()
