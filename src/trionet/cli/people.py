"""Whoever is at the standard streams: a person at a terminal, or a program behind a pipe."""

from __future__ import annotations

import os
from collections.abc import AsyncIterable, Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from trionet.cli.running import Terminal
from trionet.cli.standard_input import StandardInput
from trionet.lines import Line


@dataclass(frozen=True, slots=True)
class Person:
    """Lines in, lines out.

    Attributes:
        is_interactive: whether somebody is there to be asked again.
        lines: what is typed or piped in.
        ask: asks for one line; ``None``: the input has ended.
        show: prints a line on the standard output.
        warn: prints ``warning: …``, on the standard error where that is not the same screen.
    """

    is_interactive: bool
    lines: AsyncIterable[Line]
    ask: Callable[[str], Awaitable[str | None]]
    show: Callable[[str], object]
    warn: Callable[[str], object]


def is_input_terminal() -> bool:
    """Tell whether there is somebody to ask."""
    return os.isatty(0)


def _is_dumb() -> bool:
    """Tell whether the terminal cannot print above a line being typed; it calls itself so."""
    return os.environ.get("TERM", "").lower() in ("dumb", "unknown")


@contextmanager
def open_person(terminal: Terminal, *, plain: bool) -> Iterator[Person]:
    """Talk to whoever is there.

    Args:
        terminal: where to print.
        plain: use no line editor, also on a terminal.
    """
    if plain or not (is_input_terminal() and os.isatty(1)) or _is_dumb():
        standard_input = StandardInput(terminal.err)
        yield Person(
            is_interactive=is_input_terminal(),
            lines=standard_input,
            ask=standard_input.ask,
            show=terminal.out.print,
            warn=lambda warning: terminal.err.print(f"warning: {warning}"),
        )
        return
    # Heavy, and only needed here.
    from trionet.cli.line_editor import open_line_editor

    # On one screen all goes through the editor, which keeps the line being typed below it.
    warnings_elsewhere = None if os.isatty(2) else terminal.err.print
    with open_line_editor() as editor:
        warn = warnings_elsewhere or editor.show
        yield Person(
            is_interactive=True,
            lines=editor,
            ask=editor.ask,
            show=editor.show,
            warn=lambda warning: warn(f"warning: {warning}"),
        )
