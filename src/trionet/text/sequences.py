"""What `trionet.text.safe` does with a line in which something looks unsafe: keep it or not.

Most of what is unsafe is so wherever it stands. The rest (joiners, variation selectors, tags) has a
meaning beside the right neighbours, and they alone decide: two characters before it and one behind
it, or the whole of a flag. So each kind has one pattern that finds those without a meaning, and
`re` goes over the line once for each, in C. No line makes Python code run for each of its
characters: that once made a line of joiners forty times as dear as one of Cyrillic. Now such a
line costs twice as much, and the dearest of some thousand random ones seven to nine times: 0.3 to
0.4 ms for 4,096 bytes.

Needed seldom, and 20 ms to get ready: so the patterns are compiled when the first such line comes.
(The module is not imported then, because a server may be out of file descriptors.)
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

# Mongolian: a selector makes a letter's variant, and a separator has a vowel stand apart.
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
    """Each finds what has no meaning where it stands, but `flag`, which finds whole flags.

    A pattern begins with the character that it is about, and looks back from behind it: so `re`
    runs over all others in its fastest loop.
    """

    flag: re.Pattern[str]
    tag: re.Pattern[str]
    selector: re.Pattern[str]
    non_joiner: re.Pattern[str]
    joiner: re.Pattern[str]


def replace_alone(text: str, replacement: str) -> str:
    """Replace each joiner, variation selector and tag that is no part of a sequence that is seen.

    None of them gives another a meaning by which that one is kept, unless it is kept itself: so
    one kind can be replaced after the other.

    Args:
        text: any text.
        replacement: what stands for each: one character.
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
    # Behind these a joiner stays whatever follows: such as the heh that stands for the year of the
    # Hijra, behind which a full stop comes.
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
        # One that is joined to an emoji in front of it belongs to that one, without its tags.
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
            # What follows first: mostly there is nothing that can be joined.
            f"(?!{letter}(?<={letter}{_ZWJ}.))"
            f"(?!{pictograph}(?:{behind_emoji(_ZWJ + '.')}))",
            re.DOTALL,
        ),
    )


def _letters(blocks: str) -> list[str]:
    """Return the letters of these blocks, and the marks on them, that are seen."""
    ignorable = set(characters_of(IGNORABLE))
    return [
        character
        for character in characters_of(blocks)
        if category(character)[0] in "LM" and character not in ignorable
    ]
