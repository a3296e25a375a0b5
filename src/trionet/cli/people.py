"""Whoever is at the standard streams: a person at a terminal, or a program behind a pipe."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import trio

from trionet.cli.running import Runtime
from trionet.cli.standard_input import StandardInput
from trionet.lines import Line
from trionet.program.console import Console
from trionet.text.safe import safe_text

# Of a terminal that does not know how wide it is.
_USUAL_COLUMNS = 80


@dataclass(frozen=True, slots=True)
class Person:
    """Lines in, lines out.

    Attributes:
        is_interactive: whether somebody is there to be asked again.
        lines: what is typed or piped in.
        ask: asks for one line; ``None``: the input has ended.
        show: prints a line on the standard output.
        note: prints a line for the person: above the line being typed, or on the standard error.
        warn: prints ``warning: …``, on the standard error where that is not the same screen.
        refuse: warns of a line that cannot be taken, and gives it back to be mended where that is
            possible; handed the line (empty: it is no text), what is wrong with it, and in which
            column, from 1, or ``None``.
        wait_room: waits while too much waits to be shown; always a checkpoint.
    """

    is_interactive: bool
    lines: AsyncIterable[Line]
    ask: Callable[[str], Awaitable[str | None]]
    show: Callable[[str], object]
    note: Callable[[str], object]
    warn: Callable[[str], object]
    refuse: Callable[[str, str, int | None], object]
    wait_room: Callable[[], Awaitable[object]]


# What people type who want to leave, and who have left other programs by it; in small letters.
_FAREWELLS = frozenset(
    ("quit", "quit()", "exit", "exit()", "logout", ":q", ":q!", ":wq", ":x", "\\q", "q")
)

# What they are asked then; the answer is a line like any other.
LEAVE = "leave? (q)"


def may_mean_to_leave(line: str) -> bool:
    """Tell whether a line looks as if somebody wanted to leave, although it is not `q`."""
    word = line.strip()
    return word != "q" and word.lower() in _FAREWELLS


def is_input_terminal() -> bool:
    """Tell whether there is somebody to ask."""
    return os.isatty(0)


def rows_printer(console: Console, fd: int) -> Callable[[str], object]:
    """Return what prints lines from peers: each row but the first indented on a terminal.

    Args:
        console: prints them.
        fd: the file descriptor it prints to. If it is no terminal, lines stay as they are.
    """
    if not os.isatty(fd):
        return console.print
    # Only needed here.
    from trionet.cli.wrapping import wrap

    def show(line: str) -> None:
        try:
            # As wide as it is now; some terminals do not know.
            columns = os.get_terminal_size(fd).columns or _USUAL_COLUMNS
        except OSError:
            columns = _USUAL_COLUMNS
        console.print("\n".join(wrap(line, columns)))

    return show


def _is_editable(plain: bool) -> bool:
    """Tell whether a line editor can be used: it prints above a line being typed."""
    if plain or sys.platform == "win32" or not (is_input_terminal() and os.isatty(1)):
        return False
    return os.environ.get("TERM", "").lower() not in ("dumb", "unknown")


@asynccontextmanager
async def open_person(
    runtime: Runtime, *, plain: bool, history: str | None = None, indent: bool = False
) -> AsyncIterator[Person]:
    """Talk to whoever is there.

    Args:
        terminal: where to print.
        plain: use no line editor, also on a terminal.
        history: the name of the file that keeps what a person types; default: it is not kept.
        indent: on a terminal, indent the rows of a long line that is shown, so that nothing but
            the line itself begins at the left edge.

    Resource handling: at the end, the terminal is as it was before.
    """

    def note_on_errors(text: str) -> None:
        runtime.err.print(text)

    def warn_on_errors(warning: str) -> None:
        note_on_errors(f"warning: {warning}")

    if not _is_editable(plain):
        standard_input = StandardInput(runtime.err)
        yield Person(
            is_interactive=is_input_terminal(),
            lines=standard_input,
            ask=standard_input.ask,
            show=rows_printer(runtime.out, 1) if indent else runtime.out.print,
            note=note_on_errors,
            warn=warn_on_errors,
            refuse=lambda line, reason, _column: warn_on_errors(_with_line(line, reason)),
            wait_room=runtime.out.wait_room,
        )
        return
    # Heavy, and only needed here.
    from trionet.cli.line_editor import open_line_editor
    from trionet.cli.wrapping import wrap

    to_rows = wrap if indent else _as_it_is
    async with open_line_editor(history=history, to_rows=to_rows) as editor:
        # On one screen all goes through the editor, which keeps the line being typed below it.
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

        yield Person(
            is_interactive=True,
            lines=editor,
            ask=editor.ask,
            show=editor.show,
            note=editor.show,
            warn=warn,
            refuse=refuse,
            wait_room=trio.lowlevel.checkpoint,
        )


def _as_it_is(line: str, _columns: int) -> list[str]:
    return [line]


def _with_line(line: str, reason: str) -> str:
    return f"{safe_text(line)}: {reason}" if line else reason
