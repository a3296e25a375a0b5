"""One task for everything that falls due."""

from __future__ import annotations

import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from trionet import Hub
from trionet.chat import Event, Session, Switchboard
from trionet.chat.formats import plain
from trionet.chat.serving.timer import Timer
from trionet.chat.state.rooms import TOPIC_KEPT


class Box:
    def put(self, lines: bytes) -> None:
        pass


async def test_what_is_due_is_carried_out_at_its_time(autojump_clock: MockClock) -> None:
    def milliseconds() -> int:
        return round(trio.current_time() * 1000)

    hub = Hub[Event]()
    timer = Timer(milliseconds)
    board = Switchboard(hub, clock=milliseconds, on_deadline=timer.look_again)
    async with trio.open_nursery() as nursery:
        await nursery.start(hub.run)
        nursery.start_soon(timer.run, board)
        ann = Session(board, Box(), plain)
        for turn, room in enumerate(("one", "two")):
            await trio.sleep(turn * 5)
            for line in ("Ann",) * (not turn) + (f"/join {room}", "/topic T"):
                ann.receive(line)
        # `one` is empty since now, and `two` a week later.
        await trio.sleep(7 * 86400)
        ann.receive("/join lobby")
        await trio.sleep(TOPIC_KEPT / 1000 - 7 * 86400 - 1)
        assert list(board.state.rooms) == ["lobby", "one", "two"]
        await trio.sleep(2)
        assert list(board.state.rooms) == ["lobby", "two"]
        await trio.sleep(7 * 86400)
        assert list(board.state.rooms) == ["lobby"]
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
