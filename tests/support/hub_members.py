"""Members of a hub that keep what they are put, and a hub that runs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from trionet import Hub


class ListBox:
    """A member that keeps each put."""

    def __init__(self) -> None:
        self.puts: list[bytes] = []

    def put(self, lines: bytes, /) -> None:
        self.puts.append(lines)

    @property
    def lines(self) -> bytes:
        return b"".join(self.puts)


def plain(event: str) -> bytes:
    return event.encode() + b"\n"


@asynccontextmanager
async def running_hub() -> AsyncIterator[Hub[str]]:
    async with trio.open_nursery() as nursery:
        hub = Hub[str]()
        await nursery.start(hub.run)
        yield hub
        nursery.cancel_scope.cancel()


def members_of(hub: Hub[str], count: int) -> list[ListBox]:
    boxes = [ListBox() for _ in range(count)]
    for box in boxes:
        hub.add(box, plain)
    return boxes
