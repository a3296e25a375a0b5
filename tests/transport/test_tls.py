"""TLS over any stream: what both sides see, whatever the stream under it does."""

from __future__ import annotations

import socket
import ssl
import struct
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import pytest
import trio
import trio.testing

from trionet import Connection, Limits, Server, serve
from trionet.connection.closing import lingering_close
from trionet.connection.input_end import InputEnd
from trionet.connection.linestream import LineStream
from trionet.connection.reader import LineReader
from trionet.errors import ReceiveInterrupted
from trionet.events import Closed, ServerEvent
from trionet.testing import Link, cut_at_random, cut_bytes, memory_stream_pair
from trionet.transport.listener import SocketListener
from trionet.transport.network import SYSTEM, SystemNetwork
from trionet.transport.sockets import SocketStream
from trionet.transport.tls import TLSStream
from trionet.transport.tlsengine import TLSEngine
from trionet.transport.tlshandshake import REFUSAL
from trionet.transport.tlslistener import TLSListener

if TYPE_CHECKING:
    from tests.conftest import Certificates

from tls_pairs import Pairs, broken, receive_all, receive_exactly, shake_hands

# --- both ways ---


@pytest.mark.parametrize("size", [1, 7, 16384, 16385, 100_000])
async def test_what_is_sent_arrives_however_it_is_cut(pairs: Pairs, size: int) -> None:
    data = bytes(range(256)) * (size // 256 + 1)
    cuts: Iterator[int] = iter(range(1000))
    link = Link(capacity=1000, cut=lambda: cut_at_random(next(cuts)))
    client, server = await pairs.ready(link)
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def send() -> None:
            await client.send_all(data[:size])
            await client.send_eof()

        assert await receive_all(server) == data[:size]


async def test_large_transfers_cross_each_other(pairs: Pairs) -> None:
    client, server = await pairs.ready(Link(capacity=5000))
    data = bytes(range(256)) * 4096
    async with trio.open_nursery() as nursery:
        for sender, receiver in ((client, server), (server, client)):
            nursery.start_soon(sender.send_all, data)

            @nursery.start_soon
            async def receive(receiver: TLSStream = receiver) -> None:
                assert await receive_exactly(receiver, len(data)) == data


async def test_a_receive_returns_no_more_than_was_asked_for(pairs: Pairs) -> None:
    client, server = await pairs.ready()
    await client.send_all(b"a" * 20_000 + b"b")
    assert await server.receive_some(1) == b"a"
    assert await server.receive_some(16_999) == b"a" * 16_999
    assert await server.receive_some() == b"aaa" * 1000 + b"b"
    with pytest.raises(ValueError, match="max_bytes"):
        await server.receive_some(0)


@pytest.mark.parametrize(("asked", "held"), [(1, 4096), (4096, 4096), (65_536, 16_645)])
async def test_what_is_not_asked_for_waits_in_the_transport_and_not_with_openssl(
    pairs: Pairs, asked: int, held: int
) -> None:
    # OpenSSL never gives back what its buffer took once.
    client, server = await pairs.ready()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(client.send_all, b"a" * 200_000)
        await trio.testing.wait_all_tasks_blocked()
        for _ in range(10):
            assert 1 <= len(await server.receive_some(asked)) <= asked
            assert server._engine._incoming.pending < held
        nursery.cancel_scope.cancel()


async def test_a_handshake_takes_in_little_of_what_comes_after_it(newest: Pairs) -> None:
    client, server = newest.fresh()
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def send() -> None:
            await client.do_handshake()
            await client.send_all(b"a" * 60_000)

        await server.do_handshake()
        assert server._engine._incoming.pending < 4096
        nursery.cancel_scope.cancel()


async def test_receiving_and_sending_are_checkpoints_even_without_a_wait(pairs: Pairs) -> None:
    client, server = await pairs.ready()
    with trio.testing.assert_checkpoints():
        await client.send_all(b"")
    with trio.testing.assert_checkpoints():
        await client.send_all(b"hello")
    await trio.testing.wait_all_tasks_blocked()
    assert await server.receive_some(2) == b"he"
    with trio.testing.assert_checkpoints():
        assert await server.receive_some() == b"llo"


async def test_a_large_send_is_made_in_pieces_and_never_held_whole(newest: Pairs) -> None:
    client, server = await newest.ready(Link(capacity=1000))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(client.send_all, b"a" * 1_000_000)
        received = 0
        while received < 1_000_000:
            received += len(await server.receive_some())
            assert len(client._ciphertext.unsent) < 17_000


async def test_only_one_task_sends_and_only_one_receives(pairs: Pairs) -> None:
    client, _server = await pairs.ready(Link(capacity=1000))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(client.send_all, b"a" * 10_000)
        nursery.start_soon(client.receive_some)
        await trio.testing.wait_all_tasks_blocked()
        for call in (client.send_eof, client.wait_send_all_might_not_block, client.receive_some):
            with pytest.raises(trio.BusyResourceError):
                await call()
        with pytest.raises(trio.BusyResourceError):
            await client.send_all(b"more")
        nursery.cancel_scope.cancel()


async def test_waiting_for_room_waits_until_there_is_some(
    pairs: Pairs, autojump_clock: trio.testing.MockClock
) -> None:
    client, server = await pairs.ready(Link(capacity=1000))
    await client.wait_send_all_might_not_block()
    with trio.move_on_after(1):
        await client.send_all(b"a" * 10_000)
    done = False
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def wait() -> None:
            nonlocal done
            await client.wait_send_all_might_not_block()
            done = True

        await trio.testing.wait_all_tasks_blocked()
        assert not done
        assert await receive_exactly(server, 10_000)


@pytest.mark.parametrize("compatible", [False, True])
@pytest.mark.parametrize("server_side", [False, True])
async def test_trios_own_stream_understands_it_and_its_close_notify(
    pairs: Pairs, compatible: bool, server_side: bool
) -> None:
    near, far = pairs.transports()
    context = pairs.server_context if server_side else pairs.client_context
    trios = trio.SSLStream(
        cast("trio.abc.Stream", near),
        context,
        server_hostname=None if server_side else "localhost",
        server_side=server_side,
        https_compatible=compatible,
    )
    ours = pairs.client(far) if server_side else pairs.server(far)
    await shake_hands(trios, ours)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trios.send_all, b"hello" * 100_000)
        assert await receive_exactly(ours, 500_000) == b"hello" * 100_000
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def answer() -> None:
            await ours.send_all(b"hello" * 100_000)
            await ours.aclose()

        # Without `close_notify` this would be an error where `compatible` is False.
        assert await receive_all(trios) == b"hello" * 100_000
    await trios.aclose()


# --- the end ---


async def test_half_close_in_both_directions(pairs: Pairs) -> None:
    client, server = await pairs.ready(Link(cut=lambda: cut_bytes(7)))
    await client.send_all(b"12 + 42\n")
    await client.send_eof()
    assert await receive_all(server) == b"12 + 42\n"
    await server.send_all(b"54\n" * 10_000)
    await server.send_eof()
    assert await receive_all(client) == b"54\n" * 10_000
    for stream in (client, server):
        assert await stream.receive_some() == b""
        await stream.send_eof()
        with pytest.raises(trio.ClosedResourceError):
            await stream.send_all(b"more")
        with pytest.raises(trio.ClosedResourceError):
            await stream.wait_send_all_might_not_block()


@pytest.mark.parametrize("arrived", range(0, 60, 7))
async def test_half_close_keeps_input_that_is_there_in_whole_or_in_part(
    pairs: Pairs, arrived: int
) -> None:
    client, server = await pairs.ready()
    near = client._transport
    await client.send_all(b"one\n")
    # Part of a record has come.
    client._engine.encrypt(b"two\n")
    record = client._engine.take_output()
    near.send_nowait(record[:arrived])
    with trio.move_on_after(0):
        await server.receive_some(1)
    assert await server.receive_some(1) == b"o"
    await server.send_eof()
    near.send_nowait(record[arrived:])
    await client.send_all(b"three\n")
    await client.send_eof()
    assert await receive_all(server) == b"ne\ntwo\nthree\n"
    assert await receive_all(client) == b""


async def test_part_of_a_record_does_not_swallow_an_interruption(pairs: Pairs) -> None:
    # The order in which Trio runs two tasks is random.
    for _ in range(20):
        near, far = (SocketStream(sock, peer="peer") for sock in socket.socketpair())
        client, server = pairs.client(near), pairs.server(far)
        await shake_hands(client, server)
        client._engine.encrypt(b"two\n")
        record = client._engine.take_output()
        with trio.fail_after(5):
            async with trio.open_nursery() as nursery:

                async def receive(server: TLSStream = server) -> None:
                    with pytest.raises(ReceiveInterrupted):
                        await server.receive_some()

                nursery.start_soon(receive)
                await trio.testing.wait_all_tasks_blocked()
                near.send_nowait(record[:10])
                await trio.lowlevel.checkpoint()
                # By now it may be awake and no longer wait.
                server.interrupt_receive()
            near.send_nowait(record[10:])
            assert await server.receive_some() == b"two\n"
        client.close()
        server.close()


async def test_an_end_without_close_notify_is_an_end(pairs: Pairs) -> None:
    client, server = await pairs.ready()
    await client.send_all(b"hello")
    client._transport.close()
    assert await receive_all(server) == b"hello"
    assert await server.receive_some() == b""


async def test_an_end_in_the_middle_of_a_record_is_an_end(pairs: Pairs) -> None:
    client, server = await pairs.ready()
    await client.send_all(b"hello")
    client._engine.encrypt(b"a" * 1000)
    client._transport.send_nowait(client._engine.take_output()[:500])
    client._transport.close()
    assert await receive_all(server) == b"hello"


async def test_a_reset_breaks_the_stream(pairs: Pairs) -> None:
    client, server = await pairs.ready()
    await server.send_all(b"unread")
    client._transport.close()
    with pytest.raises(trio.BrokenResourceError):
        while True:
            await server.send_all(b"more")
    with pytest.raises(trio.BrokenResourceError):
        await server.receive_some()
    await server.aclose()


async def test_input_that_is_not_tls_breaks_the_stream_after_the_good_input(pairs: Pairs) -> None:
    client, server = await pairs.ready()
    await client.send_all(b"good\n")
    client._transport.send_nowait(b"nonsense" * 10)
    assert await server.receive_some() == b"good\n"
    assert await broken(server)
    await server.aclose()
    with pytest.raises(trio.BrokenResourceError, match="alert"):
        await client.receive_some()


async def test_closing_sends_close_notify_and_what_was_sent_arrives(pairs: Pairs) -> None:
    client, server = await pairs.ready()
    await server.send_all(b"last words")
    await server.aclose()
    await server.aclose()
    assert await receive_all(client) == b"last words"
    for call in (server.do_handshake, server.receive_some, server.send_eof):
        with pytest.raises(trio.ClosedResourceError):
            await call()
    with pytest.raises(trio.ClosedResourceError):
        await server.send_all(b"more")
    server.interrupt_receive()


async def test_closing_never_waits_for_a_peer_that_does_not_read(
    pairs: Pairs, autojump_clock: trio.testing.MockClock
) -> None:
    _client, server = await pairs.ready(Link(capacity=1000))
    with trio.move_on_after(1):
        await server.send_all(b"a" * 10_000)
    with trio.testing.assert_checkpoints():
        await server.aclose()
    assert trio.current_time() == 1


async def test_a_cancelled_close_closes(pairs: Pairs) -> None:
    client, server = await pairs.ready()
    await trio.aclose_forcefully(server)
    assert await client.receive_some() == b""


async def test_closing_wakes_a_task_that_receives(pairs: Pairs) -> None:
    _client, server = await pairs.ready()
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def receive() -> None:
            with pytest.raises(trio.ClosedResourceError):
                await server.receive_some()

        await trio.testing.wait_all_tasks_blocked()
        await server.aclose()


async def test_there_is_nothing_to_end_before_the_handshake(pairs: Pairs) -> None:
    _client, server = pairs.fresh()
    with pytest.raises(trio.BrokenResourceError, match="no TLS handshake"):
        await server.send_eof()


async def test_a_cancelled_end_of_sending_can_be_tried_again(
    pairs: Pairs, autojump_clock: trio.testing.MockClock
) -> None:
    client, server = await pairs.ready(Link(capacity=1000))
    with trio.move_on_after(1):
        await server.send_all(b"a" * 10_000)
    with trio.move_on_after(1) as scope:
        await server.send_eof()
    assert scope.cancelled_caught
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.send_eof)
        assert await receive_all(client) == b"a" * 10_000


# --- cancelled and interrupted ---


async def test_a_cancelled_receive_loses_nothing_and_sending_goes_on(
    pairs: Pairs, autojump_clock: trio.testing.MockClock
) -> None:
    client, server = await pairs.ready()
    # Half a record has come when the receive is cancelled.
    client._engine.encrypt(b"question\n")
    record = client._engine.take_output()
    client._transport.send_nowait(record[:10])
    with trio.move_on_after(1) as scope:
        await server.receive_some()
    assert scope.cancelled_caught
    await server.send_all(b"answer\n")
    client._transport.send_nowait(record[10:])
    assert await server.receive_some() == b"question\n"
    await server.aclose()
    assert await receive_all(client) == b"answer\n"


async def test_after_a_cancelled_send_the_stream_can_send_more_and_end(
    pairs: Pairs, autojump_clock: trio.testing.MockClock
) -> None:
    client, server = await pairs.ready(Link(capacity=1000))
    with trio.move_on_after(1) as scope:
        await server.send_all(b"a" * 100_000)
    assert scope.cancelled_caught
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def go_on() -> None:
            await server.send_all(b"b" * 10)
            await server.send_eof()

        received = await receive_all(client)
    assert received == b"a" * 16384 + b"b" * 10


async def test_an_interrupted_receive_ends_and_the_connection_lives_on(
    pairs: Pairs,
) -> None:
    client, server = await pairs.ready()
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def receive() -> None:
            with pytest.raises(ReceiveInterrupted):
                await server.receive_some()

        await trio.testing.wait_all_tasks_blocked()
        server.interrupt_receive()
    await server.send_all(b"server is closing\n")
    await client.send_all(b"but I have more\n")
    await client.send_eof()
    assert await server.receive_some() == b"but I have more\n"
    await server.aclose()
    assert await receive_all(client) == b"server is closing\n"


async def test_after_a_line_reader_is_stopped_the_answers_still_go_out(pairs: Pairs) -> None:
    client, server = await pairs.ready()
    reader = LineReader(server)
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def read() -> None:
            assert await reader.receive_batch() == ["12 + 42"]
            assert await reader.receive_batch() == []
            await server.send_all(b"54\n")
            await lingering_close(server, seconds=1)

        await client.send_all(b"12 + 42\n")
        await trio.testing.wait_all_tasks_blocked()
        reader.stop()
        assert await receive_all(client) == b"54\n"
        await client.aclose()
    assert reader.end is InputEnd.STOPPED


async def test_a_lingering_close_loses_nothing_despite_unread_input(
    pairs: Pairs, autojump_clock: trio.testing.MockClock
) -> None:
    client, server = await pairs.ready()
    await client.send_all(b"unread" * 1000)
    await server.send_all(b"last words")
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def close() -> None:
            await lingering_close(server, seconds=60)

        await trio.sleep(1)
        await client.send_all(b"and more")
        assert await receive_all(client) == b"last words"
        await client.aclose()
    assert trio.current_time() == 1


async def test_a_lingering_close_does_not_wait_for_a_handshake_to_begin(
    pairs: Pairs, autojump_clock: trio.testing.MockClock
) -> None:
    _, server = pairs.fresh()
    await lingering_close(server, seconds=60)
    assert trio.current_time() == 0


async def test_a_client_ends_its_sending_and_still_gets_the_answers(pairs: Pairs) -> None:
    near, far = await pairs.ready()
    async with LineStream(near) as client, LineStream(far) as server:
        await client.send("12 + 42")
        await client.send_eof()
        assert [line async for line in server] == ["12 + 42"]
        await server.send("54")
        await server.aclose()
        assert [line async for line in client] == ["54"]


async def test_a_peer_that_asks_for_answers_and_never_reads_them_breaks_the_stream(
    newest: Pairs, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, server = await newest.ready(Link(capacity=1000))
    # Python's ssl module cannot ask for new keys, so this stands in for the answers.
    take_output = TLSEngine.take_output

    def answering(engine: TLSEngine) -> bytes:
        return take_output(engine) + (b"k" * 1000 if engine is server._engine else b"")

    monkeypatch.setattr(TLSEngine, "take_output", answering)
    with pytest.raises(trio.BrokenResourceError, match="than it reads"):
        for _ in range(1000):
            await client.send_all(b"?")
            await server.receive_some()


async def test_a_stream_tells_whether_it_is_broken_whatever_broke_it(pairs: Pairs) -> None:
    client, server = await pairs.ready()
    assert not client.is_broken()
    assert not server.is_broken()
    # Input that has ended breaks nothing: this side can still send.
    await client.send_eof()
    assert await receive_all(server) == b""
    assert not server.is_broken()
    server.close()
    assert server.is_broken()

    client, server = await pairs.ready()
    client._transport.reset()  # type: ignore[attr-defined]
    assert server.is_broken()

    client, server = await pairs.ready()
    await client._transport.send_all(b"no TLS at all")  # type: ignore[attr-defined]
    assert not server.is_broken()
    await broken(server)
    assert server.is_broken()


async def test_a_stream_is_not_broken_while_another_task_sends_on_it(newest: Pairs) -> None:
    client, server = await newest.ready(Link(capacity=10))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(client.send_all, b"x" * 1000)
        await trio.testing.wait_all_tasks_blocked()
        assert not client.is_broken()
        assert await receive_exactly(server, 1000) == b"x" * 1000


# --- on sockets ---


@pytest.fixture
def network(certificates: Certificates) -> SystemNetwork:
    return SystemNetwork(
        certificate=certificates.certificate, private_key=certificates.key, ca=certificates.ca
    )


async def listen(network: SystemNetwork) -> TLSListener:
    (listener,) = await network.listen("tls:127.0.0.1:0")
    assert isinstance(listener, TLSListener)
    return listener


async def test_accepting_makes_no_handshake(network: SystemNetwork) -> None:
    async with await listen(network) as listener:
        silent = await SYSTEM.connect(listener.address.removeprefix("tls:"))
        async with silent, await listener.accept() as accepted:
            assert isinstance(silent, SocketStream)
            assert accepted.peer == "{}:{}".format(*silent._sock.getsockname())
            async with trio.open_nursery() as nursery:

                @nursery.start_soon
                async def connect() -> None:
                    await (await network.connect(listener.address)).aclose()

                async with await listener.accept() as second:
                    await second.do_handshake()
            with pytest.raises(trio.WouldBlock):
                listener.accept_nowait()


async def test_a_large_transfer_over_sockets(network: SystemNetwork) -> None:
    data = bytes(range(256)) * 16384
    async with await listen(network) as listener, trio.open_nursery() as nursery:

        @nursery.start_soon
        async def echo() -> None:
            async with await listener.accept() as accepted:
                async for piece in accepted:
                    await accepted.send_all(piece)
                await accepted.send_eof()

        async with await network.connect(listener.address) as client:

            @nursery.start_soon
            async def send() -> None:
                await client.send_all(data)
                await client.send_eof()

            assert await receive_all(client) == data


async def test_a_client_that_cannot_be_accepted_is_refused_in_tls(network: SystemNetwork) -> None:
    async with await listen(network) as listener:
        assert listener._transport.refusal == REFUSAL
        near, far = socket.socketpair()
        with far:
            far.send(REFUSAL)
            context = ssl.create_default_context()
            stream = TLSStream(SocketStream(near, peer=""), context, server_hostname="localhost")
            async with stream:
                assert await broken(stream) == "tlsv1 alert internal error"


async def echo(connection: Connection) -> None:
    async for line in connection.lines:
        await connection.send(line)
    await connection.send("goodbye")


async def test_a_server_serves_encrypted_lines_and_drains(network: SystemNetwork) -> None:
    async with trio.open_nursery() as nursery:

        async def run(task_status: trio.TaskStatus[Server]) -> None:
            await serve(
                echo,
                "tls:127.0.0.1:0",
                limits=Limits(drain_seconds=60),
                network=network,
                task_status=task_status,
            )

        server: Server = await nursery.start(run)
        assert server.addresses[0].startswith("tls:127.0.0.1:")
        client = LineStream(await network.connect(server.addresses[0]))
        plain = LineStream(await SYSTEM.connect(server.addresses[0].removeprefix("tls:")))
        await plain.send("GET / HTTP/1.1")
        assert await plain.receive() == "error: this port speaks TLS"
        await plain.aclose()
        await client.send("12 + 42", "x" * 3000)
        assert await client.receive() == "12 + 42"
        assert await client.receive() == "x" * 3000
        nursery.start_soon(server.drain)
        assert await client.receive() == "goodbye"
        with pytest.raises(trio.EndOfChannel):
            await client.receive()
        assert client.end is InputEnd.EOF
        await client.aclose()


async def test_input_that_is_not_tls_is_told_from_a_reset(network: SystemNetwork) -> None:
    reason = await reason_of_the_end(echo, network, "nonsense")
    assert reason == "the peer broke the TLS protocol"


async def test_a_reader_knows_that_its_peer_broke_tls(pairs: Pairs) -> None:
    client, server = await pairs.ready()
    await client.send_all(b"good\n")
    client._transport.send_nowait(b"nonsense" * 10)
    lines = LineReader(server)
    assert await lines.receive() == "good"
    assert await lines.receive_batch() == []
    assert lines.end is InputEnd.TLS


@pytest.mark.parametrize("misbehave", ["leave", "reset"])
async def test_what_a_peer_does_to_a_handler_that_uses_the_stream_itself_is_not_a_fault(
    misbehave: str, network: SystemNetwork, caplog: pytest.LogCaptureFixture
) -> None:
    async def raw(connection: Connection) -> None:
        while True:
            await connection.stream.send_all(b"good-bye\n" * 1000)

    reason = await reason_of_the_end(raw, network, misbehave)
    assert reason == "the peer went away"
    assert not caplog.records


async def test_another_stream_that_breaks_is_a_fault_of_the_handler(
    network: SystemNetwork, caplog: pytest.LogCaptureFixture
) -> None:
    async def proxy(_connection: Connection) -> None:
        upstream, other_end = memory_stream_pair()
        await other_end.aclose()
        await upstream.send_all(b"hello\n")

    assert await reason_of_the_end(proxy, network) == "the handler failed"
    assert [record.levelname for record in caplog.records] == ["ERROR"]


async def reason_of_the_end(
    handler: Callable[[Connection], Awaitable[object]],
    network: SystemNetwork,
    misbehave: str | None = None,
) -> str:
    """Serve one encrypted connection, and return the reason that its end is reported with."""
    ended = trio.Event()
    reasons: list[str] = []

    def note(event: ServerEvent) -> None:
        if isinstance(event, Closed):
            reasons.append(event.reason)
            ended.set()

    async with trio.open_nursery() as nursery:
        start = partial(serve, handler, "tls:127.0.0.1:0", network=network, on_event=note)
        server: Server = await nursery.start(start)
        client = await network.connect(server.addresses[0])
        assert isinstance(client, TLSStream)
        await client.do_handshake()
        if misbehave == "reset":
            assert isinstance(client._transport, SocketStream)
            abort = struct.pack("ii", 1, 0)
            client._transport._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, abort)
        if misbehave == "nonsense":
            client._transport.send_nowait(b"nonsense" * 10)
        elif misbehave is not None:
            client.close()
        await ended.wait()
        client.close()
        nursery.cancel_scope.cancel()
    return reasons[0]


@pytest.mark.parametrize("wrong", [None, 7, "cert.pem"])
def test_what_tls_cannot_be_made_of_is_refused_with_what_it_must_be(
    newest: Pairs, wrong: Any
) -> None:
    near, _ = newest.transports()
    with pytest.raises(TypeError, match=r"context must be an ssl\.SSLContext, not"):
        TLSStream(near, wrong)
    with pytest.raises(TypeError, match=r"transport must be a trionet\.SocketStream or .*, not"):
        TLSStream(wrong, newest.server_context)
    with pytest.raises(TypeError, match=r"transport must be a trionet\.SocketListener, not"):
        TLSListener(wrong, newest.server_context)
    with (
        socket.create_server(("127.0.0.1", 0)) as sock,
        pytest.raises(TypeError, match=r"context must be an ssl\.SSLContext, not"),
    ):
        TLSListener(SocketListener(sock), wrong)
