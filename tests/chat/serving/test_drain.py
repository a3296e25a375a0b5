"""The last words of a drain: all that was received, the good-bye, and only then members go."""

from __future__ import annotations

import trio
from trio.testing import wait_all_tasks_blocked

from trionet.chat.serving.drain import LastWords


class _Chat:
    """A chat whose hub delivers when it is told to; `order` is what has happened."""

    def __init__(self) -> None:
        self.order: list[str] = []
        self.delivers = trio.Event()
        self.last_words = LastWords(self._close, self._wait_delivered)

    def _close(self) -> None:
        self.order.append("closed")

    async def _wait_delivered(self) -> None:
        await self.delivers.wait()
        self.order.append("delivered")

    async def handle(self, read: trio.Event) -> None:
        self.last_words.begin_reading()
        await read.wait()
        self.last_words.end_reading()
        self.order.append(f"waited: {await self.last_words.wait()}")


async def test_in_a_drain_members_go_only_after_the_good_bye_has_been_delivered() -> None:
    chat, first, second = _Chat(), trio.Event(), trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(chat.handle, first)
        nursery.start_soon(chat.handle, second)
        await wait_all_tasks_blocked()
        chat.last_words.begin_drain()
        first.set()
        await wait_all_tasks_blocked()
        assert chat.order == []
        second.set()
        await wait_all_tasks_blocked()
        assert set(chat.order) == {"closed"}
        chat.delivers.set()
    assert sorted(chat.order[-4:]) == ["delivered"] * 2 + ["waited: True"] * 2


async def test_without_a_drain_nobody_waits() -> None:
    chat, read = _Chat(), trio.Event()
    read.set()
    await chat.handle(read)
    assert chat.order == ["waited: False"]
