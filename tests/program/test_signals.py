"""Signals are counted at once, and wake the tasks that wait for them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest
import trio
import trio.testing

from trionet.program import signals
from trionet.program.signals import Ending, signals_taken_by

NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.fixture
def ending(monkeypatch: pytest.MonkeyPatch) -> Iterator[Ending]:
    # The thread that ends the process would end pytest.
    monkeypatch.setattr(signals, "_GOODBYE_SECONDS", 10_000)
    ending = Ending()
    with signals_taken_by(ending.take, *NUMBERS):
        yield ending
    ending.over()


async def test_a_waiting_task_learns_of_each_signal(ending: Ending) -> None:
    async def raise_both() -> None:
        signal.raise_signal(signal.SIGTERM)
        await ending.wait(1)
        assert ending.count == 1
        signal.raise_signal(signal.SIGTERM)

    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(raise_both)
            await ending.wait(2)
    assert (ending.count, ending.number) == (2, signal.SIGTERM)


async def test_the_same_signal_twice_counts_once_although_the_loop_runs_in_between(
    ending: Ending, autojump_clock: trio.testing.MockClock
) -> None:
    async def noticed() -> None:
        await ending.wait(1)
        heard.append(ending.count)

    heard: list[int] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(noticed)
        await trio.testing.wait_all_tasks_blocked()
        signal.raise_signal(signal.SIGTERM)
        # The loop wakes the task; `timeout` has sent its second signal only now.
        await trio.testing.wait_all_tasks_blocked()
        signal.raise_signal(signal.SIGTERM)
    assert heard == [1]
    # From now on a second one counts at once.
    signal.raise_signal(signal.SIGTERM)
    assert ending.count == 2


async def test_an_ending_that_reports_at_once_counts_the_same_signal_twice_as_one_too(
    ending: Ending, autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    ending.reports_at_once = True
    began = trio.current_time()
    signal.raise_signal(signal.SIGTERM)
    await ending.wait(1)
    assert trio.current_time() == began
    signal.raise_signal(signal.SIGTERM)
    assert ending.count == 1
    now += 1
    signal.raise_signal(signal.SIGTERM)
    assert ending.count == 2


async def test_a_signal_that_came_before_is_not_missed(ending: Ending) -> None:
    signal.raise_signal(signal.SIGINT)
    signal.raise_signal(signal.SIGHUP)
    with trio.fail_after(20):
        await ending.wait(1)
        await ending.wait_hangup()
    assert (ending.count, ending.number) == (1, signal.SIGINT)


async def test_sighup_does_not_ask_to_end(ending: Ending) -> None:
    signal.raise_signal(signal.SIGHUP)
    signal.raise_signal(signal.SIGHUP)
    await ending.wait_hangup()
    with trio.move_on_after(0.01) as scope:
        await ending.wait_hangup()
    assert scope.cancelled_caught
    assert ending.count == 0


def test_the_same_signal_twice_at_once_counts_once_and_two_different_ones_count_twice(
    ending: Ending, monkeypatch: pytest.MonkeyPatch
) -> None:
    signal.raise_signal(signal.SIGTERM)
    signal.raise_signal(signal.SIGTERM)
    assert ending.count == 1
    signal.raise_signal(signal.SIGINT)
    assert ending.count == 2
    # Some time later it counts again, although the loop never noticed the first.
    later = time.monotonic() + 1
    monkeypatch.setattr(time, "monotonic", lambda: later)
    signal.raise_signal(signal.SIGINT)
    assert ending.count == 3


def test_handlers_are_restored() -> None:
    before = [signal.getsignal(number) for number in NUMBERS]
    with signals_taken_by(Ending().take, *NUMBERS):
        assert [signal.getsignal(number) for number in NUMBERS] != before
    assert [signal.getsignal(number) for number in NUMBERS] == before


def test_signals_can_be_handled_only_in_the_main_thread() -> None:
    caught: list[str] = []

    def take() -> None:
        try:
            with signals_taken_by(Ending().take, signal.SIGINT):
                caught.append("no error")
        except RuntimeError as error:
            caught.append(str(error))

    thread = threading.Thread(target=take)
    thread.start()
    thread.join()
    assert caught == ["signals can be handled only in the main thread"]


END_BY_ITSELF = """
import signal, sys, threading, time
from trionet.program import signals
ending = signals.Ending()
with signals.signals_taken_by(ending.take, signal.SIGTERM, signal.SIGINT):
    signal.raise_signal(signal.SIGTERM)
    signal.raise_signal(signal.SIGINT)
    {then}
"""


@pytest.mark.parametrize(
    ("then", "status"),
    [
        ("while True: pass", 130),
        # Python waits for such a thread when it exits.
        ("threading.Thread(target=time.sleep, args=(100,)).start()", 130),
        ("threading.Lock().acquire(); sys.stdin.read()", 130),
        ("ending.over(); time.sleep(1)", 0),
    ],
)
def test_the_second_signal_ends_the_process_whatever_it_is_doing(then: str, status: int) -> None:
    command = [sys.executable, "-c", END_BY_ITSELF.format(then=then)]
    ours, theirs = os.pipe()
    try:
        # By itself it would run for longer than that.
        run = subprocess.run(
            command, stdin=ours, capture_output=True, text=True, timeout=60, check=False
        )
    finally:
        os.close(ours)
        os.close(theirs)
    assert (run.returncode, run.stderr) == (status, "")
