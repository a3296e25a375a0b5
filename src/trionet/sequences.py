"""What `trionet.text` does with a line in which something looks unsafe: part for part, keep or not.

Needed seldom, and 10 ms to get ready: so the patterns are compiled when the first such line comes.
(The module is not imported then, because a server may be out of file descriptors.)
"""

from __future__ import annotations

import re
from functools import cache
from unicodedata import category, combining

from trionet.characters import CURSIVE, IDEOGRAPHIC, IGNORABLE, INDIC, PICTOGRAPHIC

_ZWNJ, _ZWJ = "\u200c", "\u200d"

_SELECTOR = "[\ufe0e\ufe0f]"
_EMOJI = f"[{PICTOGRAPHIC}]{_SELECTOR}?[\U0001f3fb-\U0001f3ff]?"
# A flag's code as tags: two letters for the region, one to four characters for its part.
_TAG_LETTER = "\U000e0061-\U000e007a"
_TAG_DIGIT = "\U000e0030-\U000e0039"
_TAGS = f"[{_TAG_LETTER}]{{2}}[{_TAG_LETTER}{_TAG_DIGIT}]{{1,4}}\U000e007f"

_KEPT = "|".join(
    (
        f"\U0001f3f4{_TAGS}",
        f"{_EMOJI}(?:{_ZWJ}{_EMOJI})*",
        f"[0-9#*]{_SELECTOR}",
        f"[{IDEOGRAPHIC}][\ufe00-\ufe02\U000e0100-\U000e01ef]",
        # Mongolian: a letter's variant, one that joins, and a vowel that stands apart.
        f"[\u1820-\u18aa][\u180b-\u180d\u180f]?(?:{_ZWJ}|\u180e(?=[\u1820\u1821]))?",
    )
)

# The canonical combining class of every virama.
_VIRAMA = 9


def replace_alone(text: str, unsafe: str, replacement: str) -> str:
    """Replace each unsafe character that is no part of a sequence that is seen.

    Args:
        text: any text.
        unsafe: the inside of a character class.
        replacement: what stands for each.
    """

    def judge(match: re.Match[str]) -> str:
        if match["unsafe"] is None or _has_sense(text, match.start()):
            return match[0]
        return replacement

    return _compiled(unsafe).sub(judge, text)


@cache
def _compiled(unsafe: str) -> re.Pattern[str]:
    return re.compile(f"{_KEPT}|(?P<unsafe>[{unsafe}])")


@cache
def _one_of(characters: str) -> re.Pattern[str]:
    return re.compile(f"[{characters}]")


def _has_sense(text: str, at: int) -> bool:
    """Tell whether this is a joiner that changes how the letters beside it are drawn."""
    if text[at] not in (_ZWNJ, _ZWJ):
        return False
    before, after = text[at - 1 : at], text[at + 1 : at + 2]
    return _is_letter(before, CURSIVE + INDIC) and (
        _is_letter(after, CURSIVE + INDIC)
        or combining(before) == _VIRAMA
        # Such as the heh that stands for the year of the Hijra, behind which a full stop comes.
        or (text[at] == _ZWJ and _is_letter(before, CURSIVE))
    )


def _is_letter(character: str, scripts: str) -> bool:
    """Tell whether this is a letter of these scripts, or a mark on one, that is seen."""
    return (
        _one_of(scripts).match(character) is not None
        and category(character)[0] in "LM"
        and _one_of(IGNORABLE).match(character) is None
    )
