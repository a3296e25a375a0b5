"""Hints: what somebody may have meant by a line that cannot be parsed.

People do what a hint says. So a hint suggests a number only if the line can mean no other, or it
suggests both that the line can mean; and whatever it suggests can be parsed.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection

from trionet.calc.operations import FUNCTIONS
from trionet.calc.tokens import BLANK, EXPONENT, MINUS, Kind, Token
from trionet.text.safe import safe_text

# How many characters of a peer's own line an error repeats.
_SHOWN = 16

# The longest number that somebody could write by hand; hints look no further than this.
_NUMBER_LENGTH = 32

_SPACES = BLANK.replace("\t", "")
_DIGITS_AND_SEPARATORS = f"0123456789.,'’_{_SPACES}"

# The same separator before every three digits, and perhaps another one before the decimals.
_IN_THREES = re.compile(
    rf"(?P<whole>[1-9][0-9]{{0,2}}(?P<groups>(?P<separator>[,.'’{_SPACES}])[0-9]{{3}}"
    r"(?:(?P=separator)[0-9]{3})*+))(?:(?P<point>[.,])(?P<decimals>[0-9]+))?"
)
# As in India: 12,34,567.
_IN_TWOS = re.compile(r"(?P<whole>[1-9][0-9]?(?:,[0-9]{2})+,[0-9]{3})(?:\.(?P<decimals>[0-9]+))?")
# As in programs: 1_000.
_WITH_UNDERSCORES = re.compile(r"(?P<whole>[0-9]+(?:_[0-9]+)+)(?:\.(?P<decimals>[0-9]+))?")
_WITH_DECIMAL_COMMA = re.compile(r"(?P<whole>[0-9]+),(?P<decimals>[0-9]+)")

_BETWEEN_DIGITS = re.compile("[0-9],[0-9]")

_EXPONENT = re.compile(EXPONENT)
_TO_AN_EXPONENT = re.compile(rf"[0-9.][eE][+{MINUS}]")
_PART_OF_A_WORD = re.compile(r"[\w.]")

# Blanks and at most one other character between two runs of digits: do they belong together?
_TO_MORE_DIGITS = re.compile(rf"[{BLANK}]*+(?P<mark>[^{BLANK}]?)[{BLANK}]*+[0-9]")
_FROM_MORE_DIGITS = re.compile(rf"[0-9][{BLANK}]*+(?P<mark>[^{BLANK}]?)[{BLANK}]*+$")

# What stands between two numbers, besides the mathematical symbols and dashes of Unicode.
_BETWEEN_NUMBERS = "*/%^()=·•"

# What an operand may belong to instead of the product that follows it.
_BINDS_LEFT = re.compile(rf"(?:[/÷%^]|\*\*)[{BLANK}+{MINUS}]*+$")

_EMPTY_GROUP = re.compile(rf"\([{BLANK}]*+\)")

_GROUP = re.compile(r"\([^()]*\)")

# Signs that look like one of the grammar's and are often pasted in its place.
_SIGNS = {
    **dict.fromkeys("＋﹢", "+"),
    **dict.fromkeys("‐‑‒—―－﹣", "-"),
    **dict.fromkeys("∗∙✕✖⨯＊﹡", "*"),
    **dict.fromkeys("∕⁄➗／", "/"),
    "（": "(",
    "）": ")",
    "％": "%",
    "＾": "^",
    "＝": "=",
    "²": "^2",
    "³": "^3",
    "√": "sqrt(…)",
}

# Braille without dots: drawn as nothing, although Unicode counts it as a symbol.
_BRAILLE_BLANK = "\u2800"


def shown(text: str) -> str:
    """Return a piece of a peer's line, shortened and made safe to show in an error.

    A single character that cannot be seen is named by its code point.
    """
    if len(text) == 1 and not _is_seen(text):
        return _code_point(text)
    text = "".join(character if _is_seen(character) else "�" for character in text[: _SHOWN + 1])
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


def known_name_hint(name: str, names: Collection[str]) -> str:
    """Return which name was meant, or the names there are, or which character cannot be seen."""
    # Only the part that is shown is checked: a name of 4,096 letters would take 3 ms.
    unseen = next((one for one in name[:_SHOWN] if not _is_seen(one)), None)
    if unseen is not None:
        return f"{_code_point(unseen)} cannot be seen"
    meant = name.lower()
    return f"write {meant}" if meant in names else f"known are {', '.join(names)}"


def comma_hint(text: str, place: int) -> str:
    """Return what to do about a comma that is not between arguments."""
    meant = number_hint(text, place)
    if meant:
        return meant
    if _BETWEEN_DIGITS.match(text, max(0, place - 1)):
        return "numbers have no commas"
    return "a comma only separates the arguments of a function"


def sign_hint(character: str) -> str:
    """Return what to write for a sign that looks like another; empty if it looks like none."""
    sign = _SIGNS.get(character)
    return "" if sign is None else f"write {sign} for {character}"


def number_hint(text: str, place: int, *, has_comma: bool = True) -> str:
    """Return how to write a number that was written another way, such as ``1.234,5``.

    Args:
        text: the line.
        place: the index of the unexpected separator, or of the digits after it.
        has_comma: whether a comma can be part of a number here.

    Returns:
        The hint; empty if there is no such number, or no way to know which number is meant.
    """
    letters = _DIGITS_AND_SEPARATORS if has_comma else _DIGITS_AND_SEPARATORS.replace(",", "")
    first = last = place
    while first > 0 and text[first - 1] in letters:
        first -= 1
        if place - first > _NUMBER_LENGTH:
            return ""
    while last < len(text) and text[last] in letters:
        last += 1
        if last - place > _NUMBER_LENGTH:
            return ""
    before, behind = text[max(0, first - 2) : first + 1], text[max(0, last - 1) : last + 2]
    if _BETWEEN_DIGITS.fullmatch(before) or _BETWEEN_DIGITS.fullmatch(behind):
        # The comma separates arguments, or is a decimal comma after all.
        return ""
    number = text[first:last].strip(BLANK)
    first = text.index(number, first)
    last = first + len(number)
    exponent = _EXPONENT.match(text, last)
    assert exponent is not None
    ends_in_word = _PART_OF_A_WORD.match(text, exponent.end()) is not None
    begins_in_word = first > 0 and _PART_OF_A_WORD.match(text, first - 1) is not None
    is_exponent = _TO_AN_EXPONENT.fullmatch(text, max(0, first - 3), first) is not None
    if begins_in_word or ends_in_word or is_exponent:
        return ""
    if _is_torn(text, first, exponent.end(), has_comma=has_comma):
        return ""
    meant = " or ".join(f"{reading}{exponent[0]}" for reading in _readings(number))
    return f"write {meant}" if 0 < len(meant) <= _NUMBER_LENGTH else ""


def _is_torn(text: str, first: int, end: int, *, has_comma: bool) -> bool:
    """Return whether a number may be part of a longer one, separated by something unknown."""
    # A line may have 4,096 blanks.
    start = max(0, first - _NUMBER_LENGTH)
    joints = (
        _FROM_MORE_DIGITS.search(text, start, first),
        _TO_MORE_DIGITS.match(text, end, end + _NUMBER_LENGTH),
    )
    return any(joint and _joins(joint["mark"], has_comma=has_comma) for joint in joints)


def _joins(mark: str, *, has_comma: bool) -> bool:
    """Return whether a character, or none, can stand within a number that somebody has written."""
    if mark == ",":
        return has_comma
    return not mark or (
        mark not in _BETWEEN_NUMBERS
        and not mark.isalpha()
        and unicodedata.category(mark) not in ("Sm", "Pd")
    )


def _readings(number: str) -> list[str]:
    """Return what a number with separators can mean, written as the grammar wants it."""
    in_threes = _IN_THREES.fullmatch(number)
    if in_threes is not None:
        if in_threes["point"] == in_threes["separator"]:
            return []
        if len(in_threes["groups"]) > len(",000") or in_threes["point"]:
            return [_plain(in_threes)]
        match in_threes["separator"]:
            case ",":
                # One thousand or one point something: it depends on the country.
                return [_plain(in_threes), number.replace(",", ".")]
            case "." | " ":
                # A number as it is; or two, with an operator left out.
                return []
        return [_plain(in_threes)]
    for pattern in (_IN_TWOS, _WITH_UNDERSCORES, _WITH_DECIMAL_COMMA):
        match = pattern.fullmatch(number)
        if match is not None:
            return [_plain(match)]
    return []


def _plain(number: re.Match[str]) -> str:
    whole = "".join(filter(str.isdigit, number["whole"]))
    return f"{whole}.{number['decimals']}" if number["decimals"] else whole


def operator_hint(
    text: str,
    left: Token,
    right: Token,
    names: Collection[str],
    is_expression: Callable[[str], bool],
) -> str:
    """Return what to write between two operands that have no operator between them."""
    if right.kind is Kind.NUMBER:
        # Nobody leaves out a `*` before a number, so it could be any operator.
        return ""
    if right.text in _SIGNS:
        return sign_hint(right.text)
    if right.kind is Kind.STRAY or (right.kind is Kind.NAME and right.text not in names):
        return f"{shown(right.text)} is not one"
    first = "(…)" if left.text == ")" else shown(left.text)
    if left.kind is Kind.NAME and _EMPTY_GROUP.match(text, right.start):
        # A constant was written like a function: pi().
        return f"write {first}"
    if right.kind is Kind.NAME:
        second = f"{right.text}{'(…)' if right.text in FUNCTIONS else ''}"
    else:
        group = _GROUP.match(text, right.start, right.start + _SHOWN)
        is_whole = group is not None and shown(group[0]) == group[0] and is_expression(group[0])
        second = group[0] if group is not None and is_whole else "(…)"
    product = f"{first}*{second}"
    if left.text != ")" and _BINDS_LEFT.search(text, max(0, left.start - _SHOWN), left.start):
        # 1/2pi: some mean a half of pi, and others what divides by 2pi.
        return f"write {product} or ({product})"
    return f"write {product}"


def _is_seen(character: str) -> bool:
    """Return whether a character can be seen by itself; a space counts as seen."""
    if character == " ":
        return True
    # Marks (M) are drawn on another character; controls, formats and unassigned characters are C.
    return (
        unicodedata.category(character)[0] not in "ZMC"
        and character != _BRAILLE_BLANK
        and safe_text(character) == character
    )


def _code_point(character: str) -> str:
    return f"U+{ord(character):04X}"
