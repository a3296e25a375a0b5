"""Decide which joiners, variation selectors and tags have a meaning where they stand.

`trionet.text.safe` asks this about lines in which something looks unsafe. Most unsafe characters
are unsafe everywhere. These three kinds have a meaning beside the right neighbours, and only the
neighbours decide: two characters before it and one after it, or the whole of a flag. So each kind
has one pattern that finds the meaningless ones, and `re` goes over the line once for each, in C. No
line makes Python code run for each of its characters: that once made a line of joiners forty times
as expensive as one of Cyrillic. Now such a line costs twice as much, and the worst known one
six times: 0.28 ms for 4,096 bytes (`tools/dear_lines.py` searches for worse).

Most of the cost is in looks at neighbours, so each pattern first looks at the character before with
one quick class (`perhaps_one_of`), which ends the search for most meaningless characters.

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
    perhaps_one_of,
)

_ZWNJ, _ZWJ = "\u200c", "\u200d"

_EMOJI_SELECTOR = "\ufe0e\ufe0f"
_SKIN_TONE = "\U0001f3fb-\U0001f3ff"
_KEYCAP = "0-9#*"
_KEYCAP_BASES = "0123456789#*"

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


def replace_tags(text: str, replacement: str) -> str:
    """Replace each tag that is not part of a flag. Do this before `replace_alone`.

    Args:
        text: any text.
        replacement: the one character that replaces each.
    """
    patterns = _patterns()
    if patterns.tag.search(text) is None:
        return text
    # Every second piece is a flag.
    pieces = patterns.flag.split(text)
    pieces[::2] = [patterns.tag.sub(replacement, piece) for piece in pieces[::2]]
    return "".join(pieces)


def replace_alone(text: str, replacement: str) -> str:
    """Replace each joiner and variation selector that is not part of a visible sequence.

    A character that is replaced never gives a meaning to one that is kept, so the kinds can be
    replaced one after the other.

    Args:
        text: any text, with no tag outside of a flag.
        replacement: the one character that replaces each.
    """
    patterns = _patterns()
    text = patterns.selector.sub(replacement, text)
    text = patterns.non_joiner.sub(replacement, text)
    return patterns.joiner.sub(replacement, text)


@cache
def _patterns() -> _Patterns:
    joining = _letters(CURSIVE + INDIC)
    viramas = [letter for letter in joining if combining(letter) == _VIRAMA]
    mongolian = characters_of(_MONGOLIAN)
    pictographs = characters_of(PICTOGRAPHIC)
    # After these a joiner stays, whatever follows: for example after the heh that abbreviates the
    # year of the Hijra, which a full stop follows.
    joins_alone = [*viramas, *_letters(CURSIVE), *mongolian]
    letter, virama, pictograph = map(one_of, (joining, viramas, pictographs))
    ends_alone = one_of(joins_alone)
    # What can stand before a ZWNJ, a selector and a ZWJ that have a meaning.
    letter_perhaps = perhaps_one_of(joining)
    before_selector = perhaps_one_of(
        [
            *[*pictographs, *_KEYCAP_BASES],
            *characters_of(f"{IDEOGRAPHIC}{_MONGOLIAN}{_MONGOLIAN_SELECTOR}"),
        ]
    )
    before_joiner = perhaps_one_of(
        [
            *joins_alone,
            *joining,
            *pictographs,
            *_EMOJI_SELECTOR,
            *characters_of(_MONGOLIAN_SELECTOR),
        ]
    )

    def behind_emoji(what: str) -> str:
        # Look at the last character first: it tells which of the others to look at.
        return (
            f"(?<![{_EMOJI_SELECTOR}{_SKIN_TONE}]{what})(?<={pictograph}{what})"
            f"|(?<=[{_EMOJI_SELECTOR}]{what})(?<={pictograph}.{what})"
            f"|(?<=[{_SKIN_TONE}]{what})"
            f"(?:(?<={pictograph}.{what})|(?<=[{_EMOJI_SELECTOR}].{what})(?<={pictograph}..{what}))"
        )

    return _Patterns(
        # A flag that is joined to an emoji before it belongs to that emoji, without its tags.
        flag=re.compile(
            f"({_BLACK_FLAG}(?={_FLAG_TAGS})(?!{behind_emoji(_ZWJ + _BLACK_FLAG)}){_FLAG_TAGS})"
        ),
        tag=re.compile(f"[{_TAG_LETTER}{_TAG_DIGIT}{_TAG_END}]"),
        selector=re.compile(
            f"[{_EMOJI_SELECTOR}{_IDEOGRAPH_SELECTOR}{_MONGOLIAN_SELECTOR}{_MONGOLIAN_SEPARATOR}]"
            f"(?:(?<![{before_selector}].)"
            # Each kind by itself, so that no selector is compared with what others stand behind.
            f"|(?<=[{_EMOJI_SELECTOR}])(?<!{pictograph}.)(?<![{_KEYCAP}].)"
            f"|(?<=[{_IDEOGRAPH_SELECTOR}])(?<![{IDEOGRAPHIC}].)"
            f"|(?<=[{_MONGOLIAN_SELECTOR}])(?<![{_MONGOLIAN}].)"
            f"|(?<={_MONGOLIAN_SEPARATOR})"
            f"(?!(?:(?<=[{_MONGOLIAN}].)|(?<=[{_MONGOLIAN}][{_MONGOLIAN_SELECTOR}].))"
            f"[{_MONGOLIAN_VOWEL_APART}]))",
            re.DOTALL,
        ),
        # The quick look comes first in both, because most meaningless joiners end there.
        non_joiner=re.compile(
            f"{_ZWNJ}(?:(?<![{letter_perhaps}]{_ZWNJ})|(?!{letter})(?<!{virama}{_ZWNJ})"
            f"|(?<!{letter}{_ZWNJ}))"
        ),
        joiner=re.compile(
            f"{_ZWJ}(?:(?<![{before_joiner}]{_ZWJ})"
            f"|(?<!{ends_alone}{_ZWJ})(?<![{_MONGOLIAN}][{_MONGOLIAN_SELECTOR}]{_ZWJ})"
            # Look at what follows first: usually it cannot be joined.
            f"(?!{letter}(?<={letter}{_ZWJ}.))"
            f"(?!{pictograph}(?:{behind_emoji(_ZWJ + '.')})))",
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
