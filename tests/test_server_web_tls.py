"""A server for browsers behind TLS, in memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing
from trio.testing import MockClock
from websockets.frames import Opcode

from trionet import Connection, Limits, Refused, ServerEvent, TLSStream, WhenSlow
from trionet.abc import Listener
from trionet.testing import Link, MemoryNetwork
from web_peer import HOST, WebPeer, masked, page, read_all, serving, text

if TYPE_CHECKING:
    from tests.conftest import Certificates


def shout(line: str) -> str:
    return line.upper()


class OverTLS(MemoryNetwork):
    """A network in memory whose connections are encrypted."""

    def __init__(self, certificates: Certificates) -> None:
        super().__init__()
        self._certificates = certificates

    async def listen(self, address: str, *, backlog: int | None = None) -> Sequence[Listener]:
        listeners = await super().listen(address, backlog=backlog)
        for listener in listeners if not address.startswith("web:") else ():
            accept_nowait = listener.accept_nowait

            def secured(accept_nowait=accept_nowait):  # type: ignore[no-untyped-def]
                context = self._certificates.server()
                return TLSStream(accept_nowait(), context, server_side=True)

            listener.accept_nowait = secured  # type: ignore[method-assign]
        return listeners

    async def opened(self, *, back: Link | None = None) -> WebPeer:
        transport = await self.connect(HOST, back=back)
        context = self._certificates.client()
        peer = WebPeer(TLSStream(transport, context, server_hostname="localhost"))  # type: ignore[arg-type]
        await peer.open()
        return peer


@pytest.fixture
def network(certificates: Certificates) -> OverTLS:
    return OverTLS(certificates)


async def test_lines_and_the_end_pass_through_tls(
    network: OverTLS, autojump_clock: MockClock
) -> None:
    async with serving(shout, network=network) as server:
        peer = await network.opened()
        await peer.send(text("one"), masked(Opcode.PING, b"p"), text("two"))
        received = b""
        pongs: list[bytes] = []
        while received != b"ONE\nTWO\n" or not pongs:
            frame = await peer.frame()
            if frame.opcode == Opcode.PONG:
                pongs.append(bytes(frame.data))
            else:
                received += frame.data
        assert pongs == [b"p"]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(server.drain)
            assert await peer.closed() == 1001
            await peer.stream.aclose()


async def test_a_slow_peer_loses_whole_frames_and_no_answer_to_a_ping(
    network: OverTLS, autojump_clock: MockClock
) -> None:
    async def flood(connection: Connection) -> None:
        async for line in connection.lines:
            for number in range(int(line)):
                connection.outbox.put(b"%0*d\n" % (number % 300 + 1, number))

    limits = Limits(max_waiting=5000)
    async with serving(flood, network=network, limits=limits, when_slow=WhenSlow.DROP_OLDEST):
        peer = await network.opened(back=Link(capacity=4000))
        for number in range(5):
            await peer.send(text("200"), masked(Opcode.PING, b"%d" % number))
            await trio.testing.wait_all_tasks_blocked()
        pongs: list[bytes] = []
        received = b""
        while pongs[-1:] != [b"4"] or b"missed" not in received:
            frame = await peer.frame()
            if frame.opcode == Opcode.PONG:
                pongs.append(bytes(frame.data))
            else:
                received += frame.data
                assert received.endswith(b"\n")
        assert pongs == [b"0", b"1", b"2", b"3", b"4"]


async def test_what_is_no_tls_is_told_so(network: OverTLS, autojump_clock: MockClock) -> None:
    events: list[ServerEvent] = []
    async with serving(shout, network=network, events=events):
        stream = await network.connect(HOST)
        await stream.send_all(page())
        await stream.send_eof()
        assert await read_all(stream) == b"error: this port speaks TLS\n"
        await trio.testing.wait_all_tasks_blocked()
    (refused,) = events
    assert isinstance(refused, Refused)
    assert refused.reason == "no handshake: the other side does not speak TLS"
