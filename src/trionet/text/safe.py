r"""Make a peer's text safe to display: nothing in it moves the cursor, begins a line, or hides.

Each unsafe character is replaced by one ``�``, so that everyone sees that something was there:

- control characters including ESC and TAB, the line and paragraph separators, and halves of
  surrogate pairs;
- characters that reorder the text around them: bidi overrides, embeddings and isolates, and also
  the marks U+200E, U+200F and U+061C. A chat line does without them, and they would shift the
  ``: `` and ``(3 here)`` that programs put around a text;
- invisible characters: zero width spaces, word joiners, invisible operators, soft hyphens, Hangul
  fillers, tags, annotations, and whatever else Unicode calls default-ignorable. Text hidden in them
  reaches machines but not people, and two different texts would look the same;
- characters that mean nothing between strangers: private use, which a font may draw as anything,
  and noncharacters;
- combining marks after the eighth on one base, because a tower of them covers other lines.

Some sequences stay whole although they contain such characters, because there they are visible:

- an emoji: ZWJ between pictographs, variation selectors 15 and 16 after a pictograph or after a
  keycap's character, and the tags of a subdivision's flag (Scotland's);
- letters of scripts that join: ZWNJ and ZWJ between two (Persian, Indic), either one after a
  virama, ZWJ after a cursive letter, and Mongolian's own selectors;
- an ideograph with one variation selector (Japanese names have them).

Characters that this version of Python does not know stay: nearly all of them are new letters and
emoji. White space of every width stays too, and so does the order that right-to-left letters have
by themselves.
"""

from __future__ import annotations

import re
from functools import cache

from trionet.kinds import shown
from trionet.text.characters import (
    IGNORABLE_BELOW,
    IGNORABLE_BEYOND,
    MARKS,
    MARKS_BELOW,
    SEQUENCED_BELOW,
    characters_of,
)
from trionet.text.sequences import replace_beyond, replace_joiners, replace_selectors

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"

# Always the same: after `Ann: ` nobody knows where the tab stops are.
_TAB = "    "

# Unicode's White_Space property. `str.strip()` also takes the information separators U+001C to
# U+001F, which are control characters like any other.
WHITE_SPACE = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008"
    "\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
)

# The highest stack in real use has this many, a Tibetan one: ཧྐྵྨླྺྼྻྂ. Vietnamese needs 2, Hebrew 5.
MAX_MARKS = 8

_ASCII_CONTROLS = dict.fromkeys([*range(0x20), 0x7F], REPLACEMENT)
_CONTROLS_AS_NUL = bytes.maketrans(bytes(_ASCII_CONTROLS), bytes(len(_ASCII_CONTROLS)))

# Characters that are unsafe everywhere, below U+10000 and beyond it. One class for both would take
# three times as long on Cyrillic, Arabic or ideographs: `re` would compare each character with all
# ranges beyond.
_UNSAFE_BELOW = re.compile(
    "[\x00-\x1f\x7f-\x9f\u2028\u2029"
    + IGNORABLE_BELOW
    # Annotations, surrogates and private use, noncharacters.
    + "\ufff9-\ufffb\ud800-\uf8ff\ufdd0-\ufdef\ufffe\uffff]"
)
# Noncharacters, and the planes that hold nothing visible but parts of sequences. Two quick looks
# come before the exact one: for a line without emoji, and for a line with emoji alone.
_BEYOND_SOMEWHERE = (
    re.compile("[\U0001bca0-\U0010ffff]"),
    re.compile(
        "[\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U0001fffe\U0001ffff\U0002fffe\U0002ffff"
        "\U0003fffe-\U0010ffff]"
    ),
)
_UNSAFE_BEYOND = re.compile(
    f"[\U0001bca0-\U0010ffff](?<=[{IGNORABLE_BEYOND}\U0001fffe\U0001ffff\U0002fffe\U0002ffff"
    "\U0003fffe-\U000dffff\U000e1000-\U0010ffff])"
)
# The unsafe characters of two bytes, of which a line has the most. `str.replace` takes 1 µs for
# each of these 35, however often it comes; `re` takes 0.1 µs each time.
_SHORT_UNSAFE = [*map(chr, range(0x80, 0xA0)), "\u00ad", "\u034f", "\u061c"]
_SHORT_SOMEWHERE = re.compile(f"[{''.join(_SHORT_UNSAFE)}]")
# All these, and the characters that are safe as part of a sequence.
_UNSAFE_SOMEWHERE = re.compile(
    f"[{_UNSAFE_BELOW.pattern[1:-1]}{SEQUENCED_BELOW}\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U0001fffe\U0001ffff\U0002fffe\U0002ffff\U0003fffe-\U0010ffff]"
)

# Joiners are counted too, because marks go on stacking after them.
_JOINERS = "\u200c\u200d"
# Quick looks for a tower of marks: first with one range for everything beyond U+10000 that is not
# an emoji, and then with three, so that mathematical letters do not need the slow look.
_TOWER_PERHAPS = f"[{MARKS_BELOW}{_JOINERS}\U00010000-\U0001efff]{{{MAX_MARKS + 1}}}"
_TOWER_LIKELY_MARK = (
    f"[{MARKS_BELOW}{_JOINERS}\U00010000-\U0001bc9e\U0001cf00-\U0001d244\U0001da00-\U0001e94a]"
)
_TOWER_LIKELY = f"{_TOWER_LIKELY_MARK}{{{MAX_MARKS + 1}}}"
_TOWERS_SOMEWHERE = (re.compile(_TOWER_PERHAPS), re.compile(_TOWER_LIKELY))

_ROWS = re.compile(f"({_TOWER_LIKELY_MARK}{{{MAX_MARKS + 1},}})")
_BEYOND_PERHAPS_MARKS = re.compile("[\U00010000-\U0001e94a]")
# Eight marks that no mark stands before, so that `re` tries each row once, and the excess marks.
_STACKED = f"[{MARKS_BELOW}{_JOINERS}]"
_TOWER = re.compile(
    f"({_STACKED}(?<!{_STACKED}.){_STACKED}{{{MAX_MARKS - 1}}})({_STACKED}+)", re.DOTALL
)
# How many different characters `str.replace` replaces one by one, and by what.
_FEW = 6
_SOME_MARK = "\u0301"
_TOWER_IN_SHADOW = re.compile(f"\0(?<!\0.)\0{{{MAX_MARKS - 1}}}(\0+)", re.DOTALL)


@cache
def _as_one_mark() -> dict[int, int]:
    """Return a table that makes each mark and joiner a NUL. It is rarely needed."""
    return dict.fromkeys(map(ord, characters_of(MARKS + _JOINERS)), 0)


def _cut_towers(text: str) -> str:
    """Replace the excess marks of each tower."""
    # Only what may be a tower, so that letters between towers cost next to nothing.
    pieces = _ROWS.split(text)
    pieces[1::2] = _cut_rows("\n".join(pieces[1::2])).split("\n")
    return "".join(pieces)


def _cut_rows(text: str) -> str:
    if _BEYOND_PERHAPS_MARKS.search(text) is None:
        # Text, eight marks, excess marks, text, and so on.
        pieces = _TOWER.split(text)
        pieces[2::3] = [REPLACEMENT * len(excess) for excess in pieces[2::3]]
        return "".join(pieces)
    # Look for towers in a copy without characters beyond U+10000. A class with 130 ranges there
    # takes 0.15 µs for each character, and more than once for most. Most lines have few different
    # ones, and `str.replace` takes 1 to 4 µs for each. Otherwise all marks become one in the copy,
    # which takes 0.04 µs for each character.
    shadow, pattern = text, _TOWER
    marks = _as_one_mark()
    for _ in range(_FEW):
        beyond = _BEYOND_PERHAPS_MARKS.search(shadow)
        if beyond is None:
            break
        mark = beyond[0]
        shadow = shadow.replace(mark, _SOME_MARK if ord(mark) in marks else "\1")
    else:
        shadow, pattern = text.translate(marks), _TOWER_IN_SHADOW
    pieces = []
    end = 0
    for tower in pattern.finditer(shadow):
        excess, excess_end = tower.span(pattern.groups)
        pieces += text[end:excess], REPLACEMENT * (excess_end - excess)
        end = excess_end
    return "".join((*pieces, text[end:]))


def safe_text(text: str) -> str:
    r"""Return `text` with each unsafe character in it replaced by ``�``.

    Args:
        text: one line from a peer.

    Returns:
        As many characters as `text` has. Making it safe again changes nothing.

    Raises:
        TypeError: `text` is not a string.

    >>> safe_text("\x1b[2Jgone \u202e(3 here)")
    '�[2Jgone �(3 here)'
    """
    if not isinstance(text, str):
        raise TypeError(f"text must be a str: write safe_text(str(value)), not {shown(text)}")
    # Nearly all lines are ASCII, and one pass in C is all they cost.
    if text.isascii():
        return text if text.isprintable() else text.translate(_ASCII_CONTROLS)
    # Towers first: nothing else may rely on a character that a tower loses.
    if all(tower.search(text) is not None for tower in _TOWERS_SOMEWHERE):
        text = _cut_towers(text)
    if _UNSAFE_SOMEWHERE.search(text) is None:
        return text
    if _UNSAFE_BELOW.search(text) is not None:
        # A line can have a control in each byte. Replacing them as bytes takes 6 µs for 3,000 of
        # them; replacing them with `re` takes 156.
        data = text.encode("utf-8", "surrogatepass").translate(_CONTROLS_AS_NUL)
        text = data.decode("utf-8", "surrogatepass").replace("\0", REPLACEMENT)
        if _SHORT_SOMEWHERE.search(text) is not None:
            for character in _SHORT_UNSAFE:
                text = text.replace(character, REPLACEMENT)
        text = _UNSAFE_BELOW.sub(REPLACEMENT, text)
    if has_beyond := all(look.search(text) is not None for look in _BEYOND_SOMEWHERE):
        # Most lines have few different ones: `str.replace` takes 1 µs where `re` takes 31.
        for _ in range(_FEW):
            if (unsafe := _UNSAFE_BEYOND.search(text)) is None:
                break
            text = text.replace(unsafe[0], REPLACEMENT)
        else:
            text = _UNSAFE_BEYOND.sub(REPLACEMENT, text)
    text = replace_selectors(text, REPLACEMENT)
    if has_beyond:
        text = replace_beyond(text, REPLACEMENT)
    return replace_joiners(text, REPLACEMENT)


def safe_message(text: str) -> str:
    r"""Return a message with each TAB as four spaces, and otherwise made safe as by `safe_text`.

    A TAB moves the cursor, so it cannot stay, but people paste code and tables with it.

    Args:
        text: one line from a peer, or one of your own, to see it as others do.

    Returns:
        As many characters as `text` has, and three more for each TAB.

    >>> safe_message("if ready:\tgo\x07")
    'if ready:    go�'
    """
    if text.isascii() and text.isprintable():
        return text
    return safe_text(text.replace("\t", _TAB))
