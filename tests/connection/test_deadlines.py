"""Thousands of deadlines in one task: each is acted on in time, and none after it was lifted."""

from __future__ import annotations

import math

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from trionet.connection.deadlines import Deadlines


class Subject:
    """An object whose deadline a test moves, and that notes when it is checked."""

    def __init__(self, due: float) -> None:
        self.due = due
        self.looked_at: list[float] = []

    def next_deadline(self) -> float:
        return self.due

    def check_deadlines(self) -> None:
        now = trio.current_time()
        self.looked_at.append(now)
        if self.due <= now:
            self.due = math.inf


async def test_each_object_is_checked_when_it_is_due(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    deadlines = Deadlines()
    nursery.start_soon(deadlines.run)
    subjects = [Subject(due) for due in (30, 10, 20, math.inf)]
    for subject in subjects:
        deadlines.watch(subject)
    await trio.sleep(100)
    assert [subject.looked_at for subject in subjects] == [[30], [10], [20], []]


async def test_a_deadline_that_moved_later_is_checked_again_when_it_is_due(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    deadlines = Deadlines()
    nursery.start_soon(deadlines.run)
    subject = Subject(10)
    deadlines.watch(subject)
    await trio.sleep(5)
    subject.due = 15
    await trio.sleep(100)
    assert subject.looked_at == [10, 15]


async def test_a_deadline_that_moved_earlier_is_checked_at_the_earlier_time(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    deadlines = Deadlines()
    nursery.start_soon(deadlines.run)
    first, subject = Subject(50), Subject(100)
    deadlines.watch(first)
    deadlines.watch(subject)
    await wait_all_tasks_blocked()
    subject.due = 20
    deadlines.watch(subject)
    await trio.sleep(200)
    assert subject.looked_at == [20]


async def test_a_forgotten_object_is_neither_checked_nor_kept_alive(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    deadlines = Deadlines()
    nursery.start_soon(deadlines.run)
    subject = Subject(10)
    deadlines.watch(subject)
    deadlines.forget(subject)
    deadlines.forget(subject)
    assert all(entry.watched is None for entry in deadlines._heap)
    await trio.sleep(20)
    assert subject.looked_at == []


async def test_an_object_whose_deadline_has_passed_can_be_watched_again(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    deadlines = Deadlines()
    nursery.start_soon(deadlines.run)
    subject = Subject(10)
    deadlines.watch(subject)
    await trio.sleep(20)
    subject.due = 30
    deadlines.watch(subject)
    await trio.sleep(20)
    assert subject.looked_at == [10, 30]


async def test_an_object_that_stays_due_is_checked_once(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    class Stubborn(Subject):
        def check_deadlines(self) -> None:
            self.looked_at.append(trio.current_time())

    deadlines = Deadlines()
    nursery.start_soon(deadlines.run)
    subject = Stubborn(10)
    deadlines.watch(subject)
    await trio.sleep(20)
    assert subject.looked_at == [10]


async def test_thousands_of_objects_have_one_entry_each_however_often_they_move(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    deadlines = Deadlines()
    nursery.start_soon(deadlines.run)
    subjects = [Subject(10) for _ in range(1000)]
    for now in range(0, 100, 5):
        for subject in subjects:
            subject.due = now + 10
            deadlines.watch(subject)
        await trio.sleep(5)
        assert len(deadlines._heap) == 1000


@pytest.mark.parametrize("forget_first", [True, False])
async def test_an_object_can_forget_another_that_is_due_at_the_same_time(
    nursery: trio.Nursery, autojump_clock: MockClock, forget_first: bool
) -> None:
    deadlines = Deadlines()
    nursery.start_soon(deadlines.run)
    other = Subject(10)

    class Forgetful(Subject):
        def check_deadlines(self) -> None:
            super().check_deadlines()
            deadlines.forget(other)

    order: list[Subject] = [Forgetful(10), other]
    for subject in order if forget_first else reversed(order):
        deadlines.watch(subject)
    await trio.sleep(20)
    assert other.looked_at == ([] if forget_first else [10])


async def test_objects_that_come_and_go_do_not_fill_the_heap(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    deadlines = Deadlines()
    nursery.start_soon(deadlines.run)
    stay = [Subject(due) for due in range(10, 110)]
    for subject in stay:
        deadlines.watch(subject)
    for number in range(10_000):
        subject = Subject(30 + number % 7)
        deadlines.watch(subject)
        deadlines.forget(subject)
        assert len(deadlines._heap) <= 2 * (len(stay) + 1)
    await trio.sleep(200)
    assert [subject.looked_at for subject in stay] == [[due] for due in range(10, 110)]
    assert deadlines._heap == []
    assert deadlines._stale == 0


async def test_deadlines_that_move_earlier_again_and_again_do_not_fill_the_heap(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    deadlines = Deadlines()
    nursery.start_soon(deadlines.run)
    subject = Subject(2000)
    for _ in range(1000):
        subject.due -= 1
        deadlines.watch(subject)
    assert len(deadlines._heap) < 100
    await trio.sleep(4000)
    assert subject.looked_at == [1000]
