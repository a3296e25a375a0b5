"""A line editor with history on a terminal, with output appearing above the line being typed.

prompt_toolkit's prompt is a blocking call with an event loop of its own, so it runs in a thread; a
cancelled wait ends it and waits for its thread, which leaves the terminal as it was.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

import trio
from prompt_toolkit import PromptSession
from prompt_toolkit.patch_stdout import patch_stdout


class LineEditor:
    """An async iterator of the lines that a person types; `open_line_editor` makes it.

    Ctrl-D on an empty line ends it; Ctrl-C raises ``KeyboardInterrupt``.
    """

    def __init__(self, prompt: str) -> None:
        self._prompt = prompt
        self._session: PromptSession[str] = PromptSession()

    async def ask(self, question: str) -> str | None:
        """Ask for a line that stays out of the history; ``None``: there is none any more."""
        try:
            return await _read(PromptSession(), question)
        except EOFError:
            return None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> str:
        try:
            return await _read(self._session, self._prompt)
        except EOFError:
            raise StopAsyncIteration from None

    def show(self, line: str) -> None:
        """Print a line above the one being typed."""
        print(line)  # noqa: T201


@contextmanager
def open_line_editor(prompt: str = "> ") -> Iterator[LineEditor]:
    """Edit lines on the terminal for as long as the block runs."""
    with patch_stdout():
        yield LineEditor(prompt)


class _Prompt:
    """One prompt in a thread, and the way to end it from outside."""

    def __init__(self, session: PromptSession[str]) -> None:
        self._session = session
        self._ended = False

    def run(self, text: str) -> str:
        return self._session.prompt(text, pre_run=self._end_if_asked)

    def end(self) -> None:
        self._ended = True
        loop = self._session.app.loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._end_if_asked)

    def _end_if_asked(self) -> None:
        app: Any = self._session.app
        # From within its own loop: whether it runs and has no result yet cannot change under us.
        if self._ended and app.is_running and not app.is_done:
            app.exit(exception=EOFError)


async def _read(session: PromptSession[str], text: str) -> str:
    prompt = _Prompt(session)

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
