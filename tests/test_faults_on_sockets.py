"""The faults of `test_fault_matrix` that are different on sockets, on loopback.

After each: the others are answered, leaving was told once or not at all, the connection was logged
as closed once, and the process has as many open descriptors as before.
"""

from __future__ import annotations

import logging
import socket
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

import pytest
import trio

from trionet import Closed, Server, ServerEvent, SocketStream, calc, chat
from trionet.testing import LineClient

DESCRIPTORS = Path("/proc/self/fd")

# Seconds allowed, even on a loaded machine, for what takes a fraction of one.
PATIENCE = 20

needs_proc = pytest.mark.skipif(
    not DESCRIPTORS.exists(), reason="open descriptors are counted in /proc/self/fd"
)


def descriptors() -> int:
    return len(list(DESCRIPTORS.iterdir()))


@dataclass
class Service:
    """What both services have in common, as seen by one healthy client, Ann."""

    serve: ClassVar[Callable[..., Awaitable[None]]]
    limits: ClassVar[Any]
    member_line: ClassVar[bytes]
    stranger_line: ClassVar[bytes]
    leaving: ClassVar[str]
    # What Ann hears when the server drains.
    farewell: ClassVar[tuple[str, ...]]

    shown: list[str] = field(default_factory=list)
    events: list[ServerEvent] = field(default_factory=list)
    changed: trio.lowlevel.ParkingLot = field(default_factory=trio.lowlevel.ParkingLot)

    async def run(self, *, task_status: trio.TaskStatus[Server]) -> None:
        await type(self).serve(
            "127.0.0.1:0",
            limits=self.limits,
            show=self.show,
            on_event=self.note,
            task_status=task_status,
        )

    def show(self, line: str) -> None:
        self.shown.append(line)
        self.changed.unpark_all()

    def note(self, event: ServerEvent) -> None:
        self.events.append(event)
        self.changed.unpark_all()

    @property
    def closed(self) -> int:
        return sum(isinstance(event, Closed) for event in self.events)

    async def until(self, is_so: Callable[[], bool]) -> None:
        while not is_so():
            await self.changed.park()

    async def check(self, ann: LineClient) -> None:
        """Have Ann say something, and check that she is answered, whatever else she hears."""
        raise NotImplementedError


async def hear(client: LineClient, line: str) -> None:
    while await client.receive() != line:
        pass


class Room(Service):
    serve = chat.serve
    # A flood of this size exceeds any pace, so the test does not wait for its end.
    limits = replace(chat.OPEN_ROOM, rate=0)
    member_line = b"x" * 99 + b"\n"
    stranger_line = b":" * 99 + b"\n"
    leaving = "*** Mal left (1 here)"
    farewell = ("*** server is closing",)

    async def check(self, ann: LineClient) -> None:
        await ann.send("/foo")
        await hear(ann, "error: unknown command /foo (try /help)")


class Calculator(Service):
    serve = calc.serve
    limits = replace(calc.ONE_AT_A_TIME, max_clients=0)
    member_line = b"%95s / 3\n" % b"1"
    stranger_line = b" " * 99 + b"\n"
    leaving = "Mal: Session ended"
    farewell = ()

    async def check(self, ann: LineClient) -> None:
        await ann.send("1 / 8")
        await hear(ann, "0.125")


# The faults. The test closes the socket of each.


@dataclass
class Peer:
    sock: socket.socket
    stream: SocketStream
    line: bytes


async def closes(peer: Peer) -> None:
    await peer.stream.send_all(b"half a li")
    peer.stream.close()


async def half_closes(peer: Peer) -> None:
    await peer.stream.send_all(b"half a li")
    await peer.stream.send_eof()


async def resets(peer: Peer) -> None:
    await peer.stream.send_all(b"half a li")
    peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.stream.close()


async def floods_and_never_reads(peer: Peer) -> None:
    """Send until the server takes no more, or has taken much; then close with answers unread."""
    with trio.move_on_after(0.2):
        for _ in range(50):
            await peer.stream.send_all(peer.line * 100)
    peer.stream.close()


async def sends_no_newline(peer: Peer) -> None:
    await peer.stream.send_all(b"x" * (1 << 20))
    # Cut off: the end of the server's sending, after its errors.
    while await peer.stream.receive_some():
        pass
    peer.stream.close()


Fault: TypeAlias = Callable[[Peer], Awaitable[None]]

every_fault = pytest.mark.parametrize(
    "fault", [closes, half_closes, resets, floods_and_never_reads, sends_no_newline]
)
every_service = pytest.mark.parametrize("service", [Room, Calculator])


async def misbehave(fault: Fault, peer: Peer) -> None:
    with suppress(trio.BrokenResourceError):
        await fault(peer)


async def connect(server: Server) -> tuple[socket.socket, SocketStream]:
    (address,) = server.addresses
    host, _, port = address.rpartition(":")
    sock = socket.create_connection((host, int(port)))
    return sock, SocketStream(sock, peer=address)


async def admit_ann(server: Server, service: Service) -> LineClient:
    _, stream = await connect(server)
    ann = LineClient(stream, name="Ann", patience=PATIENCE)
    await ann.send("Ann")
    await service.check(ann)
    return ann


async def admit_peer(server: Server, service: Service, *, is_member: bool) -> Peer:
    sock, stream = await connect(server)
    line = service.member_line if is_member else service.stranger_line
    if is_member:
        already = len(service.shown)
        await stream.send_all(b"Mal\n")
        await service.until(lambda: len(service.shown) > already)
    return Peer(sock, stream, line)


async def drain(server: Server, service: Service, ann: LineClient, nursery: trio.Nursery) -> None:
    """Drain in the background. Ann is told, and closes too."""
    nursery.start_soon(server.drain)
    for line in service.farewell:
        await hear(ann, line)
    await ann.expect_end()
    await ann.aclose()


@needs_proc
@every_service
@pytest.mark.parametrize("is_member", [False, True], ids=["before-login", "in-a-session"])
@every_fault
async def test_a_fault_ends_one_connection_and_leaves_no_descriptor(
    fault: Fault, is_member: bool, service: type[Service], caplog: pytest.LogCaptureFixture
) -> None:
    before = descriptors()
    running = service()
    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            server: Server = await nursery.start(running.run)
            ann = await admit_ann(server, running)
            peer = await admit_peer(server, running, is_member=is_member)
            async with trio.open_nursery() as misbehaving:
                misbehaving.start_soon(misbehave, fault, peer)
                await running.check(ann)
            await running.until(lambda: running.closed == 1)
            await running.check(ann)
            assert len(server.connections) == 1
            assert running.shown.count(running.leaving) == is_member
            peer.stream.close()
            await drain(server, running, ann, nursery)
    assert running.closed == 2
    assert running.shown.count(running.leaving) == is_member
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert descriptors() == before


@needs_proc
@every_service
@every_fault
async def test_a_fault_during_a_drain_leaves_no_descriptor_either(
    fault: Fault, service: type[Service], caplog: pytest.LogCaptureFixture
) -> None:
    before = descriptors()
    running = service()
    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            server: Server = await nursery.start(running.run)
            ann = await admit_ann(server, running)
            peer = await admit_peer(server, running, is_member=True)
            await drain(server, running, ann, nursery)
            await misbehave(fault, peer)
            peer.stream.close()
    assert running.closed == 2
    assert running.shown.count(running.leaving) == (service is Calculator)
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert descriptors() == before
