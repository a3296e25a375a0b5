"""Costly lines are answered in time slices, so that no client holds up another."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial

import pytest
import trio
import trio.testing

from trionet import Limits, Line, Server
from trionet.calc import Reply, Session, serve
from trionet.calc import server as server_module
from trionet.calc.fast_path import PAIR_COST
from trionet.calc.time_slice import PAIRS_A_SLICE, TIME_SLICE
from trionet.calc.work import Work
from trionet.lines import PART_LINES
from trionet.testing import LineClient, MemoryNetwork, MemoryStream

# The most that a stretch without a checkpoint may cost, in microseconds: less than half of what
# anybody may be kept waiting.
LONGEST_STRETCH = 2000

# More than a thousand time slices of one client.
POWERS = "2" + "^.9" * 999
RESULT = "1.877352175581756903749203029"

HOSTILE = [
    POWERS,
    "9^9^9^9",
    "+".join(["9^.9"] * 700),
    "1" + "+1" * 1000,
    "-" * 4096,
    "(" * 1000 + "1" + ")" * 1000,
    "+".join(["(1)"] * 1000),
    "max(" + "1," * 999 + "1)",
    "+".join(["sqrt(2)"] * 500),
    "7" * 2047 + "*" + "3" * 2047,
    "1e999999999",
    "1e999999-1e-999999",
    "می‌خ" * 400,
    "x" * 4096,
    "",
]


class Record:
    """What was spent, in order: by whom, how much, and in which step of the scheduler."""

    def __init__(self) -> None:
        self.spent: list[tuple[str | None, int, int]] = []
        self.steps = 0

    def total(self) -> int:
        return sum(cost for _, cost, _ in self.spent)

    def by_step(self) -> dict[int, list[int]]:
        steps: dict[int, list[int]] = {}
        for _, cost, step in self.spent:
            steps.setdefault(step, []).append(cost)
        return steps


class Steps(trio.abc.Instrument):
    def __init__(self, record: Record) -> None:
        self._record = record

    def before_task_step(self, _task: trio.lowlevel.Task) -> None:
        self._record.steps += 1


@pytest.fixture
def record(monkeypatch: pytest.MonkeyPatch) -> Record:
    record = Record()

    class RecordedSession(Session):
        __slots__ = ()

        def receiving(self, line: Line) -> Work[Reply]:
            work = super().receiving(line)
            while True:
                try:
                    cost = next(work)
                except StopIteration as done:
                    reply: Reply = done.value
                    return reply
                yield cost
                # The cost is spent once this generator is resumed.
                record.spent.append((self.name, cost, record.steps))

        def answer_pairs(self, lines: Sequence[Line]) -> list[str]:
            answers = super().answer_pairs(lines)
            record.spent += [(self.name, PAIR_COST, record.steps)] * len(answers)
            return answers

    monkeypatch.setattr(server_module, "Session", RecordedSession)
    return record


@asynccontextmanager
async def calculator(shown: list[str] | None = None) -> AsyncIterator[tuple[Server, MemoryNetwork]]:
    network = MemoryNetwork()
    run = partial(
        serve,
        "127.0.0.1:0",
        limits=Limits(),
        network=network,
        show=(shown if shown is not None else []).append,
    )
    with trio.fail_after(7 * 86400):
        async with trio.open_nursery() as nursery:
            server: Server = await nursery.start(run)
            yield server, network
            nursery.cancel_scope.cancel()


def test_a_part_of_the_input_is_whole_time_slices_of_common_lines() -> None:
    # What is left over would be sent by itself, and over TLS each sending is a record and a task.
    assert PART_LINES % PAIRS_A_SLICE == 0


async def connected(server: Server, network: MemoryNetwork, *lines: str) -> LineClient:
    client = LineClient(await network.connect(server.addresses[0]))
    await client.send(*lines)
    return client


async def test_fifty_hostile_clients_cannot_keep_another_from_its_answers(
    record: Record, autojump_clock: trio.testing.MockClock
) -> None:
    async with calculator() as (server, network):
        hostile = [await connected(server, network, f"hostile {n}") for n in range(50)]
        ann = await connected(server, network, "ann")
        await trio.testing.wait_all_tasks_blocked()
        record.spent.clear()
        trio.lowlevel.add_instrument(Steps(record))
        async with trio.open_nursery() as nursery:
            for number, client in enumerate(hostile):
                first = number % len(HOSTILE)
                lines = HOSTILE[first:] + HOSTILE[:first]
                nursery.start_soon(client.send, *lines * 2)
        for question in range(3):
            before, step = record.total(), record.steps
            await ann.send(f"{question} + 1")
            await ann.expect(f"{question + 1}")
            # Each of the others has one time slice while Ann sends, one until the server's task has
            # received it, and one until Ann has the answer; and one may be under way.
            assert record.total() - before <= 4 * 50 * TIME_SLICE
            assert record.steps - step <= 4 * 52
        # All of them were at work, and none had finished.
        assert len({name for name, _, _ in record.spent}) == 51
        assert record.total() > 4 * 50 * TIME_SLICE / 4
    by_step = record.by_step()
    by_step.pop(0, None)
    assert max(sum(costs) for costs in by_step.values() if len(costs) > 1) <= TIME_SLICE
    assert max(max(costs) for costs in by_step.values()) < LONGEST_STRETCH


async def test_many_cheap_lines_are_divided_into_time_slices_too(
    record: Record, autojump_clock: trio.testing.MockClock
) -> None:
    async with calculator() as (server, network):
        trio.lowlevel.add_instrument(Steps(record))
        ann = await connected(server, network, "ann", *["12 + 42"] * 2000)
        await ann.expect(*["54"] * 2000)
    assert max(sum(costs) for costs in record.by_step().values()) <= TIME_SLICE
    # But a time slice is long enough to be worth its overhead.
    assert max(len(costs) for costs in record.by_step().values()) >= 100


async def test_lines_of_different_kinds_are_answered_in_one_time_slice(
    record: Record, autojump_clock: trio.testing.MockClock
) -> None:
    async with calculator() as (server, network):
        trio.lowlevel.add_instrument(Steps(record))
        ann = await connected(server, network, "ann", *["1 + 1", "1 + 2 + 3"] * 500)
        await ann.expect(*["2", "6"] * 500)
    assert max(sum(costs) for costs in record.by_step().values()) <= TIME_SLICE
    assert len(record.by_step()) < 2 * record.total() / TIME_SLICE


async def test_a_cheap_line_overtakes_the_costly_line_of_another_client(
    autojump_clock: trio.testing.MockClock,
) -> None:
    shown: list[str] = []
    async with calculator(shown) as (server, network):
        ann = await connected(server, network, "ann", POWERS)
        bob = await connected(server, network, "bob", "1 + 1")
        await bob.expect("2")
        assert "bob: 1 + 1 = 2" in shown
        assert not any(line.startswith("ann: ") for line in shown)
        await ann.expect(RESULT)


async def test_answers_keep_the_order_of_the_lines_whatever_they_cost(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with calculator() as (server, network):
        ann = await connected(server, network, "ann", "1 + 1", POWERS, "ans", "2 + 2")
        await ann.send("9^9^9^9", POWERS, "3", "q", "4")
        await ann.expect("2", RESULT, RESULT, "4", "error: the result is too large", RESULT, "3")
        await ann.expect_end()


async def test_an_answer_does_not_wait_for_a_costly_line_after_it(
    autojump_clock: trio.testing.MockClock,
) -> None:
    shown: list[str] = []
    async with calculator(shown) as (server, network):
        ann = await connected(server, network, "ann", "1 + 1", POWERS)
        await ann.expect("2")
        assert len(shown) == 2
        await ann.expect(RESULT)


async def test_a_drain_waits_for_a_costly_line(autojump_clock: trio.testing.MockClock) -> None:
    async with calculator() as (server, network):
        ann = await connected(server, network, "ann", "1 + 1", POWERS, "2 + 2")
        await ann.expect("2")
        assert await server.drain() == ()
        await ann.expect(RESULT, "4")
        await ann.expect_end()


async def test_a_costly_line_can_be_cancelled(autojump_clock: trio.testing.MockClock) -> None:
    shown: list[str] = []
    async with calculator(shown) as (server, network):
        ann = await connected(server, network, "ann", "1 + 1", POWERS)
        await ann.expect("2")
    assert shown == ["ann connected", "ann: 1 + 1 = 2", "ann: Session ended"]


async def test_nothing_more_is_calculated_for_a_client_that_is_gone(
    autojump_clock: trio.testing.MockClock,
) -> None:
    shown: list[str] = []
    async with calculator(shown) as (server, network):
        ann = await connected(server, network, "ann", "1 + 1", *[POWERS] * 8)
        await ann.expect("2")
        assert isinstance(ann.stream, MemoryStream)
        ann.stream.reset()
        await trio.testing.wait_all_tasks_blocked()
        # The first answer that cannot be sent is the last one calculated.
        assert len(shown) == 4
        assert shown[-1] == "ann: Session ended"
