"""Ciphertext between the engine and the transport: in order, in bounded pieces, both ways."""

from __future__ import annotations

from typing import Any, cast

import pytest
import trio

from trionet.errors import ReceiveInterrupted
from trionet.transport.ciphertext import Ciphertext


class Engine:
    """Has what it is given as its output, once."""

    output = b""
    secured = True
    broken: str | None = None

    def __init__(self) -> None:
        self.fed = b""

    def feed(self, data: bytes) -> None:
        self.fed += data

    def take_output(self) -> bytes:
        taken, self.output = self.output, b""
        return taken

    def close_notify(self) -> None:
        self.output += b"END"


class Narrow:
    """A transport that takes some bytes at once, until it breaks, and has all that is asked for."""

    def __init__(self) -> None:
        self.taken = b""
        self.room = 0
        self.is_broken = False
        self.is_closed = False
        self.interrupted = 0

    async def receive_some(self, max_bytes: int) -> bytes:
        await trio.lowlevel.checkpoint()
        return bytes(max_bytes)

    def interrupt_receive(self) -> None:
        self.interrupted += 1

    def close(self) -> None:
        self.is_closed = True

    def send_nowait(self, data: bytes) -> int:
        if self.is_broken:
            raise trio.BrokenResourceError
        size = min(self.room, len(data))
        self.taken += data[:size]
        self.room -= size
        return size

    async def wait_writable(self) -> None:
        await trio.lowlevel.checkpoint()
        self.room = 2


def both() -> tuple[Any, Narrow, Ciphertext]:
    engine, below = Engine(), Narrow()
    return engine, below, Ciphertext(cast(Any, engine), cast(Any, below))


async def test_what_the_transport_does_not_take_goes_first_the_next_time() -> None:
    engine, below, ciphertext = both()
    engine.output, below.room = b"abc", 1
    assert ciphertext.push()
    engine.output = b"def"
    await ciphertext.flush()
    assert (below.taken, ciphertext.unsent) == (b"abcdef", b"")


def test_nothing_follows_close_notify() -> None:
    engine, below, ciphertext = both()
    engine.output, below.room = b"abc", 9
    ciphertext.end()
    engine.output = b"late"
    assert not ciphertext.push()
    assert below.taken == b"abcEND"


def test_a_broken_transport_ends_what_waits_and_only_a_sender_is_told() -> None:
    engine, below, ciphertext = both()
    engine.output = b"abc"
    assert ciphertext.push()
    below.is_broken = True
    with pytest.raises(trio.BrokenResourceError):
        ciphertext.push()
    assert ciphertext.unsent == b""
    engine.output = b"abc"
    ciphertext.push_what_leaves()
    assert ciphertext.unsent == b""


@pytest.mark.parametrize(("asked", "received"), [(1, 4096), (5000, 5000), (1 << 20, 16645)])
async def test_at_least_a_handshake_and_at_most_a_record_is_received_at_a_time(
    asked: int, received: int
) -> None:
    engine, _, ciphertext = both()
    await ciphertext.receive(asked)
    assert len(engine.fed) == received


async def test_an_interruption_ends_the_next_wait_too_until_somebody_begins_anew() -> None:
    engine, below, ciphertext = both()
    ciphertext.interrupt()
    assert below.interrupted == 1
    with pytest.raises(ReceiveInterrupted):
        await ciphertext.receive(1)
    ciphertext.is_interrupted = False
    await ciphertext.receive(1)
    assert engine.fed


def test_closing_says_goodbye_once_and_then_nothing_works() -> None:
    _, below, ciphertext = both()
    below.room = 100
    ciphertext.close()
    ciphertext.close()
    assert (below.taken, below.is_closed) == (b"END", True)
    ciphertext.interrupt()
    assert below.interrupted == 0
    for check in (ciphertext.check_open, ciphertext.check_usable, ciphertext.check_sendable):
        with pytest.raises(trio.ClosedResourceError):
            check()


def test_a_broken_connection_is_closed_without_a_goodbye() -> None:
    engine, below, ciphertext = both()
    below.room = 100
    engine.broken = "bad record"
    with pytest.raises(trio.BrokenResourceError, match="bad record"):
        ciphertext.check_usable()
    ciphertext.close()
    assert (below.taken, below.is_closed) == (b"", True)


def test_a_peer_that_asks_for_more_answers_than_it_reads_breaks_the_connection() -> None:
    engine, _, ciphertext = both()
    engine.output = bytes(65536)
    ciphertext.answer()
    assert engine.broken is None
    engine.output = b"x"
    ciphertext.answer()
    assert engine.broken == "the other side asks for more answers than it reads"
