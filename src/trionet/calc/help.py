"""The calculator's help: what a user can type, with every function."""

from __future__ import annotations

from trionet.calc.operations import FUNCTIONS


def _line(how: str, meaning: str) -> str:
    return f"{how:<15} {meaning}"


HELP = (
    _line("2 * (3 + 4)", "+ - * / ^ and parentheses; ** means ^ too"),
    _line("7 // 2, 7 % 2", "the whole part of a quotient; what is left"),
    _line("1.5e3, pi, e", "numbers and constants"),
    _line("ans", "the last result"),
    *(_line(function.usage, function.help) for function in FUNCTIONS.values()),
    _line("?", "this help"),
    _line("q", "ends the session; so does Ctrl-D"),
)
