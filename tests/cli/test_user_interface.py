"""The user interface: it asks, shows and warns according to what the standard streams are."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import ModuleType
from typing import cast

import pytest

from trionet.cli.running import Runtime
from trionet.cli.user_interface import is_input_terminal, open_user_interface
from trionet.program.console import Console


class Recorder:
    """Stands in for a console and for a line editor, and records what they are given."""

    def __init__(self) -> None:
        self.shown: list[str] = []

    def show(self, line: str) -> None:
        self.shown.append(line)

    print = show

    async def wait_room(self) -> None:
        self.shown.append("(room)")

    def give_back(self, line: str, column: int | None) -> str | None:
        self.shown.append(f"({line} given back)")
        # The answers for a line that was typed, for one too wide for a row, and for a paste.
        return {3: "  ^", None: ""}.get(column)

    def expect_answer(self, no: str) -> None:
        self.shown.append(f"({no} expected)")

    async def ask(self, question: str) -> str | None:
        self.shown.append(question)
        return "Ann"

    async def __aiter__(self) -> AsyncIterator[str]:
        for line in ("one", "two"):
            yield line


class World:
    """The standard streams that `open_user_interface` finds, and what is printed on them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.out, self.err, self.editor = Recorder(), Recorder(), Recorder()
        self.history: str | None = None
        self.runtime = Runtime(cast(Console, self.out), cast(Console, self.err))
        self._monkeypatch = monkeypatch
        monkeypatch.setenv("TERM", "xterm")
        # It must not even be loaded where it is not used: loading takes a fifth of a second.
        monkeypatch.setitem(sys.modules, "trionet.cli.line_editor", None)

    def has_terminals(self, *fds: int) -> None:
        self._monkeypatch.setattr(os, "isatty", lambda fd: fd in fds)

    def has_editor(self) -> None:
        @asynccontextmanager
        async def open_line_editor(
            *, history: str | None, to_rows: Callable[[str, int], list[str]]
        ) -> AsyncIterator[Recorder]:
            self.history, self.to_rows = history, to_rows
            yield self.editor
            self.editor.shown.append("closed")

        module = ModuleType("trionet.cli.line_editor")
        module.open_line_editor = open_line_editor  # type: ignore[attr-defined]
        self._monkeypatch.setitem(sys.modules, "trionet.cli.line_editor", module)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


@pytest.mark.parametrize(
    ("terminals", "plain", "term"),
    [
        ((), False, "xterm"),
        ((1, 2), False, "xterm"),
        ((0, 2), False, "xterm"),
        ((0, 1, 2), True, "xterm"),
        ((0, 1, 2), False, "dumb"),
        ((0, 1, 2), False, "unknown"),
    ],
)
async def test_there_is_a_line_editor_only_on_two_capable_terminals(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    terminals: tuple[int, ...],
    plain: bool,
    term: str,
) -> None:
    world.has_terminals(*terminals)
    monkeypatch.setenv("TERM", term)
    async with open_user_interface(world.runtime, plain=plain) as ui:
        ui.show("54")
        ui.warn("malformed")
        ui.note("waiting")
        ui.refuse("1 \x1b", "expected a number", 3)
        ui.refuse("", "line is not UTF-8", None)
        await ui.wait_room()
    assert world.out.shown == ["54", "(room)"]
    assert world.err.shown == [
        "warning: malformed",
        "waiting",
        "warning: 1 �: expected a number",
        "warning: line is not UTF-8",
    ]
    # A person at a terminal can be asked, whatever the output is.
    assert ui.is_interactive is is_input_terminal() is (0 in terminals)


@pytest.mark.parametrize("errors_too", [True, False], ids=["one screen", "errors elsewhere"])
async def test_on_a_terminal_the_line_editor_has_the_screen(world: World, errors_too: bool) -> None:
    world.has_terminals(*range(2 + errors_too))
    world.has_editor()
    async with open_user_interface(world.runtime, plain=False, history="calc") as ui:
        assert ui.is_interactive
        assert await ui.ask("name: ") == "Ann"
        ui.show("54")
        ui.warn("malformed")
        ui.note("waiting")
        assert [line async for line in ui.lines] == ["one", "two"]
        await ui.wait_room()
    warning = ["warning: malformed"]
    assert world.editor.shown == [
        "name: ",
        "54",
        *(warning if errors_too else []),
        "waiting",
        "closed",
    ]
    assert world.err.shown == ([] if errors_too else warning)
    assert world.out.shown == []
    assert world.history == "calc"


async def test_on_one_screen_a_caret_shows_the_mistake(world: World) -> None:
    world.has_terminals(0, 1, 2)
    world.has_editor()
    async with open_user_interface(world.runtime, plain=False) as ui:
        ui.refuse("1 x", "expected an operator", 3)
        ui.refuse("long", "too long", None)
        ui.refuse("of a paste", "expected a number", 4)
    assert world.editor.shown == [
        *("(1 x given back)", "  ^", "warning: expected an operator"),
        *("(long given back)", "warning: too long"),
        *("(of a paste given back)", "warning: of a paste: expected a number"),
        "closed",
    ]
    assert world.history is None


async def test_when_errors_go_elsewhere_the_warning_quotes_the_line(world: World) -> None:
    world.has_terminals(0, 1)
    world.has_editor()
    async with open_user_interface(world.runtime, plain=False) as ui:
        ui.refuse("1 x", "expected an operator", 3)
    assert world.editor.shown == ["(1 x given back)", "closed"]
    assert world.err.shown == ["warning: 1 x: expected an operator"]
