"""Whatever a server sends and a person presses: the window stands, and its logs stay in order."""

from __future__ import annotations

import random
import re
from typing import Any

import pytest

from trionet.chat.person import calls
from trionet.chat.window.composition import bare_lines, compose
from trionet.chat.window.keys import ACTIONS
from trionet.chat.window.model import Window
from trionet.chat.window.styled import row_text
from trionet.chat.window.window_commands import COMMANDS
from window_events import at, event

NAMES = ("Ann", "Bea", "日本", "x" * 80, "\x1b[2J", "👨‍👩‍👧")
TEXTS = ("", "Ann!", "日本語" * 30, "a\nb\n", "\x1b]0;x\x07", "x" * 4000, "needle", "line\n" * 49)
ROOMS = ("lobby", "builds", "röm", "@")
REASONS = ("why", "\x1b[2J", "\x9b31m\nno \u202e")

_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


class Chaos:
    """A server that keeps no rule, and a person who presses any key."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self.window = Window("Ann", max_entries=self._random.choice((50, 300, 100_000)))
        self._newest = dict.fromkeys(ROOMS, 0)
        self._asked: list[Any] = []

    def step(self) -> None:
        pick = self._random.choice
        pick(
            (
                *(self._say, self._say, self._notice, self._lose, self._enter),
                *(self._refuse, self._press, self._act),
            )
        )()
        for call in self.window.take_calls():
            if isinstance(call, calls.History | calls.Search):
                self._asked.append(call)
        while self._asked and self._random.random() < 0.3:
            self._answer(self._asked.pop(0))

    def _number(self, room: str) -> int:
        if self._random.random() < 0.1:
            return self._random.randint(0, self._newest[room] + 5)
        self._newest[room] += 1
        return self._newest[room]

    def _time(self) -> str:
        return at(self._random.randint(0, 11 * 3600))

    def _hear(self, type_: str, room: str, **fields: Any) -> None:
        fields = {"name": self._random.choice(NAMES), "count": 3, "time": self._time(), **fields}
        self.window.hear(event(type_, room=room, number=self._number(room), **fields))

    def _say(self) -> None:
        pick, text = self._random.choice, self._random.choice(TEXTS)
        if pick((True, False, False)):
            told = {"from_": pick(NAMES), "to": pick(NAMES), "text": text, "time": self._time()}
            self.window.hear(event("told", number=self._random.randint(0, 50), **told))
        else:
            self._hear(pick(("said", "acted")), pick(ROOMS[:3]), text=text)

    def _notice(self) -> None:
        pick = self._random.choice
        extra = {"reason": pick(("quit", "left")), "to": pick(NAMES), "text": "tea"}
        type_ = pick(("joined", "left", "renamed", "topic", "removed"))
        self._hear(type_, pick(ROOMS), of=self._random.randint(0, 60), **extra)

    def _lose(self) -> None:
        after, before = self._random.randint(0, 60), self._random.randint(0, 400)
        self.window.hear(
            event("missed", room=self._random.choice(ROOMS), after=after, before=before)
        )

    def _enter(self) -> None:
        number, epoch = self._random.randint(0, 500), self._random.choice("abbbbbbb")
        told = self._random.choice(
            (
                event("entered", room="lobby", topic="x", members=NAMES, count=7, last=number),
                event("welcome", name="Ann", epoch=epoch),
                event("epoch", epoch=epoch, rooms={"lobby": number}),
            )
        )
        self.window.hear(told)
        link = (self.window.link_up, self.window.link_down, self.window.link_ended)
        self._random.choice(link)(self._random.choice(REASONS))
        self.window.resize(self._random.randint(1, 120), self._random.randint(1, 40))

    def _press(self) -> None:
        pick = self._random.choice
        self.window.press(pick((*ACTIONS, *"abc日👍", "\u0301", "\u200d")))
        self.window.press(pick(("pageup", "pageup", "pagedown", "wheel-up", "c-n")))

    def _refuse(self) -> None:
        pick = self._random.choice
        said = (calls.Say(pick(ROOMS), pick(TEXTS)), calls.Tell("Bea", pick(TEXTS)))
        self.window.refused(pick((*said, calls.Join(pick(ROOMS)))), pick(REASONS))

    def _act(self) -> None:
        self.window.paste(self._random.choice(TEXTS))
        usage = self._random.choice(COMMANDS.all()).usage
        for key in [*usage, " ", *self._random.choice(("", "builds", "Bea", "needle")), "enter"]:
            self.window.press(key)

    def _answer(self, call: calls.History | calls.Search) -> None:
        back = self._random.randint(1, 200)
        if isinstance(call, calls.Search):
            number = max(1, call.before - 2 * back)
            self.window.hear(event("found", events=self._page(call.room, [number])))
        elif back == 1:
            self.window.not_loaded(call.room, self._random.choice(REASONS))
        else:
            last = call.after + call.limit if call.after else call.before - 1
            first = call.after + 1 if call.after else max(1, call.before - back)
            page = self._page(call.room, range(first, last + 1))
            self.window.loaded(call.room, page, more=back < 160)

    def _page(self, room: str, numbers: Any) -> list[Any]:
        types = ("said", "said", "joined")
        return [
            event(
                self._random.choice(types),
                room=room,
                number=number,
                time=self._time(),
                count=3,
                name=self._random.choice(NAMES),
                text=f"text {number}",
            )
            for number in numbers
            if self._random.random() < 0.95
        ]


@pytest.mark.parametrize("seed", range(12))
def test_the_window_stands_and_its_logs_stay_in_order(seed: int) -> None:
    chaos = Chaos(seed)
    for _ in range(250):
        chaos.step()
        rows = compose(chaos.window)
        assert len(rows) == chaos.window.layout.height
        shown = [row_text(part) for row in rows for part in (row.main, row.side)]
        # Nobody else can steer the terminal.
        assert not _CONTROLS.search("".join([*shown, *bare_lines(chaos.window)]))
        for room in chaos.window.rooms:
            numbers = [entry.number for entry in room.log.entries]
            assert numbers == sorted(numbers), room.name
