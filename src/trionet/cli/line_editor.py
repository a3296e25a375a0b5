"""A line editor with history on a terminal, with output appearing above the line being typed.

prompt_toolkit's prompt is a blocking call with an event loop of its own, so it runs in a thread; a
cancelled wait ends it and waits for its thread, which leaves the terminal as it was.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Self

import trio
from prompt_toolkit import PromptSession
from prompt_toolkit.application import in_terminal
from prompt_toolkit.document import Document
from prompt_toolkit.layout.screen import Char

from trionet.cli.history import KeptHistory, history_path
from trionet.lines import MAX_LINE, Line, LineDecoder

# Between two repaints of the line being typed: below what an eye notices, and in a lively room
# still no work to speak of.
_REPAINT_SECONDS = 0.05


class LineEditor:
    """An async iterator of the lines that a person types; `open_line_editor` makes it.

    Ctrl-D on an empty line ends it; Ctrl-C raises ``KeyboardInterrupt``.

    Args:
        prompt: what stands before the line.
        history: the name of a file that keeps the history; default: it is known to this run alone.
    """

    def __init__(self, prompt: str, history: str | None = None) -> None:
        self._prompt = prompt
        kept = None
        if history is not None:
            kept = KeptHistory(history_path(history), on_failure=self._warn)
        self._session: PromptSession[str] = PromptSession(history=kept)
        self._above = _Above(self._session)
        # What was typed last; and what of it is to be mended, with the cursor where it stands.
        self._typed = ""
        self._returned: list[str] = []
        self._cursor = 0
        # What is typed at once can be many lines (a paste), or no text (a terminal that is not
        # set to UTF-8): so it goes the way of all lines.
        self._decoder = LineDecoder(max_line=MAX_LINE, max_unending=1 << 62)
        self._lines: deque[Line] = deque()

    async def ask(self, question: str) -> str | None:
        """Ask for a line that stays out of the history; ``None``: there is none any more."""
        try:
            return await _read(PromptSession(), question, self._above)
        except EOFError:
            return None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Line:
        if not self._lines:
            try:
                typed = await _read(self._session, self._prompt, self._above, self._take_returned())
            except EOFError:
                raise StopAsyncIteration from None
            self._typed = typed
            data = typed.encode(errors="surrogateescape") + b"\n"
            self._lines.extend(self._decoder.feed(data))
        return self._lines.popleft()

    def give_back(self, line: str, column: int | None) -> str | None:
        """Put a line that was typed into the next prompt, so that it can be mended.

        Args:
            line: the line, or one of a paste; empty: what was typed last, which was no line.
            column: where its mistake is, from 1: there the cursor will stand; ``None``: at its end.

        Returns:
            A line to show below what was typed, with a caret under the mistake; empty: there is no
            place to point at. ``None``: what was typed is a paste of several lines.
        """
        line = line or self._typed
        if not self._returned:
            self._cursor = len(line) if column is None else min(column - 1, len(line))
        self._returned.append(line)
        if line != self._typed:
            return None
        whole = _width(self._prompt) + _width(line)
        if column is None or whole >= self._session.output.get_size().columns:
            # Broken into several rows, of which the last alone has the place below it.
            return ""
        return " " * (_width(self._prompt) + _width(line[: column - 1])) + "^"

    def _take_returned(self) -> Document:
        document = Document("\n".join(self._returned), self._cursor if self._returned else 0)
        self._returned = []
        return document

    def _warn(self, warning: str) -> None:
        self.show(f"warning: {warning}")

    def show(self, line: str) -> None:
        """Print a line above the one being typed. Never blocks.

        Between two prompts it waits for the next one, or for the end of the editor.
        """
        self._above.put(line)

    def close(self) -> None:
        """Print what waits; no more is read or shown after that."""
        self._above.write()


@contextmanager
def open_line_editor(prompt: str = "> ", *, history: str | None = None) -> Iterator[LineEditor]:
    """Edit lines on the terminal for as long as the block runs; see `LineEditor`."""
    editor = LineEditor(prompt, history)
    try:
        yield editor
    finally:
        editor.close()


class _Above:
    """The lines to print above the prompt.

    Not prompt_toolkit's ``patch_stdout``: that hands each text to the event loop of the prompt
    that runs, and when it ends just then (somebody presses Enter) the text is lost. Here a line
    waits until it is written, by this prompt or the next.
    """

    def __init__(self, session: PromptSession[str]) -> None:
        self._output = session.output
        self._lines: deque[str] = deque()
        self._wake: Callable[[], object] | None = None

    def put(self, line: str) -> None:
        self._lines.append(line)
        wake = self._wake
        if wake is not None:
            # Its loop may be closed by now: then its thread writes what waits.
            with suppress(RuntimeError):
                wake()

    async def write_during_prompt(self) -> None:
        """Write what is put, in the prompt's own event loop, until cancelled."""
        loop, put = asyncio.get_running_loop(), asyncio.Event()
        self._wake = lambda: loop.call_soon_threadsafe(put.set)
        try:
            while True:
                put.clear()
                if self._lines:
                    async with in_terminal():
                        self.write()
                    await asyncio.sleep(_REPAINT_SECONDS)
                else:
                    await put.wait()
        finally:
            self._wake = None

    def write(self) -> None:
        """Write what waits. For whoever has the terminal: one thread at a time."""
        text = ""
        while self._lines:
            text += self._lines.popleft() + "\n"
        # An error: the terminal has hung up, and nobody is left to see it.
        with suppress(OSError):
            self._output.write(text)
            self._output.flush()


class _Prompt:
    """One prompt in a thread, and the way to end it from outside."""

    def __init__(self, session: PromptSession[str], above: _Above, default: Document) -> None:
        self._session = session
        self._above = above
        self._default = default
        self._ended = False

    def run(self, text: str) -> str:
        self._above.write()
        try:
            return self._session.prompt(text, default=self._default, pre_run=self._begin)
        finally:
            self._above.write()

    def end(self) -> None:
        self._ended = True
        loop = self._session.app.loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._end_if_asked)

    def _begin(self) -> None:
        self._session.app.create_background_task(self._above.write_during_prompt())
        self._end_if_asked()

    def _end_if_asked(self) -> None:
        app: Any = self._session.app
        # From within its own loop: whether it runs and has no result yet cannot change under us.
        if self._ended and app.is_running and not app.is_done:
            app.exit(exception=EOFError)


async def _read(
    session: PromptSession[str], text: str, above: _Above, default: Document | None = None
) -> str:
    prompt = _Prompt(session, above, default or Document())

    async def end_when_cancelled() -> None:
        try:
            await trio.sleep_forever()
        finally:
            prompt.end()

    failure: BaseException | None = None
    line = ""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(end_when_cancelled)
        with trio.CancelScope(shield=True):
            try:
                line = await trio.to_thread.run_sync(prompt.run, text)
            except (EOFError, KeyboardInterrupt) as error:
                failure = error
        nursery.cancel_scope.cancel()
    # Raised out here, because a nursery would wrap it in a group.
    if failure is not None:
        raise failure
    return line


def _width(text: str) -> int:
    """Return how many columns a text takes as the editor shows it: a tab, say, as ``^I``."""
    return sum(Char(character).width for character in text)
