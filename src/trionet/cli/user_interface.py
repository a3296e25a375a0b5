"""The user interface of a client: a person at a terminal, or a program behind a pipe."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import trio

from trionet.cli.printed_rows import rows_printer
from trionet.cli.running import Runtime
from trionet.cli.standard_input import StandardInput
from trionet.lines import Line
from trionet.text.safe import safe_text


@dataclass(frozen=True, slots=True)
class UserInterface:
    """Lines in, lines out.

    Attributes:
        is_interactive: whether there is a person who can be asked again.
        lines: what is typed or piped in.
        ask: asks for one line; ``None`` means that the input has ended.
        show: prints a line on standard output.
        note: prints a line for the person: above the line being typed, or on standard error.
        warn: prints ``warning: …``, on standard error where that is not the same screen.
        refuse: warns about a line that cannot be used, and where possible gives it back to be
            corrected. Its arguments are the line (empty: it is not valid text), what is wrong with
            it, and the column of the mistake, from 1, or ``None``.
        give_back: puts a text into the line being typed next, where that is possible.
        expect_answer: takes the answer that Ctrl-C on an empty line gives to a question that was
            shown, instead of interrupting; empty: there is no question any more.
        wait_room: waits while too much output is waiting; always a checkpoint.
    """

    is_interactive: bool
    lines: AsyncIterable[Line]
    ask: Callable[[str], Awaitable[str | None]]
    show: Callable[[str], object]
    note: Callable[[str], object]
    warn: Callable[[str], object]
    refuse: Callable[[str, str, int | None], object]
    give_back: Callable[[str], object]
    expect_answer: Callable[[str], object]
    wait_room: Callable[[], Awaitable[object]]


def is_input_terminal() -> bool:
    """Tell whether standard input is a terminal, so that there is somebody to ask."""
    return os.isatty(0)


def has_person() -> bool:
    """Tell whether a person is at both streams, on a terminal that can be waited for."""
    return sys.platform != "win32" and is_input_terminal() and os.isatty(1)


def is_dumb() -> bool:
    """Tell whether the terminal prints letters and nothing more."""
    return os.environ.get("TERM", "").lower() in ("dumb", "unknown")


@asynccontextmanager
async def open_user_interface(
    runtime: Runtime, *, plain: bool, history: str | None = None, indent: bool = False
) -> AsyncIterator[UserInterface]:
    """Talk to whoever is at the standard streams.

    Args:
        runtime: where to print.
        plain: use no line editor, even on a terminal.
        history: the name of the file that keeps what a person types; default: it is not kept.
        indent: on a terminal, indent the further rows of a long line, so that only the line itself
            begins at the left edge.

    Resource handling: at the end, the terminal is as it was before.
    """

    def note_on_errors(text: str) -> None:
        runtime.err.print(text)

    def warn_on_errors(warning: str) -> None:
        note_on_errors(f"warning: {warning}")

    if plain or is_dumb() or not has_person():
        standard_input = StandardInput(runtime.err)
        yield UserInterface(
            is_interactive=is_input_terminal(),
            lines=standard_input,
            ask=standard_input.ask,
            show=rows_printer(runtime.out, 1) if indent else runtime.out.print,
            note=note_on_errors,
            warn=warn_on_errors,
            refuse=lambda line, reason, _column: warn_on_errors(_with_line(line, reason)),
            give_back=lambda _: None,
            expect_answer=lambda _: None,
            wait_room=runtime.out.wait_room,
        )
        return
    # Heavy, and needed only here.
    from trionet.cli.line_editor import open_line_editor
    from trionet.cli.wrapping import wrap

    to_rows = wrap if indent else _unchanged
    async with open_line_editor(history=history, to_rows=to_rows) as editor:
        # On one screen everything goes through the editor, which keeps the line being typed below.
        is_one_screen = os.isatty(2)

        def warn(warning: str) -> None:
            if is_one_screen:
                editor.show(f"warning: {warning}")
            else:
                warn_on_errors(warning)

        def refuse(line: str, reason: str, column: int | None) -> None:
            pointer = editor.give_back(line, column)
            if is_one_screen and pointer:
                editor.show(pointer)
            is_seen = is_one_screen and pointer is not None
            warn(reason if is_seen else _with_line(line, reason))

        yield UserInterface(
            is_interactive=True,
            lines=editor,
            ask=editor.ask,
            show=editor.show,
            note=editor.show,
            warn=warn,
            refuse=refuse,
            give_back=lambda text: editor.give_back(text, None),
            expect_answer=editor.expect_answer,
            wait_room=trio.lowlevel.checkpoint,
        )


def _unchanged(line: str, _columns: int) -> list[str]:
    return [line]


def _with_line(line: str, reason: str) -> str:
    return f"{safe_text(line)}: {reason}" if line else reason
