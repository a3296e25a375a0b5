r"""Replace what is unsafe in a line: the slow look, for a line in which something may be.

`trionet.text.safe` has the rules in words. Whether a joiner, a variation selector or a tag means
something depends on its neighbours: at most three characters before it and one after it, or the
whole of a flag. So the rules are applied to all characters of a line at once, as arithmetic:

- `str.translate` finds the class of each character in a table of the whole of Unicode.
- The classes become whole numbers with one byte for each character. Each bit of a byte says one
  thing about its character, such as "is a virama". The first character is the lowest byte, so
  ``number << 8`` moves what is true of each character to the one behind it, and ``>> 8`` to the one
  before it.
- ``&`` and ``|`` of such numbers are the rules: ``joiners & viramas << 8`` are the joiners that
  stand behind a virama.

So what a line costs depends on its length alone, some 45 ns a character, whatever is in it. No
known line takes more than 2.9 times as long as one of Vietnamese (`tools/slow_lines.py` searches
for worse). With one pattern for each rule, the worst known line took 5.5 times as long, and only a
long line with hardly anything suspicious in it took less.

The table is made when the first such line comes, in 9 ms, and takes 1.1 MB.
"""

from __future__ import annotations

# Load the codec now: `str.encode` would do it at the first suspicious line, while others wait.
import encodings.utf_32_le as _utf_32_le  # noqa: F401
import re
from collections import Counter
from functools import cache
from typing import NamedTuple
from unicodedata import category, combining

from trionet.text.characters import (
    CURSIVE,
    IDEOGRAPHIC,
    IGNORABLE,
    IGNORABLE_BELOW,
    IGNORABLE_BEYOND,
    INDIC,
    MARKS,
    PICTOGRAPHIC,
    as_ranges,
    points_of,
    ranges_of,
)

# What is unsafe wherever it stands: control characters, separators, characters that are invisible
# or reorder text, annotations, surrogates and private use, noncharacters, and the planes that hold
# nothing visible but parts of sequences.
UNSAFE_BELOW = (
    "\x00-\x1f\x7f-\x9f\u2028-\u2029"
    + IGNORABLE_BELOW
    + "\ufff9-\ufffb\ud800-\uf8ff\ufdd0-\ufdef\ufffe-\uffff"
)
UNSAFE_BEYOND = (
    IGNORABLE_BEYOND + "\U0001fffe-\U0001ffff\U0002fffe-\U0002ffff\U0003fffe-\U000dffff"
    "\U000e1000-\U0010ffff"
)

_ZWNJ, _ZWJ = "\u200c", "\u200d"
_EMOJI_SELECTOR = "\ufe0e-\ufe0f"
_IDEOGRAPH_SELECTOR = "\ufe00-\ufe02\U000e0100-\U000e01ef"
_SKIN_TONE = "\U0001f3fb-\U0001f3ff"
_KEYCAP = "0-9#*"

# Mongolian: a selector makes a variant of a letter, and a separator sets a vowel apart.
_MONGOLIAN = "\u1820-\u18aa"
_MONGOLIAN_SELECTOR = "\u180b-\u180d\u180f"
_MONGOLIAN_SEPARATOR = "\u180e"
_MONGOLIAN_VOWEL_APART = "\u1820-\u1821"

# A flag's code as tags: two letters for the region, one to four characters for its part.
_BLACK_FLAG = "\U0001f3f4"
_TAG_LETTER = "\U000e0061-\U000e007a"
_TAG_DIGIT = "\U000e0030-\U000e0039"
_TAG_END = "\U000e007f"
_FLAG = re.compile(f"{_BLACK_FLAG}[{_TAG_LETTER}]{{2}}[{_TAG_LETTER}{_TAG_DIGIT}]{{1,4}}{_TAG_END}")

# The canonical combining class of every virama.
_VIRAMA = 9

# The highest stack in real use has this many, a Tibetan one: ཧྐྵྨླྺྼྻྂ. Vietnamese needs 2, Hebrew 5.
# `replaced` doubles its way up to it.
MAX_MARKS = 8

# The bits of a byte. In the first number they tell what a suspect is, in the second what the
# character before it must be, so that ``first & second << 8`` are the suspects that are kept.
_UNSAFE, _OF_EMOJI, _OF_KEYCAP, _OF_IDEOGRAPH, _OF_MONGOLIAN, _SEPARATOR, _NON_JOINER, _JOINER = (
    1 << bit for bit in range(8)
)
# In the third, whatever else decides. A pictograph has the bit of its selector, a vowel that of the
# separator, and a letter that a joiner may stand between those of both joiners.
_MARK, _PICTOGRAPH, _TONE, _TAG, _VOWEL_APART = 1, _OF_EMOJI, 4, 16, _SEPARATOR
_LETTER = _NON_JOINER | _JOINER
# Whichever bit is set, the character is replaced.
_AS_ONE = b"\0" + b"\1" * 255


class _Table(NamedTuple):
    """`classes` has the class of each code point, `bits` what is true of each class."""

    classes: bytes
    bits: tuple[bytes, ...]


def replaced(text: str, replacement: str) -> str:
    """Return a text with each unsafe character replaced, and the excess marks of each tower.

    Args:
        text: any text.
        replacement: the one character that replaces each.
    """
    table = _table()
    classes = text.translate(table.classes).encode("latin-1")
    suspects, wanted, others = (
        int.from_bytes(classes.translate(bits), "little") for bits in table.bits
    )
    # One bit for each character, the lowest of its byte.
    ones = int.from_bytes(b"\1" * len(classes), "little")

    # Towers first: nothing else may rely on a character that a tower loses.
    marks = others & ones
    rows = marks & marks << 8
    rows &= rows << 16
    rows &= rows << 32
    towers = rows & marks << 8 * MAX_MARKS
    if towers:
        left = (ones ^ towers) * 255
        suspects &= left
        wanted &= left
        others &= left

    # Suspects that the character before them alone decides, and joiners between two letters.
    behind = others >> 8
    kept = suspects & (wanted << 8 | others << 8 & behind & ones * _LETTER)
    if selected := kept & ones * _OF_MONGOLIAN:
        kept |= suspects & (selected << 9 | selected << 11)
    if separators := kept & ones * _SEPARATOR:
        # A separator needs a vowel behind it as well.
        kept ^= separators ^ separators & behind
    # An emoji ends with a pictograph, with the selector of one, or with a skin tone behind these.
    emoji = (kept | others) & ones * _OF_EMOJI
    emoji |= others >> 1 & emoji << 8
    emoji <<= 8
    kept |= suspects & (emoji & behind) << 6
    # A selector of emoji has two bits, and is kept if one of them is.
    of_emoji = kept & ones * (_OF_EMOJI | _OF_KEYCAP)
    kept |= suspects & (of_emoji << 1 | of_emoji >> 1)

    lost = suspects ^ kept | towers
    if tags := others & ones * _TAG:
        lost |= tags ^ _tags_of_flags(text, suspects >> 6 & emoji)
    return _with_replaced(text, lost, replacement) if lost else text


def _tags_of_flags(text: str, joined: int) -> int:
    """Return the tags that are part of a flag.

    Args:
        text: the line.
        joined: the joiners behind an emoji. A flag that is joined to an emoji before it belongs to
            that emoji, without its tags.
    """
    behind_emoji = joined.to_bytes(len(text), "little")
    tags = bytearray(len(text))
    for flag in _FLAG.finditer(text):
        begin, end = flag.span()
        if begin == 0 or not behind_emoji[begin - 1]:
            tags[begin + 1 : end] = bytes([_TAG]) * (end - begin - 1)
    return int.from_bytes(tags, "little")


def _with_replaced(text: str, lost: int, replacement: str) -> str:
    size = len(text)
    # The same in UTF-32, where each character has four bytes.
    wide = lost.to_bytes(size, "little").translate(_AS_ONE).decode("latin-1").encode("utf-32-le")
    places = int.from_bytes(wide, "little")
    points = int.from_bytes(text.encode("utf-32-le", "surrogatepass"), "little")
    points ^= points & places * 0xFFFFFFFF
    points |= places * ord(replacement)
    return points.to_bytes(4 * size, "little").decode("utf-32-le", "surrogatepass")


def _properties() -> list[tuple[int, int, list[tuple[int, int]]]]:
    """Return all properties: the number that tells, its bits, and the ranges of code points."""
    joining, cursive = _letters(CURSIVE + INDIC), _letters(CURSIVE)
    viramas = [point for point in joining if combining(chr(point)) == _VIRAMA]
    # After these a ZWJ stays, whatever follows: for example after the heh that abbreviates the year
    # of the Hijra, which a full stop follows.
    join_alone = {*viramas, *cursive, *points_of(_MONGOLIAN)}
    suspects = (
        (_OF_EMOJI | _OF_KEYCAP, _EMOJI_SELECTOR),
        (_OF_IDEOGRAPH, _IDEOGRAPH_SELECTOR),
        (_OF_MONGOLIAN, _MONGOLIAN_SELECTOR),
        (_SEPARATOR, _MONGOLIAN_SEPARATOR),
        (_NON_JOINER, _ZWNJ),
        (_JOINER, _ZWJ),
    )
    return [
        (0, _UNSAFE, ranges_of(UNSAFE_BELOW + UNSAFE_BEYOND)),
        *((0, bits, ranges_of(inside)) for bits, inside in suspects),
        (1, _OF_EMOJI, ranges_of(PICTOGRAPHIC)),
        (1, _OF_KEYCAP, ranges_of(_KEYCAP)),
        (1, _OF_IDEOGRAPH, ranges_of(IDEOGRAPHIC)),
        (1, _OF_MONGOLIAN | _SEPARATOR, ranges_of(_MONGOLIAN)),
        (1, _NON_JOINER, as_ranges(viramas)),
        (1, _JOINER, as_ranges(join_alone)),
        (2, _LETTER, as_ranges(joining)),
        (2, _MARK, ranges_of(MARKS + _ZWNJ + _ZWJ)),
        (2, _PICTOGRAPH, ranges_of(PICTOGRAPHIC)),
        (2, _TONE, ranges_of(_SKIN_TONE)),
        (2, _TAG, ranges_of(_TAG_LETTER + _TAG_DIGIT + _TAG_END)),
        (2, _VOWEL_APART, ranges_of(_MONGOLIAN_VOWEL_APART)),
    ]


@cache
def _table() -> _Table:
    # Where in Unicode something begins to be true (1) or ceases to be (-1).
    edges = sorted(
        (point, change, number, bits)
        for number, bits, ranges in _properties()
        for first, last in ranges
        for point, change in ((first, 1), (last + 1, -1))
    )
    true: Counter[tuple[int, int]] = Counter()
    classes = bytearray()
    # The class of characters of which the same is true: what the three numbers tell of them.
    class_of: dict[tuple[int, ...], int] = {}
    for point, change, number, bits in edges:
        if point > len(classes):
            told = [0] * 3
            for (its_number, its_bits), is_true in true.items():
                told[its_number] |= its_bits * is_true
            if told[0] & _UNSAFE:
                # It will be replaced, so it is nobody's neighbour: two ideographs of the future are
                # noncharacters.
                told = [_UNSAFE, 0, 0]
            its_class = class_of.setdefault(tuple(told), len(class_of))
            classes.extend(bytes([its_class]) * (point - len(classes)))
        true[number, bits] += change
    # The last character of Unicode is unsafe, so the table is complete.
    unused = bytes(256 - len(class_of))
    return _Table(bytes(classes), tuple(bytes(one) + unused for one in zip(*class_of, strict=True)))


def _letters(blocks: str) -> list[int]:
    """Return the code points of the visible letters of these blocks, and of the marks on them."""
    ignorable = set(points_of(IGNORABLE))
    return [
        point
        for point in points_of(blocks)
        if category(chr(point))[0] in "LM" and point not in ignorable
    ]
