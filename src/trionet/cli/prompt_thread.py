"""prompt_toolkit in a thread of its own, from the first prompt to the end.

prompt_toolkit needs an asyncio loop, so it gets one in a thread. Everything here happens in that
loop, except for the methods that say otherwise.

The terminal stays in raw mode all the time. What somebody types while there is no prompt is not
echoed; it waits, and the next prompt shows it once. prompt_toolkit's own ways to print above a
prompt (``patch_stdout``, ``run_in_terminal``) leave raw mode for a moment, in which the terminal
echoes; and ``patch_stdout`` loses what is printed while somebody presses Enter.
"""

from __future__ import annotations

import asyncio
import os
import select
import sys
import termios
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast

from prompt_toolkit.application.current import set_app
from prompt_toolkit.document import Document
from prompt_toolkit.history import History
from prompt_toolkit.input.typeahead import get_typeahead, store_typeahead
from prompt_toolkit.keys import Keys
from prompt_toolkit.output.vt100 import Vt100_Output

from trionet.cli.key_bindings import SIGNAL_KEYS, LineState, open_session, send_signal_of
from trionet.cli.keyboard import Keyboard
from trionet.cli.pending_lines import PendingLines
from trionet.cli.resizing import rows_higher
from trionet.cli.screen import Screen, screen_size

# The pause between two repaints of the line being typed: shorter than the eye notices, and even in
# a lively room next to no work.
_REPAINT_SECONDS = 0.05


@dataclass(slots=True, eq=False)
class Prompt:
    """One question to the person at the terminal.

    Attributes:
        text: what is shown before the line.
        deliver: called in the loop's thread with the line, or ``None`` when the input has ended,
            and with whether the line belongs to a paste that continues after it.
        default: what the line contains at first.
        is_kept: whether the line goes into the history.
        answer_of_ctrl_c: what Ctrl-C on an empty line enters; empty: it interrupts.
        is_cancelled: whether the question was taken back.
    """

    text: str
    deliver: Callable[[str | None, bool], object]
    default: Document = field(default_factory=Document)
    is_kept: bool = True
    answer_of_ctrl_c: str = ""
    is_cancelled: bool = False


class PromptThread:
    """Asks the person at the terminal and prints above the prompt. Call `run` in a thread.

    Args:
        history: keeps what is typed; ``None``: only this run knows it.
        to_rows: breaks a line into the rows to print on a terminal with that many columns.
    """

    def __init__(self, history: History | None, to_rows: Callable[[str, int], list[str]]) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._to_rows = to_rows
        self._keyboard = Keyboard(sys.stdin, self._is_resizing)
        self._screen = Screen()
        self._output = Vt100_Output(
            cast(Any, self._screen), screen_size, term=os.environ.get("TERM"), enable_cpr=False
        )
        self._raw = self._keyboard.raw_mode()
        self._pending = PendingLines()
        # Set when there is something to print, or when printing may work again.
        self._must_print = asyncio.Event()
        self._prompts: asyncio.Queue[Prompt | None] = asyncio.Queue()
        self._prompt: Prompt | None = None
        self._is_stopped = False
        self._is_ending = False
        self._line = LineState()
        open_this = partial(open_session, self._keyboard, self._output, self._line)
        self._session = open_this(history, self._is_resizing)
        self._session_without_history = open_this(None, self._is_resizing)

    # The methods for other threads.

    def show(self, line: str) -> None:
        """Print a line above the prompt. Never blocks."""
        if self._pending.put(line):
            self._call(self._must_print.set)

    def columns(self) -> int:
        """Return how wide the terminal is now."""
        return self._output.get_size().columns

    def ask(self, prompt: Prompt) -> None:
        """Ask a question, after all earlier ones."""
        self._call(self._prompts.put_nowait, prompt)

    def cancel(self, prompt: Prompt) -> None:
        """Take a question back; nothing is delivered."""
        self._call(self._cancel, prompt)

    def end(self) -> None:
        """Print what is waiting, leave the terminal as it was, and make `run` return."""
        self._call(self._end)

    def resize(self) -> None:
        """Redraw the prompt, because the size of the terminal has changed."""
        self._call(self._start_resize)

    def leave_screen(self, done: Callable[[], object]) -> None:
        """Remove the prompt and leave the terminal as it was, until `enter_screen`.

        Args:
            done: called in the loop's thread afterwards.
        """
        self._call(self._leave_screen, done)

    def enter_screen(self) -> None:
        """Take the terminal again, and draw the prompt."""
        self._call(self._enter_screen)

    def can_print(self) -> bool:
        """Tell whether the terminal accepts output now, or stands still. Never blocks."""
        try:
            return bool(select.select([], [1], [], 0)[1])
        except (OSError, ValueError):
            return False

    def restore_modes(self) -> None:
        """Restore the terminal's modes although `run` is stuck. Never blocks."""
        self._raw.__exit__(None, None, None)

    def _call(self, function: Callable[..., object], *arguments: Any) -> None:
        # Nobody calls before the loop runs; and once it has ended, nobody types any more.
        if self._loop is not None:
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(function, *arguments)

    # The thread.

    def run(self, started: Callable[[], object]) -> None:
        """Ask and print until `end`. Blocks.

        Args:
            started: called in this thread once the other methods can be called.
        """
        asyncio.run(self._run(started))

    async def _run(self, started: Callable[[], object]) -> None:
        self._loop = asyncio.get_running_loop()
        with self._raw, self._keyboard.attach(self._read_ahead):
            self._erase_echo()
            printing = self._loop.create_task(self._print_above())
            started()
            try:
                while (prompt := await self._prompts.get()) is not None:
                    await self._answer(prompt)
            finally:
                printing.cancel()
                self._print()

    async def _answer(self, prompt: Prompt) -> None:
        if prompt.is_cancelled:
            return
        session = self._session if prompt.is_kept else self._session_without_history
        line: str | None = None
        self._prompt = prompt
        self._line.goes_on = False
        self._line.answer_of_ctrl_c = prompt.answer_of_ctrl_c
        try:
            if not (self._keyboard.closed or self._is_ending):
                self._line.is_selected = bool(prompt.default.text)
                line = await session.prompt_async(
                    prompt.text,
                    default=prompt.default,
                    handle_sigint=False,
                    set_exception_handler=False,
                )
        except EOFError:
            pass
        finally:
            self._prompt = None
            self._line.is_selected = False
            # A resize may have ended together with the prompt, or before it began.
            self._line.asked_column = self._line.drawn_columns = None
            store_typeahead(self._keyboard, self._keyboard.take_waiting())
        # Lines that came after the prompt had ended, but before it was drawn for the last time.
        self._print()
        if not prompt.is_cancelled:
            prompt.deliver(line, self._line.goes_on)

    def _cancel(self, prompt: Prompt) -> None:
        prompt.is_cancelled = True
        if prompt is self._prompt:
            self._end_prompt()

    def _end(self) -> None:
        self._is_ending = True
        self._screen.is_muted = False
        self._prompts.put_nowait(None)
        self._end_prompt()

    def _end_prompt(self) -> None:
        app = self._app
        if app is not None:
            app.exit(exception=EOFError)

    @property
    def _app(self) -> Any:
        """The prompt that somebody is typing in now, if there is one."""
        for session in (self._session, self._session_without_history):
            if session.app.is_running and not session.app.is_done:
                return session.app
        return None

    # Printing above the prompt.

    async def _print_above(self) -> None:
        while True:
            await self._must_print.wait()
            self._must_print.clear()
            if self._print_now():
                await asyncio.sleep(_REPAINT_SECONDS)

    def _print_now(self) -> bool:
        """Print above the prompt, and return whether the prompt had to be redrawn."""
        app = self._app
        if not self._pending:
            # The lines that woke this have been printed already, and the prompt stands as it is.
            return False
        if self._is_stopped or self._is_resizing():
            # `_enter_screen` or `_resize` will print it.
            return False
        if app is None:
            # Between Enter and the last drawing of the prompt the cursor is still in the line.
            if self._prompt is None:
                self._print()
            return False
        with self._screen.held():
            app.renderer.erase()
            self._print()
            self._draw(app)
        return True

    def _print(self) -> None:
        columns = self.columns()
        while lines := self._pending.take():
            rows = [row for line in lines for row in self._to_rows(line, columns)]
            self._output.write("\n".join(rows) + "\n")
            self._output.flush()

    def _draw(self, app: Any) -> None:
        with set_app(app):
            app.renderer.render(app, app.layout)

    # Keys between two prompts.

    def _erase_echo(self) -> None:
        """Erase what was typed before the terminal was in raw mode: the prompt will show it."""
        if self._keyboard.has_input():
            self._read_ahead()
            self._output.write_raw("\r")
            self._output.erase_end_of_line()
            self._output.flush()

    def _read_ahead(self) -> None:
        """Keep what is typed while there is no prompt. Ctrl-C discards it, or else interrupts."""
        for key in self._keyboard.read_keys():
            if key.key in SIGNAL_KEYS:
                discards = key.key == Keys.ControlC and get_typeahead(self._keyboard)
                if not discards:
                    send_signal_of(cast(Keys, key.key))
            elif key.key != Keys.CPRResponse:
                store_typeahead(self._keyboard, [key])
        if self._keyboard.closed:
            # A terminal that has hung up would be readable for ever.
            asyncio.get_running_loop().remove_reader(self._keyboard.fileno())

    # Suspending, resuming and resizing.

    def _leave_screen(self, done: Callable[[], object]) -> None:
        self._is_stopped = True
        app = self._app
        if app is not None:
            app.renderer.erase()
        # A key that was pressed just now makes prompt_toolkit draw the prompt once more.
        self._screen.is_muted = True
        self._raw.__exit__(None, None, None)
        done()

    def _enter_screen(self) -> None:
        self._is_stopped = False
        app = self._app
        if self._screen.is_muted:
            if app is not None:
                # Nothing that was drawn since has been seen.
                app.renderer.reset()
            self._screen.is_muted = False
        with self._screen.held():
            if not self._keyboard.is_raw():
                # An error means that the terminal has hung up, or is not ours to change.
                with suppress(termios.error):
                    self._raw.__enter__()
                # Another program has used the screen since.
                if app is not None:
                    self._output.write_raw("\r")
                    self._output.erase_down()
                    app.renderer.reset()
            if app is not None:
                app.renderer.erase()
                self._draw(app)
        self._must_print.set()

    def _is_resizing(self) -> bool:
        """Tell whether nothing may be drawn now, because nobody knows where the prompt is."""
        # The terminal has its new width a moment before the signal comes.
        if self._app is not None and self._line.drawn_columns not in (None, self.columns()):
            self._start_resize()
        return self._line.asked_column is not None

    def _start_resize(self) -> None:
        if self._app is not None and self._line.asked_column is None and not self._is_stopped:
            self._line.asked_column = asyncio.get_running_loop().create_future()
            self._app.create_background_task(self._resize())

    async def _resize(self) -> None:
        """Redraw the prompt where it begins now. Meanwhile keys and lines to print wait."""
        app = self._app
        try:
            higher = await rows_higher(app, self._output, self._line)
            self._line.asked_column = self._line.drawn_columns = None
            if app is self._app and not self._is_stopped:
                with self._screen.held():
                    if higher:
                        self._output.cursor_up(higher)
                    app.renderer.erase()
                    self._draw(app)
        finally:
            self._line.asked_column = None
            self._must_print.set()
            if app is self._app:
                with set_app(app):
                    app.key_processor.feed_multiple(self._keyboard.take_waiting())
                    app.key_processor.process_keys()
