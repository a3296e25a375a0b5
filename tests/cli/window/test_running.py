"""A window on a pseudo-terminal, with a link that has no server."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
import trio
import trio.testing

from pseudo_terminal import PseudoTerminal
from trionet.chat import Client, serve
from trionet.chat.client.events import Left
from trionet.chat.person import calls
from trionet.chat.window.model import Window
from trionet.cli.client_link import ClientLink
from trionet.cli.running import ClientEnding
from trionet.cli.window.joining import unsent_lines
from trionet.cli.window.running import run_window
from trionet.cli.window.terminal import Terminal
from trionet.program.signals import signals_taken_by
from trionet.testing import MemoryNetwork
from window_events import entered, event, said

PATIENCE = 20

ENVIRONMENT = {"TERM": "xterm-256color"}


class FakeLink:
    """A link that tells what a test wants told."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.unanswered: list[Any] = []
        self.quits = 0
        self.window = Window("Ann")
        self.changed: Callable[[], object] = lambda: None
        self.fault: Exception | None = None
        self._stops = trio.Event()

    async def run(self, window: Window, changed: Callable[[], object]) -> None:
        self.window, self.changed = window, changed
        window.link_up("connected")
        self.tell(entered("Ann", "Bea", topic="tea"))
        await self._stops.wait()
        if self.fault is not None:
            raise self.fault

    def tell(self, told: Any) -> None:
        self.window.hear(told)
        self.changed()

    def ask(self, call: Any) -> None:
        self.asked.append(call)

    async def quit(self) -> None:
        self.quits += 1
        await trio.lowlevel.checkpoint()

    def fail(self, fault: Exception) -> None:
        self.fault = fault
        self._stops.set()


class Run:
    """A window that is running."""

    def __init__(self, terminal: PseudoTerminal) -> None:
        self.terminal = terminal
        self.link = FakeLink()
        self.before = terminal.modes()
        self.after: list[Any] = []
        self.status: int | None = None
        self.ended = trio.Event()

    async def go(self) -> None:
        # As `until_interrupted` does, which needs a program of its own.
        ending = ClientEnding()
        try:
            with signals_taken_by(ending.take, signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
                async with trio.open_nursery() as nursery:

                    async def cancel_at_a_signal() -> None:
                        await ending.wait(1)
                        nursery.cancel_scope.cancel()

                    nursery.start_soon(cancel_at_a_signal)
                    terminal = Terminal(self.terminal.program)
                    self.status = await run_window(Window("Ann"), self.link, terminal, ENVIRONMENT)
                    nursery.cancel_scope.cancel()
                self.status = ending.number or self.status
        finally:
            ending.over()
            if not self.terminal.is_hung_up:
                self.terminal.read()
                self.after = self.terminal.modes()
            self.ended.set()


@asynccontextmanager
async def running(columns: int = 80, height: int = 24) -> AsyncIterator[Run]:
    terminal = PseudoTerminal(columns, height)
    run = Run(terminal)
    try:
        with trio.fail_after(PATIENCE):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(run.go)
                await terminal.until_shown("connected")
                yield run
                await run.ended.wait()
    finally:
        terminal.close()


def check_whole(run: Run) -> None:
    """Check that the terminal is as it was found, and that the server was told once."""
    assert run.after == run.before
    for mode in ("2004", "1000", "1006", "1049"):
        written = run.terminal.written
        assert written.rfind(f"\x1b[?{mode}l") > written.rfind(f"\x1b[?{mode}h")
    for mode in ("7", "25"):
        assert run.terminal.written.rfind(f"\x1b[?{mode}h") > run.terminal.written.rfind(
            f"\x1b[?{mode}l"
        )
    assert run.link.quits == 1


async def test_what_is_typed_is_shown_and_sent_and_what_is_said_is_shown() -> None:
    async with running() as run:
        run.terminal.type("größer 日本 👨‍👩‍👧")
        await run.terminal.until_shown("> größer 日本 👨‍👩‍👧")
        run.terminal.type("\r")
        await run.terminal.until(lambda rows: rows[-1] == ">")
        assert run.link.asked[-1] == calls.Say("lobby", "größer 日本 👨‍👩‍👧")
        run.link.tell(said(1, "hello"))
        await run.terminal.until_shown("12:00 Bea: hello")
        run.terminal.type("/quit\r")
    assert run.status == 0
    check_whole(run)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
async def test_a_signal_ends_it_and_the_terminal_is_whole(number: signal.Signals) -> None:
    async with running() as run:
        os.kill(os.getpid(), number)
        if number == signal.SIGHUP:
            # A terminal that hangs up sends it twice.
            os.kill(os.getpid(), number)
    assert run.status == number
    check_whole(run)


async def test_ctrl_c_with_no_text_ends_as_ctrl_c_does() -> None:
    async with running() as run:
        run.terminal.type("text")
        await run.terminal.until_shown("> text")
        run.terminal.type("\x03")
        await run.terminal.until(lambda rows: rows[-1] == ">")
        run.terminal.type("\x03")
    assert run.status == signal.SIGINT
    check_whole(run)


async def test_a_terminal_that_hangs_up_ends_it_and_the_server_is_told() -> None:
    async with running() as run:
        run.terminal.hang_up()
    assert run.status == signal.SIGHUP
    assert run.link.quits == 1


async def test_a_terminal_that_reads_nothing_ends_by_a_signal_and_is_whole() -> None:
    async with running(200, 50) as run:
        number = 0
        while run.terminal.takes_more():
            number += 1
            run.link.tell(said(number, f"{number} " * 60))
            run.terminal.type("x")
            await trio.testing.wait_all_tasks_blocked()
        os.kill(os.getpid(), signal.SIGTERM)
    assert run.status == signal.SIGTERM
    check_whole(run)


async def test_a_crash_leaves_the_terminal_whole() -> None:
    with pytest.raises(ExceptionGroup) as caught:
        async with running() as run:
            run.link.fail(RuntimeError("crash asked for"))
    assert caught.group_contains(RuntimeError, match="crash asked for")
    check_whole(run)


async def test_the_bare_view_is_broken_by_the_terminal_and_ends_with_any_key() -> None:
    async with running(40, 10) as run:
        run.link.tell(said(1, "word" * 20))
        run.terminal.type("\x1bl")
        rows = await run.terminal.until_shown("press any key")
        assert rows[:3] == [f"12:00 Bea: {'word' * 7}w", f"ord{'word' * 9}w", "ord" + "word" * 2]
        run.terminal.type("x")
        await run.terminal.until_shown("connected")
        run.terminal.type("\x04")
    assert run.status == 0
    check_whole(run)


async def test_lines_that_come_at_once_are_a_paste_even_if_the_terminal_does_not_mark_it() -> None:
    async with running() as run:
        run.terminal.type("one\rq\r/quit\r")
        await run.terminal.until_shown("send 3 lines as one message? y/n")
        run.terminal.type("y")
        await run.terminal.until(lambda rows: not any("y/n" in row for row in rows))
        assert run.link.asked[-1] == calls.Say("lobby", "one\nq\n/quit")
        run.terminal.type("\x04")
    assert run.status == 0


async def test_q_waits_for_what_was_typed_before_it() -> None:
    async with running() as run:
        run.link.unanswered.append(calls.Say("lobby", "one"))
        run.terminal.type("/quit\r")
        await run.terminal.until(lambda rows: rows[-1] == ">")
        await trio.testing.wait_all_tasks_blocked()
        assert not run.ended.is_set()
        run.link.unanswered.clear()
        run.link.tell(said(1, "one", name="Ann"))
    assert run.status == 0


async def test_q_does_not_wait_while_the_line_is_down() -> None:
    async with running() as run:
        run.link.unanswered.append(calls.Say("lobby", "one"))
        run.link.window.link_down("reconnecting in 30 s")
        run.terminal.type("/quit\r")
    assert run.status == 0


def test_texts_that_were_perhaps_not_sent_are_told_after_the_window() -> None:
    asked: list[Any] = [calls.Say("lobby", "one\ntwo"), calls.Who("lobby")]
    asked.append(calls.Tell("Bea", "\x1b[2J"))
    assert unsent_lines(asked) == [
        "error: perhaps not sent: one\n  two",
        "error: perhaps not sent: /msg Bea \ufffd[2J",
    ]
    many = [calls.Say("lobby", str(number)) for number in range(50)]
    assert len(unsent_lines(many)) == 21
    assert unsent_lines(many)[-1] == "error: and 30 more"


async def test_another_size_is_painted_at_once() -> None:
    async with running() as run:
        run.link.tell(event("error", code="x", reason="a fault"))
        run.terminal.resize(40, 10)
        os.kill(os.getpid(), signal.SIGWINCH)
        await run.terminal.until(lambda rows: rows[8].startswith(" lobby · 2 here"))
        run.terminal.type("\x04")
    assert run.status == 0


@pytest.mark.parametrize("keys", ["q\r", "\x03"])
async def test_with_a_real_server_the_room_is_told_once(keys: str) -> None:
    network, terminal = MemoryNetwork(), PseudoTerminal()
    address = "localhost:22223"

    async def see() -> int:
        link = ClientLink(address, name="Ann", network=network)
        await link.open()
        return await run_window(Window("Ann"), link, Terminal(terminal.program), ENVIRONMENT)

    try:
        with trio.fail_after(PATIENCE):
            async with trio.open_nursery() as nursery:
                await nursery.start(partial(serve, address, network=network, forever=True))
                async with Client(address, name="Bea", network=network) as bea:
                    nursery.start_soon(see)
                    await terminal.until_shown("connected")
                    terminal.type("hello\r")
                    await terminal.until_shown("Ann: hello")
                    terminal.type(keys)
                    async for heard in bea:
                        if isinstance(heard, Left):
                            assert (heard.name, heard.reason) == ("Ann", "quit")
                            break
                nursery.cancel_scope.cancel()
    finally:
        terminal.close()
