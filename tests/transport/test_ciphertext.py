"""What TLS wants to send, on its way into the transport."""

from __future__ import annotations

from typing import Any, cast

import pytest
import trio

from trionet.transport.ciphertext import Ciphertext


class Engine:
    """Has what it is given as its output, once."""

    output = b""

    def take_output(self) -> bytes:
        taken, self.output = self.output, b""
        return taken

    def close_notify(self) -> None:
        self.output += b"END"


class Narrow:
    """A transport that takes some bytes at once, until it breaks."""

    def __init__(self) -> None:
        self.taken = b""
        self.room = 0
        self.is_broken = False

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
