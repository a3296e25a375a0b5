"""Splits a line into tokens in one pass, and notes where each stands.

    number = ( digits [ "." [ digits ] ] | "." digits ) [ ( "e" | "E" ) [ sign ] digits ]
    name   = a letter or "_", then letters, digits and "_"
    symbol = "+" "-" "−" "–" "*" "×" "⋅" "·" "•" "**" "/" "÷" "//" "%" "^" "(" ")" "," "="

Only blanks may stand between tokens: spaces, tabs, and the spaces that typesetting puts into
formulas. The digits of numbers are ASCII. A name may have letters of any script, so that an error
can repeat an unknown name as a whole.

The quantifiers are possessive (`++`): otherwise a line of 4,096 digits backtracks for 0.1 s.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator
from typing import NamedTuple

# What people and their programs write for a minus: also the minus sign and the en dash.
MINUS = "-−–"
TIMES = "*×⋅·•"
DIVIDED_BY = "/÷"

# The space, the tab, and the no-break, thin and narrow no-break spaces.
BLANK = " \t\u00a0\u2009\u202f"
BLANKS = f"[{BLANK}]*+"

EXPONENT = rf"(?:[eE][+\{MINUS}]?+[0-9]++)?+"
NUMBER = rf"(?:[0-9]++(?:\.[0-9]*+)?+|\.[0-9]++){EXPONENT}"

_TOKEN = re.compile(
    rf"{BLANKS}(?:(?P<NUMBER>{NUMBER})|(?P<NAME>[^\W\d]\w*+)"
    rf"|(?P<SYMBOL>\*\*|//|[+\{MINUS}{TIMES}{DIVIDED_BY}%^(),=])|(?P<STRAY>.))",
    re.DOTALL,
)

# From what people write to what the grammar calls it.
PLAIN = {
    **dict.fromkeys(MINUS, "-"),
    **dict.fromkeys(TIMES, "*"),
    **dict.fromkeys(DIVIDED_BY, "/"),
    "**": "^",
    "π": "pi",
}


class Kind(enum.Enum):
    """What kind of token it is."""

    NUMBER = "a number"
    NAME = "a name"
    SYMBOL = "an operator, a parenthesis, a comma or an equals sign"
    STRAY = "a character that is none of these"
    END = "the end of the line"


class Token(NamedTuple):
    """One token.

    Attributes:
        kind: what it is.
        text: the token as it stands in the line; a symbol or `π` as the grammar calls it.
        start: the index of its first character.
        end: the index after its last character.
    """

    kind: Kind
    text: str
    start: int
    end: int

    @property
    def column(self) -> int:
        """The place of its first character, counted from 1."""
        return self.start + 1


def tokens(text: str) -> Iterator[Token]:
    """Return the tokens of a line in order; the last one is always a `Kind.END`."""
    place, length = 0, len(text.rstrip(BLANK))
    while place < length:
        match = _TOKEN.match(text, place)
        # It always matches: any character is at least a stray one.
        assert match is not None
        assert match.lastgroup is not None
        place = match.end()
        word = match[match.lastgroup]
        yield Token(Kind[match.lastgroup], PLAIN.get(word, word), place - len(word), place)
    yield Token(Kind.END, "", length, length)
