"""How fast members are told the past."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import trio
import trio.testing

from trionet.chat.session.pacing import TURNS, Pacer

if TYPE_CHECKING:
    from trionet.chat.formats.answers import Event
    from trionet.connection.outbox import Outbox
    from trionet.fanout.hub import Hub


async def test_many_who_ask_at_once_let_others_run_in_between() -> None:
    turns, gate = trio.CapacityLimiter(TURNS), trio.Lock()
    asked: list[int] = []

    async def page() -> None:
        await trio.lowlevel.checkpoint()
        asked.append(1)

    async def ask() -> None:
        hub, outbox = cast("Hub[Event]", None), cast("Outbox", None)
        await Pacer(hub, outbox, turns, gate).ask(page)

    in_a_round = []
    async with trio.open_nursery() as nursery:
        for _ in range(100):
            nursery.start_soon(ask)
        while len(asked) < 100:
            before = len(asked)
            await trio.lowlevel.checkpoint()
            in_a_round.append(len(asked) - before)
    # Where this task stands in a round is chance, so two may fall between two of its turns.
    assert max(in_a_round) <= 2


async def test_a_history_that_hangs_keeps_nobody_else_from_asking(
    autojump_clock: trio.testing.MockClock,
) -> None:
    turns, gate = trio.CapacityLimiter(TURNS), trio.Lock()
    hub, outbox = cast("Hub[Event]", None), cast("Outbox", None)

    async def answer() -> str:
        await trio.lowlevel.checkpoint()
        return "page"

    async with trio.open_nursery() as nursery:
        hanging = Pacer(hub, outbox, turns, gate)
        nursery.start_soon(hanging.ask, trio.sleep_forever)
        await trio.testing.wait_all_tasks_blocked()
        began = trio.current_time()
        assert await Pacer(hub, outbox, turns, gate).ask(answer) == "page"
        assert trio.current_time() == began
        nursery.cancel_scope.cancel()
