"""A batch reaches every member, and other tasks run meanwhile."""

from __future__ import annotations

from functools import partial

import pytest
import trio
import trio.testing

from hub_members import ListBox, members_of, plain, running_hub


async def test_a_batch_for_many_members_lets_other_tasks_run_and_keeps_the_order() -> None:
    async with running_hub() as hub:
        runs_of_others = 0
        seen_by_last: list[int] = []
        said: list[int] = []

        class LastBox(ListBox):
            def put(self, lines: bytes, /) -> None:
                super().put(lines)
                seen_by_last.append(runs_of_others)

        boxes = members_of(hub, 1000)
        last = LastBox()
        hub.add(last, plain)
        hub.publish("1")

        async def other() -> None:
            nonlocal runs_of_others
            while not last.puts:
                runs_of_others += 1
                if boxes[0].puts and not said:
                    # In the middle of the delivery: this belongs to the next batch.
                    said.append(runs_of_others)
                    hub.publish("2", exclude=boxes[0])
                    hub.discard(last)
                    hub.publish("3")
                await trio.lowlevel.checkpoint()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(other)
        await hub.wait_delivered()
        assert seen_by_last[0] > said[0]
        assert boxes[0].puts == [b"1\n", b"3\n"]
        assert {box.lines for box in boxes[1:]} == {b"1\n2\n3\n"}
        assert last.lines == b"1\n2\n"


@pytest.mark.parametrize("kind", ["one format each", "all leave"])
async def test_other_tasks_run_during_any_long_delivery(kind: str) -> None:
    async with running_hub() as hub:
        boxes = [ListBox() for _ in range(1000)]
        for box in boxes:
            hub.add(box, partial(plain) if kind == "one format each" else plain)
        await hub.wait_delivered()
        runs_of_others = 0

        async def other() -> None:
            nonlocal runs_of_others
            while not boxes[-1].puts:
                await trio.lowlevel.checkpoint()
                runs_of_others += bool(boxes[0].puts)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(other)
            hub.publish("1")
            if kind == "all leave":
                for box in boxes:
                    hub.discard(box)
        assert runs_of_others >= 3
        assert {box.lines for box in boxes} == {b"1\n"}


# Under cancellation, and after the end
