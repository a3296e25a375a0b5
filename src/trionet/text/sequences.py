"""Decide which joiners, variation selectors and tags have a meaning where they stand.

`trionet.text.safe` asks this about lines in which something looks unsafe. Most unsafe characters
are unsafe everywhere. These three kinds have a meaning beside the right neighbours, and only the
neighbours decide: two characters before it and one after it, or the whole of a flag. So each kind
has one pattern that finds the meaningless ones, and `re` goes over the line once for each, in C. No
line makes Python code run for each of its characters: that once made a line of joiners forty times
as expensive as one of Cyrillic. Now such a line costs twice as much, and the worst of some thousand
random ones seven to nine times: 0.3 to 0.4 ms for 4,096 bytes.

The patterns are seldom needed and take 20 ms to compile, so they are compiled when the first such
line comes. (Importing this module that late would fail in a server that is out of file
descriptors.)
"""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple
from unicodedata import category, combining

from trionet.text.characters import (
    CURSIVE,
    IDEOGRAPHIC,
    IGNORABLE,
    INDIC,
    PICTOGRAPHIC,
    characters_of,
    one_of,
)

_ZWNJ, _ZWJ = "\u200c", "\u200d"

_EMOJI_SELECTOR = "\ufe0e\ufe0f"
_SKIN_TONE = "\U0001f3fb-\U0001f3ff"
_KEYCAP = "0-9#*"

_IDEOGRAPH_SELECTOR = "\ufe00-\ufe02\U000e0100-\U000e01ef"

# Mongolian: a selector makes a variant of a letter, and a separator sets a vowel apart.
_MONGOLIAN = "\u1820-\u18aa"
_MONGOLIAN_SELECTOR = "\u180b-\u180d\u180f"
_MONGOLIAN_SEPARATOR = "\u180e"
_MONGOLIAN_VOWEL_APART = "\u1820\u1821"

# A flag's code as tags: two letters for the region, one to four characters for its part.
_BLACK_FLAG = "\U0001f3f4"
_TAG_LETTER = "\U000e0061-\U000e007a"
_TAG_DIGIT = "\U000e0030-\U000e0039"
_TAG_END = "\U000e007f"
_FLAG_TAGS = f"[{_TAG_LETTER}]{{2}}[{_TAG_LETTER}{_TAG_DIGIT}]{{1,4}}{_TAG_END}"

# The canonical combining class of every virama.
_VIRAMA = 9


class _Patterns(NamedTuple):
    """Each pattern finds characters without a meaning, except `flag`, which finds whole flags.

    A pattern begins with the character that it is about, and then looks back across it. So `re`
    runs over all other characters in its fastest loop.
    """

    flag: re.Pattern[str]
    tag: re.Pattern[str]
    selector: re.Pattern[str]
    non_joiner: re.Pattern[str]
    joiner: re.Pattern[str]


def replace_alone(text: str, replacement: str) -> str:
    """Replace each joiner, variation selector and tag that is not part of a visible sequence.

    A character that is replaced never gives a meaning to one that is kept, so the kinds can be
    replaced one after the other.

    Args:
        text: any text.
        replacement: the one character that replaces each.
    """
    patterns = _patterns()
    if patterns.tag.search(text) is not None:
        # Every second piece is a flag.
        pieces = patterns.flag.split(text)
        pieces[::2] = [patterns.tag.sub(replacement, piece) for piece in pieces[::2]]
        text = "".join(pieces)
    text = patterns.selector.sub(replacement, text)
    text = patterns.non_joiner.sub(replacement, text)
    return patterns.joiner.sub(replacement, text)


@cache
def _patterns() -> _Patterns:
    joining = _letters(CURSIVE + INDIC)
    viramas = [letter for letter in joining if combining(letter) == _VIRAMA]
    mongolian = characters_of(_MONGOLIAN)
    # After these a joiner stays, whatever follows: for example after the heh that abbreviates the
    # year of the Hijra, which a full stop follows.
    joins_alone = [*viramas, *_letters(CURSIVE), *mongolian]
    letter, virama, pictograph = map(one_of, (joining, viramas, characters_of(PICTOGRAPHIC)))
    ends_alone = one_of(joins_alone)

    def behind_emoji(what: str) -> str:
        return "|".join(
            f"(?<={pictograph}{selector}{tone}{what})"
            for selector in ("", f"[{_EMOJI_SELECTOR}]")
            for tone in ("", f"[{_SKIN_TONE}]")
        )

    return _Patterns(
        # A flag that is joined to an emoji before it belongs to that emoji, without its tags.
        flag=re.compile(
            f"({_BLACK_FLAG}(?={_FLAG_TAGS})(?!{behind_emoji(_ZWJ + _BLACK_FLAG)}){_FLAG_TAGS})"
        ),
        tag=re.compile(f"[{_TAG_LETTER}{_TAG_DIGIT}{_TAG_END}]"),
        selector=re.compile(
            f"[{_EMOJI_SELECTOR}{_IDEOGRAPH_SELECTOR}{_MONGOLIAN_SELECTOR}{_MONGOLIAN_SEPARATOR}]"
            f"(?<!{pictograph}[{_EMOJI_SELECTOR}])(?<![{_KEYCAP}][{_EMOJI_SELECTOR}])"
            f"(?<![{IDEOGRAPHIC}][{_IDEOGRAPH_SELECTOR}])"
            f"(?<![{_MONGOLIAN}][{_MONGOLIAN_SELECTOR}])"
            f"(?!(?:(?<=[{_MONGOLIAN}]{_MONGOLIAN_SEPARATOR})"
            f"|(?<=[{_MONGOLIAN}][{_MONGOLIAN_SELECTOR}]{_MONGOLIAN_SEPARATOR}))"
            f"[{_MONGOLIAN_VOWEL_APART}])"
        ),
        non_joiner=re.compile(f"{_ZWNJ}(?:(?<!{letter}{_ZWNJ})|(?!{letter})(?<!{virama}{_ZWNJ}))"),
        joiner=re.compile(
            f"{_ZWJ}(?<!{ends_alone}{_ZWJ})(?<![{_MONGOLIAN}][{_MONGOLIAN_SELECTOR}]{_ZWJ})"
            # Look at what follows first: usually it cannot be joined.
            f"(?!{letter}(?<={letter}{_ZWJ}.))"
            f"(?!{pictograph}(?:{behind_emoji(_ZWJ + '.')}))",
            re.DOTALL,
        ),
    )


def _letters(blocks: str) -> list[str]:
    """Return the visible letters of these blocks, and the visible marks on them."""
    ignorable = set(characters_of(IGNORABLE))
    return [
        character
        for character in characters_of(blocks)
        if category(character)[0] in "LM" and character not in ignorable
    ]
