"""Whoever is at the standard streams: a person at a terminal, or a program behind a pipe."""

from __future__ import annotations

import os
from collections.abc import AsyncIterable, Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import trio

from trionet.cli.running import Terminal
from trionet.cli.standard_input import StandardInput
from trionet.lines import Line
from trionet.text import safe_text


@dataclass(frozen=True, slots=True)
class Person:
    """Lines in, lines out.

    Attributes:
        is_interactive: whether somebody is there to be asked again.
        lines: what is typed or piped in.
        ask: asks for one line; ``None``: the input has ended.
        show: prints a line on the standard output.
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
    warn: Callable[[str], object]
    refuse: Callable[[str, str, int | None], object]
    wait_room: Callable[[], Awaitable[object]]


def is_input_terminal() -> bool:
    """Tell whether there is somebody to ask."""
    return os.isatty(0)


def _is_dumb() -> bool:
    """Tell whether the terminal cannot print above a line being typed; it calls itself so."""
    return os.environ.get("TERM", "").lower() in ("dumb", "unknown")


@contextmanager
def open_person(terminal: Terminal, *, plain: bool, history: str | None = None) -> Iterator[Person]:
    """Talk to whoever is there.

    Args:
        terminal: where to print.
        plain: use no line editor, also on a terminal.
        history: the name of the file that keeps what a person types; default: it is not kept.
    """

    def warn_on_errors(warning: str) -> None:
        terminal.err.print(f"warning: {warning}")

    if plain or not (is_input_terminal() and os.isatty(1)) or _is_dumb():
        standard_input = StandardInput(terminal.err)
        yield Person(
            is_interactive=is_input_terminal(),
            lines=standard_input,
            ask=standard_input.ask,
            show=terminal.out.print,
            warn=warn_on_errors,
            refuse=lambda line, reason, _column: warn_on_errors(_with_line(line, reason)),
            wait_room=terminal.out.wait_room,
        )
        return
    # Heavy, and only needed here.
    from trionet.cli.line_editor import open_line_editor

    with open_line_editor(history=history) as editor:
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
            warn=warn,
            refuse=refuse,
            wait_room=trio.lowlevel.checkpoint,
        )


def _with_line(line: str, reason: str) -> str:
    return f"{safe_text(line)}: {reason}" if line else reason
