"""Decide which joiners, variation selectors and tags have a meaning where they stand.

`trionet.text.safe` asks this about lines in which something looks unsafe. Most unsafe characters
are unsafe everywhere. These three kinds have a meaning next to the right neighbours, and only the
neighbours decide: up to three characters before and one after, or the whole of a flag. So each kind
has a pattern, and `re` goes over the line once for each, in C. No line makes Python code run for
each of its characters: that once made a line of joiners forty times as expensive as one of
Cyrillic. Now a line of 4 KiB takes at most 2.2 times as long as one of Vietnamese (65 µs), whatever
a joiner, a selector or a tag is paired with. The worst known mix of all kinds and of towers of
marks takes 4.4 times as long (`tools/dear_lines.py` searches for worse).

The patterns are rarely needed and take 0.2 s to compile, so they are compiled when the first such
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
# Characters beyond U+10000 are slow to look up. So in a line with many joiners, the first few
# different ones are replaced for a while by private characters, which are in the same tables. (By
# then no line has private characters of its own.) Here are the stand-ins for letters, for letters
# that join alone, for viramas, for pictographs and skin tones, and for all others: sixteen of each.
_LETTER_STAND_IN, _JOINING_STAND_IN, _VIRAMA_STAND_IN = 0xE010, 0xE020, 0xE030
_PICTOGRAPH_STAND_IN, _TONE_STAND_IN, _OTHER_STAND_IN = 0xE040, 0xE050, 0xE000
# How many are replaced (at 1 to 4 µs each), and how many joiners make it worthwhile.
_FEW_BEYOND = 6
_MANY_JOINERS = 150
_BEYOND = re.compile("[\U00010000-\U0010ffff]")

_SKIN_TONE = "\ue050-\ue05f\U0001f3fb-\U0001f3ff"
_KEYCAP = "0-9#*"

_IDEOGRAPH_SELECTOR_BELOW = "\ufe00\ufe01\ufe02"
_IDEOGRAPH_SELECTOR_BEYOND = "\U000e0100-\U000e01ef"

# Mongolian: a selector makes a variant of a letter, and a separator sets a vowel apart.
_MONGOLIAN = "\u1820-\u18aa"
_MONGOLIAN_SELECTOR = "\u180b\u180c\u180d\u180f"
_MONGOLIAN_SEPARATOR = "\u180e"
_SELECTORS_BELOW = (
    _EMOJI_SELECTOR + _IDEOGRAPH_SELECTOR_BELOW + _MONGOLIAN_SELECTOR + _MONGOLIAN_SEPARATOR
)
_MONGOLIAN_VOWEL_APART = "\u1820\u1821"

# A flag's code as tags: two letters for the region, one to four characters for its part.
_BLACK_FLAG = "\U0001f3f4"
_TAG_LETTER = "\U000e0061-\U000e007a"
_TAG_DIGIT = "\U000e0030-\U000e0039"
_TAG_END = "\U000e007f"
_FLAG_TAGS = f"[{_TAG_LETTER}]{{2}}[{_TAG_LETTER}{_TAG_DIGIT}]{{1,4}}{_TAG_END}"

# A quick look for tags and selectors beyond U+10000. Most lines have none.
_SEQUENCED_BEYOND = re.compile("[\U000e0030-\U000e01ef]")

# The canonical combining class of every virama.
_VIRAMA = 9


# If so many are kept in the first tenth of a line, most are likely to be kept.
_MANY_KEPT = 25


class _Patterns(NamedTuple):
    """`flag` and `kept_*` find what has a meaning, `lone_*` what has none, the others both.

    `stand_ins` has the first stand-in of its kind for each character beyond U+10000 in a table.

    A pattern begins with the character that it is about, and then looks back across it. So `re`
    runs over all other characters in its fastest loop.
    """

    stand_ins: dict[str, int]
    selector: re.Pattern[str]
    kept_selector: re.Pattern[str]
    lone_selector: re.Pattern[str]
    lone_ideograph_selector: re.Pattern[str]
    tag: re.Pattern[str]
    flag: re.Pattern[str]
    kept_non_joiner: re.Pattern[str]
    lone_non_joiner: re.Pattern[str]
    kept_joiner: re.Pattern[str]
    lone_joiner: re.Pattern[str]


def replace_selectors(text: str, replacement: str) -> str:
    """Replace each variation selector below U+10000 that changes nothing.

    Args:
        text: any text without control characters.
        replacement: the one character that replaces each.
    """
    patterns = _patterns()
    if patterns.selector.search(text) is None:
        return text
    kept, lone = patterns.kept_selector, patterns.lone_selector
    return _replace(_SELECTORS_BELOW, kept, lone, text, replacement)


def replace_beyond(text: str, replacement: str) -> str:
    """Replace each selector beyond U+10000 that changes nothing, and each tag outside of a flag.

    Args:
        text: any text that went through `replace_selectors`.
        replacement: the one character that replaces each.
    """
    patterns = _patterns()
    if _SEQUENCED_BEYOND.search(text) is None:
        return text
    text = patterns.lone_ideograph_selector.sub(replacement, text)
    if patterns.tag.search(text) is None:
        return text
    # Every second piece is a flag.
    pieces = patterns.flag.split(text)
    pieces[::2] = [patterns.tag.sub(replacement, piece) for piece in pieces[::2]]
    return "".join(pieces)


def replace_joiners(text: str, replacement: str) -> str:
    """Replace each joiner that joins nothing.

    Args:
        text: any text without control and private characters that went through
            `replace_selectors`.
        replacement: the one character that replaces each.
    """
    if _ZWNJ not in text and _ZWJ not in text:
        return text
    if text.count(_ZWNJ) + text.count(_ZWJ) < _MANY_JOINERS:
        return _replace_joiners(text, replacement)
    kinds = _patterns().stand_ins
    used: dict[str, str] = {}
    for number in range(_FEW_BEYOND):
        if (found := _BEYOND.search(text)) is None:
            break
        stand_in = chr(kinds.get(found[0], _OTHER_STAND_IN) + number)
        used[stand_in] = found[0]
        text = text.replace(found[0], stand_in)
    text = _replace_joiners(text, replacement)
    for stand_in, character in used.items():
        text = text.replace(stand_in, character)
    return text


def _replace_joiners(text: str, replacement: str) -> str:
    patterns = _patterns()
    if _ZWNJ in text:
        kept, lone = patterns.kept_non_joiner, patterns.lone_non_joiner
        text = _replace(_ZWNJ, kept, lone, text, replacement)
    if _ZWJ in text:
        kept, lone = patterns.kept_joiner, patterns.lone_joiner
        text = _replace(_ZWJ, kept, lone, text, replacement)
    return text


def _replace(
    characters: str,
    kept: re.Pattern[str],
    lone: re.Pattern[str],
    text: str,
    replacement: str,
) -> str:
    """Replace those of the characters that `kept` does not find, which are those of `lone`.

    `re` takes 90 ns for each character that it replaces, and `str.replace` 5. So `re` finds those
    that are kept, or the others if those that are kept are dense.
    """
    # Counting in a part of the line costs a tenth more at most. To split up to a certain number,
    # and then all over again, took twice as long on a line with a few more.
    if len(kept.findall(text, 0, len(text) // 10)) >= _MANY_KEPT:
        return lone.sub(replacement, text)
    # Every second piece is kept. No text has a NUL.
    pieces = kept.split(text)
    rest = "\0".join(pieces[::2])
    for character in characters:
        rest = rest.replace(character, replacement)
    pieces[::2] = rest.split("\0")
    return "".join(pieces)


def _joining() -> tuple[list[str], list[str], list[str]]:
    """Return the letters of scripts that join, the viramas, and what joins alone."""
    joining = _letters(CURSIVE + INDIC)
    viramas = [letter for letter in joining if combining(letter) == _VIRAMA]
    # After these a ZWJ stays, whatever follows: for example after the heh that abbreviates the
    # year of the Hijra, which a full stop follows. A Mongolian letter is before each selector here.
    joins_alone = [
        *[*viramas, *_letters(CURSIVE)],
        *characters_of(_MONGOLIAN + _MONGOLIAN_SELECTOR),
    ]
    return joining, viramas, joins_alone


@cache
def _patterns() -> _Patterns:
    joining, viramas, joins_alone = _joining()
    stand_ins = {
        character: stand_in
        for characters, stand_in in (
            (joining, _LETTER_STAND_IN),
            (joins_alone, _JOINING_STAND_IN),
            (viramas, _VIRAMA_STAND_IN),
            (characters_of(PICTOGRAPHIC), _PICTOGRAPH_STAND_IN),
            (characters_of("\U0001f3fb-\U0001f3ff"), _TONE_STAND_IN),
        )
        for character in characters
        if character > "\uffff"
    }
    joining += characters_of("\ue010-\ue03f")
    joins_alone += characters_of("\ue020-\ue03f")
    viramas += characters_of("\ue030-\ue03f")
    pictographs = characters_of(PICTOGRAPHIC + "\ue040-\ue04f")
    letter, virama, joins, pictograph = map(one_of, (joining, viramas, joins_alone, pictographs))
    letter_perhaps = perhaps_one_of(joining)
    selector_perhaps = perhaps_one_of(
        [*pictographs, *characters_of(_KEYCAP + IDEOGRAPHIC + _MONGOLIAN + _MONGOLIAN_SELECTOR)]
    )
    joiner_perhaps = perhaps_one_of(
        [*joining, *joins_alone, *pictographs, *_EMOJI_SELECTOR, *characters_of(_SKIN_TONE)]
    )

    def behind_emoji(what: str) -> str:
        def selected(what: str) -> str:
            # Only a pictograph or the character of a keycap is before a selector here.
            return f"(?<=[{_EMOJI_SELECTOR}]{what})(?<![{_KEYCAP}].{what})"

        return (
            f"(?:{selected(what)}|(?<={pictograph}{what})"
            f"|(?<=[{_SKIN_TONE}]{what})(?:(?<={pictograph}.{what})|{selected('.' + what)}))"
        )

    # What is around a ZWNJ, and around a ZWJ, that is kept. The quick look at the character before
    # comes first, because most meaningless joiners end there.
    joins_letters = f"(?<=[{letter_perhaps}].)(?:(?={letter})(?<={letter}.)|(?<={virama}.))"
    joins_anything = (
        f"(?<=[{joiner_perhaps}].)"
        f"(?:(?<={joins}.)|(?={pictograph}){behind_emoji('.')}|(?={letter})(?<={letter}.))"
    )
    # The same for a selector, with a second quick look for those that do not follow emoji.
    selects = (
        f"(?<=[{selector_perhaps}].)"
        f"(?:(?<=[{_EMOJI_SELECTOR}])(?:(?<=[{_KEYCAP}].)|(?<={pictograph}.))"
        f"|(?<=[{IDEOGRAPHIC}{_MONGOLIAN}{_MONGOLIAN_SELECTOR}].)"
        f"(?:(?<=[{_IDEOGRAPH_SELECTOR_BELOW}])(?<=[{IDEOGRAPHIC}].)"
        f"|(?<=[{_MONGOLIAN_SELECTOR}])(?<=[{_MONGOLIAN}].)"
        f"|(?<={_MONGOLIAN_SEPARATOR})(?=[{_MONGOLIAN_VOWEL_APART}])"
        f"(?:(?<=[{_MONGOLIAN}].)|(?<=[{_MONGOLIAN}][{_MONGOLIAN_SELECTOR}].))))"
    )
    selector = f"[{_SELECTORS_BELOW}]"
    return _Patterns(
        stand_ins=stand_ins,
        selector=re.compile(selector),
        kept_selector=re.compile(f"({selector}{selects})", re.DOTALL),
        lone_selector=re.compile(f"{selector}(?!{selects})", re.DOTALL),
        lone_ideograph_selector=re.compile(
            f"[{_IDEOGRAPH_SELECTOR_BEYOND}](?<![{IDEOGRAPHIC}].)", re.DOTALL
        ),
        tag=re.compile(f"[{_TAG_LETTER}{_TAG_DIGIT}{_TAG_END}]"),
        # A flag that is joined to an emoji before it belongs to that emoji, without its tags.
        flag=re.compile(
            f"({_BLACK_FLAG}(?={_FLAG_TAGS})(?!{behind_emoji(_ZWJ + _BLACK_FLAG)}){_FLAG_TAGS})",
            re.DOTALL,
        ),
        kept_non_joiner=re.compile(f"({_ZWNJ}{joins_letters})", re.DOTALL),
        lone_non_joiner=re.compile(f"{_ZWNJ}(?!{joins_letters})", re.DOTALL),
        kept_joiner=re.compile(f"({_ZWJ}{joins_anything})", re.DOTALL),
        lone_joiner=re.compile(f"{_ZWJ}(?!{joins_anything})", re.DOTALL),
    )


def _letters(blocks: str) -> list[str]:
    """Return the visible letters of these blocks, and the visible marks on them."""
    ignorable = set(characters_of(IGNORABLE))
    return [
        character
        for character in characters_of(blocks)
        if category(character)[0] in "LM" and character not in ignorable
    ]
