"""The words of an expression: one pass over a line, with the place of each.

    number = ( digits [ "." [ digits ] ] | "." digits ) [ ( "e" | "E" ) [ sign ] digits ]
    name   = a letter or "_", then letters, digits and "_"
    symbol = "+" "-" "−" "–" "*" "×" "⋅" "·" "•" "**" "/" "÷" "//" "%" "^" "(" ")" "," "="

Blanks may stand between words, and nothing else: spaces, tabs, and the spaces that typesetting puts
into formulas. The digits of numbers are ASCII. Names are taken widely, so that whoever writes a
wrong one is told of it as a whole.

The quantifiers are possessive (`++`): without it a line of 4,096 digits backtracks for 0.1 s.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator
from typing import NamedTuple

# What people and their programs write for it: the minus sign and the en dash.
MINUS = "-−–"
TIMES = "*×⋅·•"
DIVIDED_BY = "/÷"

# The space and the tab; and the no-break, thin, and narrow no-break space.
BLANK = " \t\u00a0\u2009\u202f"
BLANKS = f"[{BLANK}]*+"

EXPONENT = rf"(?:[eE][+\{MINUS}]?+[0-9]++)?+"
NUMBER = rf"(?:[0-9]++(?:\.[0-9]*+)?+|\.[0-9]++){EXPONENT}"

_TOKEN = re.compile(
    rf"{BLANKS}(?:(?P<NUMBER>{NUMBER})|(?P<NAME>[^\W\d]\w*+)"
    rf"|(?P<SYMBOL>\*\*|//|[+\{MINUS}{TIMES}{DIVIDED_BY}%^(),=])|(?P<STRAY>.))",
    re.DOTALL,
)

# As people write them, and as the grammar names them.
PLAIN = {
    **dict.fromkeys(MINUS, "-"),
    **dict.fromkeys(TIMES, "*"),
    **dict.fromkeys(DIVIDED_BY, "/"),
    "**": "^",
    "π": "pi",
}


class Kind(enum.Enum):
    """What kind of word a token is."""

    NUMBER = "a number"
    NAME = "a name"
    SYMBOL = "an operator, a parenthesis, a comma or an equals sign"
    STRAY = "a character that is none of these"
    END = "the end of the line"


class Token(NamedTuple):
    """One word.

    Attributes:
        kind: what it is.
        text: as it stands in the line; of a symbol and of `π`, as the grammar names it.
        start: the index of its first character.
        end: the index behind its last one.
    """

    kind: Kind
    text: str
    start: int
    end: int

    @property
    def column(self) -> int:
        """Its first character, counted from 1."""
        return self.start + 1


def tokens(text: str) -> Iterator[Token]:
    """Return the words of a line in order; the last is always of the kind `Kind.END`."""
    place, length = 0, len(text.rstrip(BLANK))
    while place < length:
        match = _TOKEN.match(text, place)
        # It matches anywhere: any character is at least a stray one.
        assert match is not None
        assert match.lastgroup is not None
        place = match.end()
        word = match[match.lastgroup]
        yield Token(Kind[match.lastgroup], PLAIN.get(word, word), place - len(word), place)
    yield Token(Kind.END, "", length, length)
