"""What somebody may have meant by a line that cannot be read."""

from __future__ import annotations

import re
from collections.abc import Collection

from trionet.calc.tokens import Kind, Token
from trionet.text import safe_text

# More of a peer's own words than this is not repeated to it.
_SHOWN = 16

# Around a comma: what may be one number, and its digits in groups of three.
_BEFORE_COMMA = re.compile(r"[0-9]+(?:,[0-9]+)*$")
_AFTER_COMMA = re.compile(r",[0-9]+(?:,[0-9]+)*")
_GROUPED = re.compile(r"[0-9]{1,3}(?:,[0-9]{3})+")

_GROUP = re.compile(r"\([^()]*\)")


def shown(text: str) -> str:
    """Return a piece of a peer's line, short enough and safe to be shown in an error."""
    text = text.replace("\t", " ")
    return safe_text(text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…")


def known_name_hint(name: str, names: Collection[str]) -> str:
    """Return which names there are, or the one that was meant."""
    meant = name.lower()
    return f"write {meant}" if meant in names else f"known are {', '.join(names)}"


def comma_hint(text: str, place: int) -> str:
    """Return how a number is written that has a comma at this place."""
    # Only so far as a hint could be shown.
    before = _BEFORE_COMMA.search(text[max(0, place - _SHOWN) : place])
    after = _AFTER_COMMA.match(text[place : place + _SHOWN])
    if before is None or after is None:
        return "it stands between the arguments of a function"
    number = before[0] + after[0]
    if _GROUPED.fullmatch(number):
        return f"write {number.replace(',', '')}"
    return f"write {number.replace(',', '.')}" if number.count(",") == 1 else "numbers have none"


def operator_hint(text: str, left: Token, right: Token, names: Collection[str]) -> str:
    """Return what should stand between two operands that stand beside each other."""
    if right.kind is Kind.NUMBER:
        # It can be anything: nobody leaves out a `*` there.
        return ""
    if right.kind is Kind.STRAY or (right.kind is Kind.NAME and right.text not in names):
        return f"{shown(right.text)} is none"
    first = "(…)" if left.text == ")" else shown(left.text)
    if right.kind is Kind.NAME:
        return f"write {first}*{right.text}"
    group = _GROUP.match(text, right.start, right.start + _SHOWN)
    return f"write {first}*{shown(group[0]) if group else '(…)'}"
