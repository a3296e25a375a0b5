"""The handshake of TLS: who is let in, and what the others are told."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any, cast

import pytest
import trio
import trio.testing

from trionet.connection.closing import lingering_close
from trionet.errors import ReceiveInterrupted
from trionet.events import SAID_NOTHING
from trionet.testing import Link, cut_bytes
from trionet.transport.tls import TLSStream

if TYPE_CHECKING:
    pass

from tls_pairs import Pairs, broken, receive_all, receive_exactly, shake_hands


async def test_a_stream_knows_its_peer_before_the_handshake(pairs: Pairs) -> None:
    client, server = pairs.fresh()
    assert (client.peer, server.peer) == ("there:2", "here:1")


async def test_the_handshake_is_made_once_however_often_it_is_asked_for(pairs: Pairs) -> None:
    client, server = await pairs.ready()
    with trio.testing.assert_checkpoints():
        await server.do_handshake()
    await client.do_handshake()
    await client.send_all(b"hello")
    assert await server.receive_some() == b"hello"


async def test_the_first_receive_or_send_makes_the_handshake(pairs: Pairs) -> None:
    client, server = pairs.fresh()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(client.send_all, b"hello")
        assert await server.receive_some() == b"hello"


async def test_a_reader_and_a_writer_on_both_sides_share_one_handshake(pairs: Pairs) -> None:
    client, server = pairs.fresh(Link(capacity=10, cut=cut_bytes))
    received: list[bytes] = []
    async with trio.open_nursery() as nursery:
        for stream in (client, server):
            nursery.start_soon(stream.send_all, b"hello")

            @nursery.start_soon
            async def receive(stream: TLSStream = stream) -> None:
                received.append(await receive_exactly(stream, 5))

    assert received == [b"hello"] * 2


async def test_a_silent_peer_keeps_only_its_own_handshake_waiting(
    pairs: Pairs, autojump_clock: trio.testing.MockClock
) -> None:
    client, server = pairs.fresh()
    with trio.move_on_after(10) as deadline:
        await server.do_handshake()
    assert deadline.cancelled_caught
    assert trio.current_time() == 10
    # It goes on from where it was.
    await shake_hands(client, server)
    await server.send_all(b"hello")
    assert await client.receive_some() == b"hello"


async def test_a_handshake_goes_on_wherever_it_was_cancelled(pairs: Pairs) -> None:
    for step in range(1, 30):
        client, server = pairs.fresh(Link(capacity=100, cut=lambda: cut_bytes(100)))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.do_handshake)
            with trio.CancelScope() as scope:

                @nursery.start_soon
                async def cancel(scope: trio.CancelScope = scope, step: int = step) -> None:
                    for _ in range(step):
                        await trio.lowlevel.checkpoint()
                    scope.cancel()

                await server.do_handshake()
            await server.send_all(b"hello")
            assert await receive_exactly(client, 5) == b"hello"


async def test_an_interrupted_handshake_goes_on_when_it_is_called_again(pairs: Pairs) -> None:
    client, server = pairs.fresh()
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def interrupted() -> None:
            with pytest.raises(ReceiveInterrupted):
                await server.do_handshake()

        await trio.testing.wait_all_tasks_blocked()
        server.interrupt_receive()
    await shake_hands(client, server)


async def test_a_sender_is_not_interrupted_in_its_handshake(pairs: Pairs) -> None:
    client, server = pairs.fresh()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.send_all, b"hello")
        await trio.testing.wait_all_tasks_blocked()
        server.interrupt_receive()
        await trio.testing.wait_all_tasks_blocked()
        assert await client.receive_some() == b"hello"


async def test_closing_a_stream_in_its_handshake_wakes_the_waiting_tasks(pairs: Pairs) -> None:
    client, server = pairs.fresh()
    async with trio.open_nursery() as nursery:
        for call in (server.do_handshake, server.receive_some):

            @nursery.start_soon
            async def wait(call: Any = call) -> None:
                with pytest.raises(trio.ClosedResourceError):
                    await call()

        await trio.testing.wait_all_tasks_blocked()
        await server.aclose()
    with pytest.raises(trio.BrokenResourceError):
        await client.do_handshake()


@pytest.mark.parametrize(
    "said",
    [b"q", "Ännchen\n".encode(), b"\n", b"ann\n12 + 42\n", b"GET / HTTP/1.1\r\n\r\n", b"\0" * 100],
)
async def test_a_plain_text_client_is_told_in_plain_text_and_breaks_the_stream(
    newest: Pairs, said: bytes
) -> None:
    near, far = newest.transports()
    client, server = cast("trio.abc.Stream", near), newest.server(far)
    await client.send_all(said)
    for _ in range(2):
        with pytest.raises(trio.BrokenResourceError, match="the other side does not speak TLS"):
            await server.receive_some()
        with pytest.raises(trio.BrokenResourceError, match="the other side does not speak TLS"):
            await server.send_all(b"secret")
    # After the end of the sending, input is there to be counted, and is never taken for text.
    await client.send_all(b"password")
    await server.send_eof()
    received = await server.receive_some()
    assert received
    assert not any(received)
    await server.aclose()
    assert await receive_all(client) == b"error: this port speaks TLS\n"


async def test_the_word_to_a_plain_text_client_arrives_however_much_it_sends(
    newest: Pairs, autojump_clock: trio.testing.MockClock
) -> None:
    near, far = newest.transports(Link(latency=0.1))
    client, server = cast("trio.abc.Stream", near), newest.server(far)
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def send() -> None:
            for _ in range(20):
                await client.send_all(b"POST / HTTP/1.1\r\n" * 100)
                await trio.sleep(0.01)

        @nursery.start_soon
        async def refuse() -> None:
            with pytest.raises(trio.BrokenResourceError):
                await server.do_handshake()
            await lingering_close(server)

        assert await receive_all(client) == b"error: this port speaks TLS\n"
        await client.aclose()
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("said", [b"\x16", b"\x15\x03", b"\x80"])
async def test_what_may_become_tls_is_waited_for(
    newest: Pairs, said: bytes, autojump_clock: trio.testing.MockClock
) -> None:
    near, far = newest.transports()
    client, server = cast("trio.abc.Stream", near), newest.server(far)
    await client.send_all(said)
    with trio.move_on_after(5) as scope:
        await server.do_handshake()
    assert scope.cancelled_caught


@pytest.mark.parametrize("said", [b"\x16\x03\x01\0\x05hello", b"\x16hello"])
async def test_broken_tls_gets_no_plain_text(newest: Pairs, said: bytes) -> None:
    near, far = newest.transports()
    client, server = cast("trio.abc.Stream", near), newest.server(far)
    await client.send_all(said)
    assert await broken(server)
    await server.aclose()
    # Nothing, or an alert.
    assert (await receive_all(client))[:1] in (b"", b"\x15")


async def test_a_plain_text_server_is_recognized(newest: Pairs) -> None:
    near, far = newest.transports()
    client = newest.client(near)
    await cast("trio.abc.Stream", far).send_all(b"error: server is full\n")
    assert await broken(client) == "the other side does not speak TLS"


@pytest.mark.parametrize("said", [b"", b"\x16\x03"])
async def test_a_peer_that_leaves_in_the_handshake_breaks_the_stream(
    pairs: Pairs, said: bytes
) -> None:
    near, far = pairs.transports()
    server = pairs.server(far)
    if said:
        await cast("trio.abc.Stream", near).send_all(said)
    near.close()
    ended = "the other side ended the connection in the TLS handshake"
    assert await broken(server) == (ended if said else SAID_NOTHING)
    await server.aclose()


async def test_a_client_that_speaks_only_old_versions_is_refused(newest: Pairs) -> None:
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.minimum_version = ssl.TLSVersion.TLSv1_1
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    near, far = newest.transports()
    client = TLSStream(near, old, server_hostname="localhost")
    server = newest.server(far)
    async with trio.open_nursery() as nursery:
        for stream in (client, server):

            @nursery.start_soon
            async def fail(stream: TLSStream = stream) -> None:
                with pytest.raises(trio.BrokenResourceError, match="protocol"):
                    await stream.do_handshake()


async def test_both_sides_learn_that_the_client_distrusts_the_certificate(newest: Pairs) -> None:
    near, far = newest.transports()
    server = newest.server(far)
    client = TLSStream(near, ssl.create_default_context(), server_hostname="localhost")
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def refuse() -> None:
            assert (await broken(client)).startswith("certificate verify failed: ")

        with pytest.raises(trio.BrokenResourceError, match="the other side does not trust this"):
            await server.receive_some()


async def test_a_stream_can_be_asked_for_input_before_the_handshake(
    pairs: Pairs, autojump_clock: trio.testing.MockClock
) -> None:
    client, server = pairs.fresh()
    assert not server.has_input()
    assert not client.has_input()
    with trio.move_on_after(0.01):
        await client.do_handshake()
    assert server.has_input()
