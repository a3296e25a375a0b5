"""Runs a window on a terminal: keys, painting and the link to the server, in one thread.

The link and the keys change the window and wake the task that paints. It paints at once after a
key, and at most 20 times a second for what arrives. A terminal that reads nothing blocks only that
task.
"""

from __future__ import annotations

import math
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Protocol

import trio

from trionet.chat.person import calls
from trionet.chat.window.composition import bare_lines, compose
from trionet.chat.window.model import Window
from trionet.cli.suspending import job_signals, send_to_job, stop, stop_in_background
from trionet.cli.terminal_modes import is_in_foreground
from trionet.cli.window.keyboard import Keyboard
from trionet.cli.window.painting import Painter
from trionet.cli.window.styles import styles_for
from trionet.cli.window.terminal import Terminal

PAINTS_PER_SECOND = 20

# Esc is a key by itself if nothing follows within this time. Other keys' sequences begin with it.
_ESCAPE_SECONDS = 0.05

# A paste that the terminal has not marked ends when nothing follows for this long, or at this size.
_QUIET_SECONDS = 0.02
_MAX_BURST = 1 << 20

# How long `q` waits for the receipts of what was typed: several round trips around the world.
_SEND_SECONDS = 2.0


class Link(Protocol):
    """The window's connection to a server, which reconnects by itself."""

    async def run(self, window: Window, changed: Callable[[], object]) -> None:
        """Tell the window about events and the connection, and call `changed` each time."""

    @property
    def unanswered(self) -> Sequence[calls.ServerCall]:
        """The requests that are not answered yet."""

    def ask(self, call: calls.ServerCall) -> None:
        """Send a request. Never a checkpoint."""

    async def quit(self) -> None:
        """Tell the server that this member leaves, and wait up to two seconds until it knows.

        A cancellation shortens that to one second.
        """


async def run_window(
    window: Window, link: Link, terminal: Terminal, environment: Mapping[str, str] = os.environ
) -> int:
    """Run a window until the person leaves or the terminal hangs up.

    Args:
        window: the window.
        link: the connection, which has quit when this returns.
        terminal: where the window is shown.
        environment: the variables that tell what the terminal can do (`TERM`, `COLORTERM`,
            `NO_COLOR`); default: those of the process.

    Returns:
        0, or the number of the signal that should end the program: SIGINT for Ctrl-C, SIGHUP if the
        terminal has hung up.

    Raises:
        OSError: the terminal cannot be opened.

    Cancellation: the terminal is restored and the server told. A caller that cancels this because
    of a signal must handle signals until this has returned: a terminal that hangs up sends SIGHUP
    twice, and the second one must not cut the goodbye off.
    """
    # Signals first: one that arrived after the terminal was changed would leave it so.
    with trio.open_signal_receiver(*job_signals(), signal.SIGWINCH) as signals:
        running = _Running(window, link, terminal, environment)
        try:
            with terminal.shown():
                await running.run(signals)
        finally:
            # No cancel scope may surround this: the client's nursery was opened before.
            await link.quit()
    return running.number


class _Running:
    """A running window; `number` is that of the signal that ends it."""

    def __init__(
        self, window: Window, link: Link, terminal: Terminal, environment: Mapping[str, str]
    ) -> None:
        self.number = 0
        self._window = window
        self._link = link
        self._terminal = terminal
        self._painter = Painter(styles_for(environment))
        self._keyboard = Keyboard(self._press, self._paste, self._point)
        self._scope = trio.CancelScope()
        self._changed = trio.Event()
        self._is_urgent = trio.Event()
        self._has_quit = trio.Event()
        self._was_answered = trio.Event()
        self._also = ""
        self._is_bare = False

    async def run(self, signals: AsyncIterator[int]) -> None:
        self._window.pass_time(int(time.time()))
        self._note_change(is_urgent=True)
        with self._scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._watch_signals, signals)
                nursery.start_soon(self._read_keys)
                nursery.start_soon(self._paint)
                nursery.start_soon(self._leave)
                await self._link.run(self._window, self._hear)
                # The connection is gone for good. The window stays until the person leaves.
                self._note_change()

    def _hear(self) -> None:
        self._window.pass_time(int(time.time()))
        self._carry_out()
        self._note_change()
        self._was_answered.set()

    def _press(self, key: str) -> None:
        self._window.pass_time(int(time.time()))
        self._window.press(key)
        self._carry_out()

    def _paste(self, text: str) -> None:
        self._window.paste(text)
        self._carry_out()

    def _point(self, column: int, row: int, is_click: bool) -> None:
        self._window.point(column, row, is_click=is_click)
        self._carry_out()

    def _note_change(self, *, is_urgent: bool = False) -> None:
        self._changed.set()
        if is_urgent:
            self._is_urgent.set()

    def _carry_out(self) -> None:
        for call in self._window.take_calls():
            if isinstance(call, calls.Quit):
                self._has_quit.set()
            elif isinstance(call, calls.Interrupt):
                self._end(signal.SIGINT)
            elif isinstance(call, calls.Bell):
                self._also += "\a"
            elif isinstance(call, calls.Mouse):
                self._also += self._terminal.take_mouse(call.on)
            elif isinstance(call, calls.Redraw):
                self._painter.forget()
            elif isinstance(call, calls.Suspend):
                send_to_job(signal.SIGTSTP)
            else:
                self._link.ask(call)

    def _end(self, number: int) -> None:
        self.number = self.number or number
        self._scope.cancel()

    async def _leave(self) -> None:
        """Leave when the person has asked for it and what they typed is answered."""
        await self._has_quit.wait()
        with trio.move_on_after(_SEND_SECONDS):
            while self._link.unanswered and self._window.is_up:
                self._was_answered = trio.Event()
                await self._was_answered.wait()
        self._end(0)

    async def _paint(self) -> None:
        try:
            while True:
                await self._changed.wait()
                self._changed = trio.Event()
                columns, height = self._terminal.size()
                self._window.resize(columns, height)
                also, self._also = self._also, ""
                await self._terminal.write(also + self._painted(columns, height))
                with trio.move_on_after(1 / PAINTS_PER_SECOND):
                    await self._is_urgent.wait()
                self._is_urgent = trio.Event()
        except OSError:
            self._end(signal.SIGHUP)

    def _painted(self, columns: int, height: int) -> str:
        """Return what makes the terminal show the window as it is now."""
        if self._window.shows_bare:
            if self._is_bare:
                # It must not change while a person selects text in it.
                return ""
            self._is_bare = True
            return self._terminal.bare("\r\n".join(bare_lines(self._window)))
        text = ""
        if self._is_bare:
            self._is_bare = False
            self._painter.forget()
            text = self._terminal.not_bare()
        # A window has at least three rows. A smaller terminal shows the last ones.
        return text + self._painter.paint(compose(self._window)[-height:], columns)

    async def _read_keys(self) -> None:
        is_open = False
        while True:
            with trio.move_on_after(_ESCAPE_SECONDS if is_open else math.inf) as waiting:
                data = await self._terminal.read()
            if waiting.cancelled_caught:
                self._keyboard.flush()
            elif not data:
                self._end(signal.SIGHUP)
                return
            elif self._keyboard.is_paste(data):
                self._keyboard.feed_paste(data + await self._read_burst())
            else:
                self._keyboard.feed(data)
            is_open = not waiting.cancelled_caught
            self._note_change(is_urgent=True)

    async def _read_burst(self) -> bytes:
        """Return the rest of a paste. A terminal sends a long one in pieces."""
        pieces: list[bytes] = []
        size = 0
        while size < _MAX_BURST:
            piece = b""
            with trio.move_on_after(_QUIET_SECONDS):
                piece = await self._terminal.read()
            if not piece:
                break
            pieces.append(piece)
            size += len(piece)
        return b"".join(pieces)

    async def _watch_signals(self, signals: AsyncIterator[int]) -> None:
        async for number in signals:
            if number == signal.SIGTSTP:
                self._terminal.leave()
                stop()
                self._resume()
            elif number == signal.SIGCONT:
                self._resume()
            else:
                self._painter.forget()
                self._note_change(is_urgent=True)

    def _resume(self) -> None:
        if not is_in_foreground():
            # The shell has continued the program with `bg`, and uses the terminal itself.
            self._terminal.leave()
            stop_in_background()
            return
        try:
            self._terminal.enter()
        except OSError:
            self._end(signal.SIGHUP)
        self._painter.forget()
        self._note_change(is_urgent=True)
