"""Lines for an outbox, and what its peer reads of them."""

from __future__ import annotations

import re
from contextlib import suppress

import trio
import trio.testing

from trionet import ReceiveInterrupted
from trionet.testing import MemoryStream

NOTICE = re.compile(rb"error: missed (\d+) lines\n")


def numbered(count: int, *, size: int = 10) -> list[bytes]:
    """Return distinct lines of `size` bytes."""
    return [b"%0*d\n" % (size - 1, number) for number in range(count)]


async def read_what_is_there(stream: MemoryStream) -> bytes:
    """Read until nothing more comes, while the writer goes on."""
    received = b""

    async def read() -> None:
        nonlocal received
        with suppress(ReceiveInterrupted):
            while data := await stream.receive_some():
                received += data

    async with trio.open_nursery() as nursery:
        nursery.start_soon(read)
        await trio.testing.wait_all_tasks_blocked()
        stream.interrupt_receive()
    return received


def writers(nursery: trio.Nursery) -> int:
    return len(nursery.child_tasks)
