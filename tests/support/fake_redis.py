"""A Redis in memory, with the commands that a chat needs, and whatever can go wrong with it.

Everything is on Trio's clock: on virtual time, an hour without Redis takes no time.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import trio

from trionet.chat.cluster.link import Command, ErrorAnswer, LinkLost

Place = tuple[int, int]


class FakeRedis:
    """A Redis.

    Attributes:
        entries: the stream, by place.
        snapshot: the snapshot; ``None``: there is none.
        is_down: no connection is answered.
        cut_off: whose connections are not answered.
        hangs: it takes what it is sent, and does nothing until this is false again.
        refuses: how it answers to what writes; ``None``: it writes.
        settings: what `CONFIG GET` answers.
        added: how many entries were added, by any means.
        starts: how often it has started. No connection outlives that.
        sets: by key.
        tells_info: whether a client may ask for `INFO`.
        before_answer: called after a command was carried out; true: its answer is lost.
        before_command: called before a command; true: it is lost.
    """

    def __init__(self) -> None:
        self.entries: dict[Place, bytes] = {}
        self.snapshot: bytes | None = None
        self.is_down = False
        self.cut_off: set[str] = set()
        self.hangs = False
        self.refuses: str | None = None
        self.settings = {b"maxmemory-policy": b"noeviction", b"appendonly": b"yes"}
        self.added = 0
        self.starts = 1
        self.sets: dict[bytes, set[bytes]] = {}
        self.tells_info = True
        self.before_answer: Callable[[Command], bool] = lambda _: False
        self.before_command: Callable[[Command], bool] = lambda _: False
        self._last: Place = (0, 0)
        self._changed = trio.Event()

    def link(self, name: str = "") -> FakeLink:
        """Return a connection of somebody."""
        return FakeLink(self, name)

    def cut_at_random(self, seed: int, chance: float) -> None:
        """Lose so many of the commands and of the answers from now on."""
        drawn = random.Random(seed)
        self.before_answer = lambda _: drawn.random() < chance / 2
        self.before_command = lambda _: drawn.random() < chance / 2

    def heal(self) -> None:
        """Lose nothing from now on."""
        self.before_answer = self.before_command = lambda _: False
        self.is_down = self.hangs = False
        self.cut_off.clear()
        self.refuses = None
        self.changed()

    def flush(self) -> None:
        """Lose everything, as FLUSHALL does."""
        self.entries.clear()
        self.snapshot = None
        self.sets.clear()

    def roll_back(self, count: int) -> None:
        """Lose the newest entries, as a Redis does that had not written them to its disk."""
        self.starts += 1
        for place in list(self.entries)[-count:]:
            del self.entries[place]

    def restart(self) -> None:
        """Start anew, and lose nothing."""
        self.starts += 1
        self.changed()

    def changed(self) -> None:
        """Wake whoever waits."""
        self._changed.set()
        self._changed = trio.Event()

    async def wait_changed(self) -> None:
        """Wait until something is added, or heals."""
        await self._changed.wait()

    def add(self, data: bytes) -> bytes:
        """Add an entry, and return its id."""
        now = int(trio.current_time() * 1000) + 1_700_000_000_000
        time, number = self._last
        self._last = (now, 0) if now > time else (time, number + 1)
        self.entries[self._last] = data
        self.added += 1
        self.changed()
        return _id(self._last)

    def do(self, command: Command) -> Any:
        """Carry out a command that does not wait."""
        name, *given = command
        match name:
            case b"XADD":
                return ErrorAnswer(self.refuses) if self.refuses else self.add(given[-1])
            case b"XRANGE":
                low, high = _bound(given[1]), _bound(given[2])
                most = int(given[4]) if len(given) > 3 else 1 << 30
                return [
                    [_id(place), [b"e", data]]
                    for place, data in self.entries.items()
                    if low <= (*place, 0) <= high
                ][:most]
            case b"XLEN":
                return len(self.entries)
            case b"GET":
                return self.snapshot
            case b"GETRANGE":
                return (self.snapshot or b"")[: int(given[2]) + 1]
            case b"INFO":
                if not self.tells_info:
                    return ErrorAnswer("NOPERM this user has no permissions")
                return b"# Server\r\nredis_version:7.0.15\r\nrun_id:run-%d\r\n" % self.starts
            case b"SADD":
                if self.refuses:
                    return ErrorAnswer(self.refuses)
                self.sets.setdefault(given[0], set()).add(given[1])
                return 1
            case b"SMEMBERS":
                return set(self.sets.get(given[0], set()))
            case b"PEXPIRE":
                return 1
            case b"CONFIG":
                return {given[1]: self.settings[given[1]]} if given[1] in self.settings else {}
            case b"EVAL":
                if self.refuses:
                    return ErrorAnswer(self.refuses)
                place, data = given[4], given[5]
                if _bound(place)[:2] not in self.entries:
                    return 0
                self.snapshot = place + b" " + data
                if given[6] == b"1":
                    for old in [one for one in self.entries if one < _bound(place)[:2]]:
                        del self.entries[old]
                return 1
        raise AssertionError(command)


class FakeLink:
    """A connection to a `FakeRedis`."""

    def __init__(self, redis: FakeRedis, name: str) -> None:
        self._redis = redis
        self._name = name
        # The start of the Redis that has answered last.
        self._answered = 0

    @property
    def is_open(self) -> bool:
        return self._answered == self._redis.starts

    @property
    def _is_down(self) -> bool:
        return self._redis.is_down or self._name in self._redis.cut_off

    async def calls(self, *commands: Command, seconds: float, opens: bool = True) -> Sequence[Any]:
        redis = self._redis
        was_open, starts = self.is_open, redis.starts
        self._answered = 0
        await trio.lowlevel.checkpoint()
        if not was_open and not opens:
            raise LinkLost("the connection is gone")
        answers = []
        with trio.move_on_after(seconds):
            while redis.hangs:
                await redis.wait_changed()
            # A millisecond there and back.
            await trio.sleep(0.001)
            for command in commands:
                if was_open and starts != redis.starts:
                    raise LinkLost("Redis has started anew")
                if self._is_down or redis.before_command(command):
                    raise LinkLost("cut before the command")
                if command[0] == b"XREAD":
                    answers.append(await self._read(command))
                else:
                    answers.append(redis.do(command))
                if self._is_down or redis.before_answer(command):
                    raise LinkLost("cut before the answer")
            self._answered = starts
            return answers
        raise LinkLost("no answer in time")

    async def _read(self, command: Command) -> Any:
        redis, after = self._redis, _bound(command[-1])
        with trio.move_on_after(int(command[4]) / 1000):
            while True:
                found = [
                    [_id(place), [b"e", data]]
                    for place, data in redis.entries.items()
                    if (*place, 0) > after
                ][: int(command[2])]
                if found:
                    return {command[-2]: found}
                await redis.wait_changed()
                if self._is_down:
                    raise LinkLost("cut while it waited")
        return None

    def close(self) -> None:
        self._answered = 0


def _id(place: Place) -> bytes:
    return b"%d-%d" % place


def _bound(text: bytes) -> tuple[int, int, int]:
    """Return a place; the third number is for what lies beyond it."""
    if text == b"-":
        return 0, 0, 0
    if text == b"+":
        return 1 << 62, 0, 0
    time, _, number = text.removeprefix(b"(").partition(b"-")
    return int(time), int(number), int(text[:1] == b"(")
