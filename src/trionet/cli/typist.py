"""prompt_toolkit in a thread of its own, from the first prompt to the end.

prompt_toolkit wants an asyncio loop. So it has one, in a thread, and everything here happens in
that loop but for the methods that say otherwise.

The terminal stays in raw mode all the time: what somebody types while there is no prompt is echoed
by nobody, waits, and is shown once, by the next prompt. prompt_toolkit's own ways to print above a
prompt (``patch_stdout``, ``run_in_terminal``) leave raw mode for a moment, in which the terminal
echoes; and the former loses what is printed while somebody presses Enter.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import select
import signal
import struct
import sys
import termios
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, cast

from prompt_toolkit import PromptSession
from prompt_toolkit.application.current import set_app
from prompt_toolkit.data_structures import Size
from prompt_toolkit.document import Document
from prompt_toolkit.filters import Condition, has_focus
from prompt_toolkit.history import History
from prompt_toolkit.input.typeahead import get_typeahead, store_typeahead
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.keys import Keys
from prompt_toolkit.layout.processors import Processor, Transformation, TransformationInput
from prompt_toolkit.layout.screen import Char
from prompt_toolkit.output.vt100 import Vt100_Output

from trionet.cli.above import Above
from trionet.cli.keyboard import ENTER_WITHIN_PASTE, Keyboard
from trionet.descriptors import write_all

# Between two repaints of the line being typed: below what an eye notices, and in a lively room
# still no work to speak of.
_REPAINT_SECONDS = 0.05

# How long a terminal may take to say where its cursor is. One that does not know the question
# never answers.
_ANSWER_SECONDS = 0.25

# Of what is drawn at once. More goes out in pieces: better a flicker than a copy of all of it.
_MAX_HELD = 1 << 16

TAB = "    "

# As a terminal has it that is not in raw mode: Ctrl-C, Ctrl-\ and Ctrl-Z.
_SIGNAL_KEYS = {
    Keys.ControlC: signal.SIGINT,
    Keys.ControlBackslash: signal.SIGQUIT,
    Keys.ControlZ: signal.SIGTSTP,
}


@dataclass(slots=True, eq=False)
class Prompt:
    """One question to the person at the terminal.

    Attributes:
        text: what stands before the line.
        deliver: called in the loop's thread with the line (``None``: there is none any more), and
            with whether it is of a paste that goes on behind it.
        default: what stands in the line already.
        is_kept: whether the line goes into the history.
    """

    text: str
    deliver: Callable[[str | None, bool], object]
    default: Document = field(default_factory=Document)
    is_kept: bool = True
    is_cancelled: bool = False


class Typist:
    """Asks the person at the terminal; `run` is to run in a thread.

    Args:
        history: keeps what is typed; default: it is known to this run alone.
        to_rows: makes of a line the rows to print on a terminal of so many columns.
    """

    def __init__(self, history: History | None, to_rows: Callable[[str, int], list[str]]) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._to_rows = to_rows
        self._keyboard = Keyboard(sys.stdin)
        self._screen = _Screen()
        self._output = Vt100_Output(
            cast(Any, self._screen), _screen_size, term=os.environ.get("TERM"), enable_cpr=False
        )
        self._raw = self._keyboard.raw_mode()
        self._above = Above()
        self._put = asyncio.Event()
        self._prompts: asyncio.Queue[Prompt | None] = asyncio.Queue()
        self._prompt: Prompt | None = None
        self._is_selected = False
        self._goes_on = False
        self._is_stopped = False
        self._is_ending = False
        self._cursor_told: asyncio.Future[int] | None = None
        self._session = self._open_session(history)
        self._unkept = self._open_session(None)

    # What others may call, from any thread.

    def show(self, line: str) -> None:
        """Print a line above the prompt. Never blocks."""
        if self._above.put(line):
            self._call(self._put.set)

    def columns(self) -> int:
        """Return how wide the terminal is now."""
        return self._output.get_size().columns

    def ask(self, prompt: Prompt) -> None:
        """Put a question behind those that were put before."""
        self._call(self._prompts.put_nowait, prompt)

    def cancel(self, prompt: Prompt) -> None:
        """Take a question back; nothing is delivered."""
        self._call(self._cancel, prompt)

    def end(self) -> None:
        """Print what waits, leave the terminal as it was, and return from `run`."""
        self._call(self._end)

    def resize(self) -> None:
        """Draw anew: the terminal has another size."""
        self._call(self._start_resize)

    def leave_screen(self, told: Callable[[], object]) -> None:
        """Take the prompt away and leave the terminal as it was, until `enter_screen`."""
        self._call(self._leave_screen, told)

    def enter_screen(self) -> None:
        """Take the terminal again, and draw the prompt."""
        self._call(self._enter_screen)

    def can_print(self) -> bool:
        """Tell whether the terminal takes output now, rather than stands still. Never blocks."""
        try:
            return bool(select.select([], [1], [], 0)[1])
        except (OSError, ValueError):
            return False

    def restore_modes(self) -> None:
        """Leave the terminal's modes as they were, although `run` stands still. Never blocks."""
        self._raw.__exit__(None, None, None)

    def _call(self, function: Callable[..., object], *arguments: Any) -> None:
        # Before it runs nobody calls; and when it has ended, nobody types any more.
        if self._loop is not None:
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(function, *arguments)

    # The thread.

    def run(self, started: Callable[[], object]) -> None:
        """Ask and print until `end`. Blocks.

        Args:
            started: called in this thread, when the other methods can be called.
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
        session = self._session if prompt.is_kept else self._unkept
        line: str | None = None
        self._prompt = prompt
        self._goes_on = False
        try:
            if not (self._keyboard.closed or self._is_ending):
                self._is_selected = bool(prompt.default.text)
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
            self._is_selected = False
        # What came between the end of the prompt and its last drawing.
        self._print()
        if not prompt.is_cancelled:
            prompt.deliver(line, self._goes_on)

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
        """The prompt that somebody types in now, if there is one."""
        for session in (self._session, self._unkept):
            if session.app.is_running and not session.app.is_done:
                return session.app
        return None

    # Printing.

    async def _print_above(self) -> None:
        while True:
            await self._put.wait()
            self._put.clear()
            if self._print_now():
                await asyncio.sleep(_REPAINT_SECONDS)

    def _print_now(self) -> bool:
        app = self._app
        if self._is_stopped or self._cursor_told is not None:
            # Whoever ends that prints.
            return False
        if app is None:
            # Between a line's Enter and its last drawing the cursor is in the line still.
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
        while lines := self._above.take():
            rows = [row for line in lines for row in self._to_rows(line, columns)]
            self._output.write("\n".join(rows) + "\n")
            self._output.flush()

    def _draw(self, app: Any) -> None:
        with set_app(app):
            app.renderer.render(app, app.layout)

    def _erase_echo(self) -> None:
        """Erase what was typed before the terminal was in raw mode: the prompt will show it."""
        waiting = b"\0" * 4
        # An error: it has hung up, and the first prompt will see it.
        with suppress(OSError):
            waiting = fcntl.ioctl(self._keyboard.fileno(), termios.FIONREAD, waiting)
        if struct.unpack("i", waiting)[0]:
            self._read_ahead()
            self._output.write_raw("\r")
            self._output.erase_end_of_line()
            self._output.flush()

    # Keys.

    def _read_ahead(self) -> None:
        """Keep what is typed while there is no prompt; Ctrl-C takes it back, or else interrupts."""
        for key in self._keyboard.read_keys():
            if key.key in _SIGNAL_KEYS:
                takes_back = key.key == Keys.ControlC and get_typeahead(self._keyboard)
                if not takes_back:
                    _press(_SIGNAL_KEYS[cast(Keys, key.key)])
            elif key.key != Keys.CPRResponse:
                store_typeahead(self._keyboard, [key])
        if self._keyboard.closed:
            # Otherwise it would be ready to be read for ever.
            asyncio.get_running_loop().remove_reader(self._keyboard.fileno())

    def _open_session(self, history: History | None) -> PromptSession[str]:
        session: PromptSession[str] = PromptSession(
            history=history,
            input=self._keyboard,
            output=self._output,
            input_processors=[_Reversed(lambda: self._is_selected)],
        )
        # Somebody tells of each change; see `resize`.
        session.app.terminal_size_polling_interval = None
        session.app.key_processor.after_key_press += self._deselect
        session.key_bindings = self._bindings(session)
        return session

    def _deselect(self, _: object) -> None:
        if self._is_selected:
            self._is_selected = False
            app = self._app
            if app is not None:
                app.invalidate()

    def _bindings(self, session: PromptSession[str]) -> KeyBindings:
        bindings = KeyBindings()
        in_line = has_focus(session.default_buffer)
        is_selected = Condition(lambda: self._is_selected)
        is_empty = Condition(lambda: not session.default_buffer.text)

        def insert(event: KeyPressEvent, text: str) -> None:
            if self._is_selected:
                event.current_buffer.text = ""
            event.current_buffer.insert_text(text)

        @bindings.add(Keys.Any, filter=in_line & is_selected)
        def _(event: KeyPressEvent) -> None:
            insert(event, event.data)

        @bindings.add(Keys.BracketedPaste)
        def _(event: KeyPressEvent) -> None:
            lines = event.data.replace("\r\n", "\n").replace("\r", "\n")
            insert(event, lines.replace("\t", TAB))

        @bindings.add(Keys.ControlI, filter=in_line)
        def _(event: KeyPressEvent) -> None:
            event.current_buffer.insert_text(TAB)

        @bindings.add(ENTER_WITHIN_PASTE, filter=in_line)
        def _(event: KeyPressEvent) -> None:
            self._goes_on = True
            event.current_buffer.validate_and_handle()

        @bindings.add(Keys.ControlC, filter=in_line & ~is_empty)
        def _(event: KeyPressEvent) -> None:
            event.current_buffer.reset()

        for key in _SIGNAL_KEYS:
            condition = in_line & is_empty if key == Keys.ControlC else Condition(lambda: True)

            @bindings.add(key, filter=condition)
            def _(event: KeyPressEvent) -> None:
                _press(_SIGNAL_KEYS[cast(Keys, event.key_sequence[0].key)])

        @bindings.add(Keys.CPRResponse, save_before=lambda _: False)
        def _(event: KeyPressEvent) -> None:
            if self._cursor_told is not None and not self._cursor_told.done():
                _, column = event.data[2:-1].split(";")
                self._cursor_told.set_result(int(column) - 1)

        return bindings

    # The terminal is taken away, comes back, or changes.

    def _leave_screen(self, told: Callable[[], object]) -> None:
        self._is_stopped = True
        app = self._app
        if app is not None:
            app.renderer.erase()
        # A key that was just pressed has the prompt drawn once more.
        self._screen.is_muted = True
        self._raw.__exit__(None, None, None)
        told()

    def _enter_screen(self) -> None:
        self._is_stopped = False
        app = self._app
        if self._screen.is_muted:
            if app is not None:
                # Nothing of it was seen since.
                app.renderer.reset()
            self._screen.is_muted = False
        with self._screen.held():
            if not _is_raw(self._keyboard.fileno()):
                # An error: it is not for us to take, or has hung up.
                with suppress(termios.error):
                    self._raw.__enter__()
                # Somebody else has had the screen since.
                if app is not None:
                    self._output.write_raw("\r")
                    self._output.erase_down()
                    app.renderer.reset()
            if app is not None:
                app.renderer.erase()
                self._draw(app)
        self._put.set()

    def _start_resize(self) -> None:
        if self._app is not None and self._cursor_told is None and not self._is_stopped:
            self._app.create_background_task(self._resize())

    async def _resize(self) -> None:
        """Draw the prompt anew, where it began.

        Terminals do two things to a row that is longer than they are now: most break it into
        several, and so the prompt has begun further up than before; some cut it. Where the cursor
        is now tells which.
        """
        app = self._app
        self._cursor_told = asyncio.get_running_loop().create_future()
        try:
            self._output.ask_for_cpr()
            self._output.flush()
            column = None
            with suppress(TimeoutError):
                async with asyncio.timeout(_ANSWER_SECONDS):
                    column = await self._cursor_told
        finally:
            self._cursor_told = None
            self._put.set()
        screen = app.renderer.last_rendered_screen
        if app is not self._app or self._is_stopped or screen is None:
            return
        cursor = screen.get_cursor_position(app.layout.current_window)
        rows = [_cell_widths(screen.data_buffer[y]) for y in range(cursor.y)]
        own = screen.data_buffer[cursor.y]
        rows.append(_cell_widths(own, cursor.x))
        more = rows_more(rows, max(own[cursor.x].width, 1), self.columns(), column)
        with self._screen.held():
            if more:
                self._output.cursor_up(more)
            app.renderer.erase()
            self._draw(app)


def rows_more(rows: list[list[int]], under: int, columns: int, column: int | None) -> int:
    """Return how many rows further up a prompt begins, now that its terminal has become narrower.

    Args:
        rows: the rows as they were drawn, down to the cursor: how wide each character is.
        under: how wide the character is that the cursor stands on.
        columns: how many the terminal has now.
        column: where its cursor is now, from 0; ``None``: it does not tell.
    """
    own, end = _broken(rows[-1], columns)
    if column == 0 and end + under > columns:
        # Where the next character begins, and not behind the last column.
        own += 1
    elif column != min(end, columns - 1):
        # It cuts rows, or is too simple to do anything else.
        return 0
    return own + sum(_broken(row, columns)[0] for row in rows[:-1])


def _broken(row: list[int], columns: int) -> tuple[int, int]:
    """Return how many rows more a row has on a narrower terminal, and how wide the last is.

    No terminal breaks a wide character: where it does not fit, a column stays free.
    """
    more = width = 0
    for character in row:
        if width + character > columns:
            more, width = more + 1, 0
        width += character
    return more, width


def _cell_widths(row: dict[int, Char], end: int | None = None) -> list[int]:
    """Return how wide each character is up to a column; default: to the last that is no space."""
    if end is None:
        end = max((x + 1 for x, cell in row.items() if cell.char != " "), default=0)
    widths: list[int] = []
    x = 0
    while x < end:
        # What lies under the second half of a wide character is none.
        widths.append(max(row[x].width, 1))
        x += widths[-1]
    return widths


class _Screen:
    """What prompt_toolkit prints to: the terminal, but not by way of ``sys.stdout``.

    At its end, the interpreter flushes that, and crashes when a thread stands still in it.

    Attributes:
        is_muted: whether nothing is printed.
    """

    def __init__(self) -> None:
        # The terminal's own.
        self.encoding = sys.stdout.encoding
        self.is_muted = False
        self._held: list[str] | None = None

    def write(self, text: str) -> None:
        if self.is_muted:
            return
        if self._held is not None:
            self._held.append(text)
            if sum(map(len, self._held)) < _MAX_HELD:
                return
            text = "".join(self._held)
            self._held.clear()
        # An error: the terminal has hung up, and nobody is left to see it.
        with suppress(OSError):
            write_all(1, text.encode(self.encoding, errors="replace"))

    def flush(self) -> None:
        """Do nothing: all is written, or held."""

    @contextmanager
    def held(self) -> Iterator[None]:
        """Write what comes in the block at its end, so that nothing flickers."""
        self._held = []
        try:
            yield
        finally:
            held, self._held = self._held, None
            self.write("".join(held))


class _Reversed(Processor):
    """Shows a line that a key would replace in reverse video."""

    def __init__(self, is_wanted: Callable[[], bool]) -> None:
        self._is_wanted = is_wanted

    def apply_transformation(self, transformation_input: TransformationInput) -> Transformation:
        fragments = transformation_input.fragments
        if self._is_wanted():
            fragments = [(f"{style} reverse", text) for style, text, *_ in fragments]
        return Transformation(fragments)


def _screen_size() -> Size:
    try:
        size = os.get_terminal_size(1)
    except OSError:
        size = os.terminal_size((0, 0))
    # Some terminals do not know their size.
    return Size(rows=size.lines or 24, columns=size.columns or 80)


def _is_raw(fd: int) -> bool:
    try:
        return not termios.tcgetattr(fd)[3] & (termios.ICANON | termios.ECHO)
    except termios.error:
        return True


def _press(number: signal.Signals) -> None:
    """Send the signal of a key, as the terminal would: to all that stand in the foreground."""
    with suppress(OSError):
        if os.tcgetpgrp(0) == os.getpgrp():
            os.killpg(os.getpgrp(), number)
            return
    # Not our terminal: it has no job control for us.
    if number != signal.SIGTSTP:
        os.kill(os.getpid(), number)
