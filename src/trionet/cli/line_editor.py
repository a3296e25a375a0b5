"""A line editor with history on a terminal, with output appearing above the line being typed.

It has two halves: this one, in Trio, and `trionet.cli.prompt_thread`, which is prompt_toolkit in a
thread. They talk through queues, and neither waits for the other. A terminal that stands still
blocks the thread; lines for it then wait, within a bound, while the program goes on and can end.
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

from trionet.cli.input_rows import drawn_width
from trionet.cli.pasting import mark_paste
from trionet.cli.prompt_thread import Prompt, PromptThread
from trionet.cli.suspending import job_signals, stop, stop_in_background
from trionet.cli.terminal_modes import is_in_foreground
from trionet.cli.typed_history import KeptHistory, history_path
from trionet.lines import MAX_LINE, Line, LineDecoder

# How long the terminal has to show the last lines, or to remove the prompt. One that stands still
# never will.
_GOODBYE_SECONDS = 1.0

# How long to wait for the thread on a machine that is too busy to run it. It has little to do.
_BUSY_SECONDS = 10.0


class LineEditor:
    """An async iterator over the lines that a person types; made by `open_line_editor`.

    Ctrl-D on an empty line ends it. Ctrl-C clears a line; on an empty one it sends SIGINT, or
    answers with no where `expect_answer` says so.

    Args:
        prompt: what is shown before the line.
        thread: asks and prints.
    """

    def __init__(self, prompt: str, thread: PromptThread) -> None:
        self._prompt = prompt
        self._thread = thread
        self._token = trio.lowlevel.current_trio_token()
        self._thread_scope = trio.CancelScope(shield=True)
        self._ended = trio.Event()
        # Belongs to the current question, or to the last one.
        self._answered = trio.Event()
        # What was typed last, and which line of it was handed out last.
        self._typed = ""
        self._handed = ""
        # Lines that the next prompt offers for correction, and where it puts the cursor.
        self._returned: list[str] = []
        self._answer_of_ctrl_c = ""
        self._cursor = 0
        # What is typed at once can be several lines (a paste), or no text at all (a terminal that
        # is not set to UTF-8), so it is decoded like any other lines.
        self._decoder = LineDecoder(max_line=MAX_LINE, max_unending=1 << 62)
        self._lines: deque[tuple[Line, str]] = deque()

    async def ask(self, question: str) -> str | None:
        """Ask for a line that stays out of the history; ``None``: the input has ended.

        Lines that were pasted after the answer are the next ones that the iterator returns.

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
        lines = mark_paste(self._decoder.feed(data), goes_on=goes_on)
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
        prompt = Prompt(text, deliver, default, is_kept, self._answer_of_ctrl_c)
        self._thread.ask(prompt)
        try:
            await answered.wait()
        finally:
            self._thread.cancel(prompt)
        return answer

    def expect_answer(self, no: str) -> None:
        """Have Ctrl-C on an empty line answer a question, from the next prompt on.

        Args:
            no: the line that it enters; empty: there is no question, so it sends SIGINT again.
        """
        self._answer_of_ctrl_c = no

    def give_back(self, line: str, column: int | None) -> str | None:
        """Put a line that was typed into the next prompt, to be corrected or replaced.

        The line appears as if selected: a key that types replaces it, any other key edits it.

        Args:
            line: the line, or one line of a paste; empty: the one handed out last, which was not
                valid text.
            column: where its mistake is, from 1; the cursor will stand there. ``None``: at its end.

        Returns:
            A line to show below what was typed, with a caret under the mistake; empty if there is
            nothing to point at. ``None`` if what was typed is a paste of several lines.
        """
        line = line or self._handed
        if not self._returned:
            self._cursor = len(line) if column is None else min(column - 1, len(line))
        self._returned.append(line)
        if line != self._typed:
            return None
        whole = _width(self._prompt) + _width(line)
        if column is None or whole >= self._thread.columns():
            # The line is broken into several rows, and a caret fits only below the last one.
            return ""
        return " " * (_width(self._prompt) + _width(line[: column - 1])) + "^"

    def _take_returned(self) -> Document:
        document = Document("\n".join(self._returned), self._cursor if self._returned else 0)
        self._returned = []
        return document

    def show(self, line: str) -> None:
        """Print a line above the one being typed. Never blocks.

        While the terminal stands still, up to 2 MiB of lines wait; beyond that the oldest are
        dropped, and their number is printed in their place.
        """
        self._thread.show(line)

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Run the thread until `close`, whatever else is cancelled."""
        started = partial(self._token.run_sync_soon, task_status.started)
        try:
            with self._thread_scope:
                await trio.to_thread.run_sync(self._thread.run, started, abandon_on_cancel=True)
        finally:
            self._ended.set()
            self._answered.set()

    async def obey_signals(self) -> None:
        """Suspend and resume with the program, and redraw when the terminal's size changes."""
        with trio.open_signal_receiver(*job_signals(), signal.SIGWINCH) as signals:
            async for number in signals:
                if number == signal.SIGWINCH:
                    self._thread.resize()
                elif number == signal.SIGCONT:
                    self._resume()
                else:
                    await self._suspend()

    async def _suspend(self) -> None:
        has_left = trio.Event()
        self._thread.leave_screen(lambda: self._token.run_sync_soon(has_left.set))
        await self._wait_unless_still(has_left)
        self._thread.restore_modes()
        stop()
        self._resume()

    def _resume(self) -> None:
        if is_in_foreground():
            self._thread.enter_screen()
        else:
            # The shell resumed the program by `bg` and has the terminal.
            stop_in_background()

    async def _wait_unless_still(self, event: trio.Event) -> None:
        """Wait for the thread, but give up once the terminal has stood still for a second."""
        with trio.move_on_after(_BUSY_SECONDS):
            while not event.is_set():
                with trio.move_on_after(_GOODBYE_SECONDS):
                    await event.wait()
                if not self._thread.can_print():
                    break

    async def close(self) -> None:
        """Print what is waiting and leave the terminal as it was. Nothing is read or shown after.

        Cancellation: none; ends within one second if the terminal stands still.
        """
        self._thread.end()
        with trio.CancelScope(shield=True):
            await self._wait_unless_still(self._ended)
        if not self._ended.is_set():
            self._thread_scope.cancel()
            self._thread.restore_modes()


@asynccontextmanager
async def open_line_editor(
    prompt: str = "> ",
    *,
    history: str | None = None,
    to_rows: Callable[[str, int], list[str]] = lambda line, _: [line],
) -> AsyncIterator[LineEditor]:
    """Edit lines on the terminal for as long as the block runs.

    Args:
        prompt: what is shown before the line.
        history: the name of the file that keeps the history; default: only this run knows it.
        to_rows: breaks a line that is shown into the rows to print on a terminal with that many
            columns; default: the terminal breaks a long line itself.

    Resource handling: at the end, the terminal's modes are restored.
    """

    def warn(warning: str) -> None:
        thread.show(f"warning: {warning}")

    kept = None if history is None else KeptHistory(history_path(history), on_failure=warn)
    thread = PromptThread(kept, to_rows)
    editor = LineEditor(prompt, thread)
    async with trio.open_nursery() as nursery:
        # Shielded like the thread itself, because one that is only starting cannot be told to end.
        with trio.CancelScope(shield=True):
            await nursery.start(editor.run)
        nursery.start_soon(editor.obey_signals)
        try:
            yield editor
        finally:
            await editor.close()
            nursery.cancel_scope.cancel()


def _width(text: str) -> int:
    """Return how many columns the editor needs for a text; a control character takes two."""
    return sum(map(drawn_width, text))
