"""However much one peer has sent, the others get their turn after a few of its lines."""

from __future__ import annotations

from collections import Counter
from functools import partial

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from trionet import Limits, Server
from trionet.chat import serve
from trionet.chat.serving import handling
from trionet.chat.serving.handling import LINES_OF_A_STRANGER
from trionet.chat.session.session import Session
from trionet.lines import PART_LINES, Line
from trionet.testing import MemoryNetwork

# Fewer bytes than a server receives at a time before login.
BAD_LINES = b"x\n" * 1000


class Stretches(trio.abc.Instrument):
    """How many lines were taken in each stretch without a checkpoint."""

    def __init__(self) -> None:
        self.closes = False
        self._step = 0
        self._lines: Counter[int] = Counter()

    def before_task_step(self, _task: trio.lowlevel.Task) -> None:
        self._step += 1

    def taken(self, count: int) -> None:
        self._lines[self._step] += count

    @property
    def total(self) -> int:
        return self._lines.total()

    @property
    def longest(self) -> int:
        return max(self._lines.values())


@pytest.fixture
def stretches(monkeypatch: pytest.MonkeyPatch) -> Stretches:
    found = Stretches()

    class RecordedSession(Session):
        __slots__ = ()

        def receive_batch(self, lines: list[Line]) -> int:
            if found.closes:
                self._board.close()
            count = super().receive_batch(lines)
            found.taken(count)
            return count

    monkeypatch.setattr(handling, "Session", RecordedSession)
    return found


async def send(stretches: Stretches, first_line: bytes, answers: int) -> None:
    """Send a first line, read its answers, and have the server take a thousand lines more."""
    network = MemoryNetwork()
    trio.lowlevel.add_instrument(stretches)
    async with trio.open_nursery() as nursery:
        server: Server = await nursery.start(
            partial(serve, "localhost:1", network=network, limits=Limits(rate=50, burst=2000))
        )
        stream = await network.connect(server.addresses[0])
        await stream.send_all(first_line)
        heard = b""
        while heard.count(b"\n") < answers:
            heard += await stream.receive_some()
        stretches.closes = b"login" in first_line
        await stream.send_all(BAD_LINES)
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    trio.lowlevel.remove_instrument(stretches)
    assert stretches.total >= 1000


async def test_a_stranger_has_no_more_than_ten_lines_taken_at_a_time(
    stretches: Stretches, autojump_clock: MockClock
) -> None:
    await send(stretches, b'{"type": "ping"}\n', 1)
    assert stretches.longest <= LINES_OF_A_STRANGER == 10


async def test_after_the_good_bye_a_member_has_no_more_than_a_part_taken_at_a_time(
    stretches: Stretches, autojump_clock: MockClock
) -> None:
    # Nothing that it gets to hear is in the log any more, so the log is never full. A hundred such
    # members kept a server from its end for 10 s after the drain's deadline.
    await send(stretches, b'{"type": "login", "name": "Ann"}\n', 2)
    assert stretches.longest <= PART_LINES
