"""A line editor with history on a terminal, with output appearing above the line being typed.

Two parts: this one, in Trio, and `trionet.cli.typist`, which is prompt_toolkit in a thread. They
talk by way of queues, and neither waits for the other: a terminal that stands still stops the
thread, and lines wait for it, bounded, while the program goes on and can end.
"""

from __future__ import annotations

import signal
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Self

import trio
from prompt_toolkit.document import Document
from prompt_toolkit.layout.screen import Char

from trionet.cli.history import KeptHistory, history_path
from trionet.cli.modes import is_in_foreground
from trionet.cli.pasting import mark_paste
from trionet.cli.typist import Prompt, Typist
from trionet.lines import MAX_LINE, Line, LineDecoder

# How long a terminal that stands still is waited for: to show the last lines, or to take the prompt
# away. It never does either.
_GOODBYE_SECONDS = 1.0

# And a thread that a busy machine gives no time to. It has little to do, and will do it.
_BUSY_SECONDS = 10.0


class LineEditor:
    """An async iterator of the lines that a person types; `open_line_editor` makes it.

    Ctrl-D on an empty line ends it. Ctrl-C clears a line, and sends SIGINT on an empty one.

    Args:
        prompt: what stands before the line.
        typist: asks and prints.
    """

    def __init__(self, prompt: str, typist: Typist) -> None:
        self._prompt = prompt
        self._typist = typist
        self._token = trio.lowlevel.current_trio_token()
        self._thread = trio.CancelScope(shield=True)
        self._ended = trio.Event()
        # Of the question that stands, or stood last.
        self._answered = trio.Event()
        # What was typed last, and the line of it that was handed out last; and what of it is to be
        # mended, with the cursor where it stands.
        self._typed = ""
        self._handed = ""
        self._returned: list[str] = []
        self._cursor = 0
        # What is typed at once can be many lines (a paste), or no text (a terminal that is not
        # set to UTF-8): so it goes the way of all lines.
        self._decoder = LineDecoder(max_line=MAX_LINE, max_unending=1 << 62)
        self._lines: deque[tuple[Line, str]] = deque()

    async def ask(self, question: str) -> str | None:
        """Ask for a line that stays out of the history; ``None``: there is none any more.

        Lines that were pasted behind the answer are the next that are typed.

        Always a checkpoint. Cancellation: the question is taken back.
        """
        typed = await self._ask(question, Document(), is_kept=False)
        if typed is None:
            return None
        self._take_typed(*typed)
        return self._lines.popleft()[1]

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Line:
        if not self._lines:
            typed = await self._ask(self._prompt, self._take_returned(), is_kept=True)
            if typed is None:
                raise StopAsyncIteration
            self._take_typed(*typed)
        line, self._handed = self._lines.popleft()
        return line

    def _take_typed(self, typed: str, goes_on: bool) -> None:
        self._typed = typed
        data = typed.encode(errors="surrogateescape") + b"\n"
        lines = mark_paste(self._decoder.feed(data), goes_on)
        self._lines.extend(zip(lines, typed.split("\n"), strict=True))

    async def _ask(self, text: str, default: Document, *, is_kept: bool) -> tuple[str, bool] | None:
        answered = self._answered = trio.Event()
        answer: tuple[str, bool] | None = None

        def take(line: str | None, goes_on: bool) -> None:
            nonlocal answer
            answer = None if line is None else (line, goes_on)
            answered.set()

        def deliver(line: str | None, goes_on: bool) -> None:
            with suppress(trio.RunFinishedError):
                self._token.run_sync_soon(take, line, goes_on)

        if self._ended.is_set():
            answered.set()
        prompt = Prompt(text, deliver, default, is_kept)
        self._typist.ask(prompt)
        try:
            await answered.wait()
        finally:
            self._typist.cancel(prompt)
        return answer

    def give_back(self, line: str, column: int | None) -> str | None:
        """Put a line that was typed into the next prompt, so that it can be mended or replaced.

        It stands there as if selected: a key that types replaces it, any other edits it.

        Args:
            line: the line, or one of a paste; empty: the one handed out last, which was no line.
            column: where its mistake is, from 1: there the cursor will stand; ``None``: at its end.

        Returns:
            A line to show below what was typed, with a caret under the mistake; empty: there is no
            place to point at. ``None``: what was typed is a paste of several lines.
        """
        line = line or self._handed
        if not self._returned:
            self._cursor = len(line) if column is None else min(column - 1, len(line))
        self._returned.append(line)
        if line != self._typed:
            return None
        whole = _width(self._prompt) + _width(line)
        if column is None or whole >= self._typist.columns():
            # Broken into several rows, of which the last alone has the place below it.
            return ""
        return " " * (_width(self._prompt) + _width(line[: column - 1])) + "^"

    def _take_returned(self) -> Document:
        document = Document("\n".join(self._returned), self._cursor if self._returned else 0)
        self._returned = []
        return document

    def show(self, line: str) -> None:
        """Print a line above the one being typed. Never blocks.

        While the terminal stands still, 2 MiB of lines wait; then the oldest are dropped, and their
        number is printed in their place.
        """
        self._typist.show(line)

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Run the thread until `close`, whatever else is cancelled."""
        started = partial(self._token.run_sync_soon, task_status.started)
        try:
            with self._thread:
                await trio.to_thread.run_sync(self._typist.run, started, abandon_on_cancel=True)
        finally:
            self._ended.set()
            self._answered.set()

    async def obey_signals(self) -> None:
        """Suspend and resume with the program, and draw anew with the terminal's size."""
        numbers = [signal.SIGWINCH, signal.SIGCONT]
        if signal.getsignal(signal.SIGTSTP) != signal.SIG_IGN:
            numbers.append(signal.SIGTSTP)
        with trio.open_signal_receiver(*numbers) as signals:
            async for number in signals:
                if number == signal.SIGWINCH:
                    self._typist.resize()
                elif number == signal.SIGCONT:
                    self._resume()
                else:
                    await self._suspend()

    async def _suspend(self) -> None:
        has_left = trio.Event()
        self._typist.leave_screen(lambda: self._token.run_sync_soon(has_left.set))
        await self._wait_unless_still(has_left)
        self._typist.restore_modes()
        ours = signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        # Here the program stands still, unless there is nobody to resume it.
        signal.raise_signal(signal.SIGTSTP)
        signal.signal(signal.SIGTSTP, ours)
        self._resume()

    def _resume(self) -> None:
        if is_in_foreground():
            self._typist.enter_screen()
        else:
            # As by `bg`. The terminal is the shell's: stop until the next SIGCONT, as whatever
            # reads from a terminal in the background.
            signal.raise_signal(signal.SIGTTIN)

    async def _wait_unless_still(self, event: trio.Event) -> None:
        """Wait for what the thread does, but for no longer than a terminal may stand still."""
        with trio.move_on_after(_BUSY_SECONDS):
            while not event.is_set():
                with trio.move_on_after(_GOODBYE_SECONDS):
                    await event.wait()
                if not self._typist.can_print():
                    break

    async def close(self) -> None:
        """Print what waits, and leave the terminal as it was; no more is read or shown after that.

        Cancellation: none; ends within one second if the terminal stands still.
        """
        self._typist.end()
        with trio.CancelScope(shield=True):
            await self._wait_unless_still(self._ended)
        if not self._ended.is_set():
            self._thread.cancel()
            self._typist.restore_modes()


@asynccontextmanager
async def open_line_editor(
    prompt: str = "> ",
    *,
    history: str | None = None,
    to_rows: Callable[[str, int], list[str]] = lambda line, _: [line],
) -> AsyncIterator[LineEditor]:
    """Edit lines on the terminal for as long as the block runs.

    Args:
        prompt: what stands before the line.
        history: the name of a file that keeps the history; default: it is known to this run alone.
        to_rows: makes of a line that is shown the rows to print on a terminal of so many columns;
            default: the terminal breaks a long line itself.

    Resource handling: at the end, the terminal's modes are as they were before.
    """

    def warn(warning: str) -> None:
        typist.show(f"warning: {warning}")

    kept = None if history is None else KeptHistory(history_path(history), on_failure=warn)
    typist = Typist(kept, to_rows)
    editor = LineEditor(prompt, typist)
    async with trio.open_nursery() as nursery:
        # Shielded, as the thread itself: one that is just starting cannot be told to end.
        with trio.CancelScope(shield=True):
            await nursery.start(editor.run)
        nursery.start_soon(editor.obey_signals)
        try:
            yield editor
        finally:
            await editor.close()
            nursery.cancel_scope.cancel()


def _width(text: str) -> int:
    """Return how many columns a text takes as the editor shows it: a control character has two."""
    return sum(Char(character).width for character in text)
