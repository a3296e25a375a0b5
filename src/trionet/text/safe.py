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

from trionet.text.characters import MARKS_BELOW, SEQUENCED_BELOW
from trionet.text.sequences import MAX_MARKS, UNSAFE_BELOW, replaced
from trionet.type_checks import shown

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"

# Always the same: after `Ann: ` nobody knows where the tab stops are.
_TAB = "    "

# Unicode's White_Space property. `str.strip()` also takes the information separators U+001C to
# U+001F, which are control characters like any other.
WHITE_SPACE = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008"
    "\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
)

_ASCII_CONTROLS = dict.fromkeys([*range(0x20), 0x7F], REPLACEMENT)

# Whatever is unsafe, and the characters that are safe as part of a sequence. One class for this and
# the towers would take longer than both.
_UNSAFE_SOMEWHERE = re.compile(
    f"[{UNSAFE_BELOW}{SEQUENCED_BELOW}\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U0001fffe\U0001ffff\U0002fffe\U0002ffff\U0003fffe-\U0010ffff]"
)
# A quick look for a tower of marks, with one range for everything beyond U+10000 that is not an
# emoji; and rows that are likely one, with three ranges, so that mathematical letters do not need
# the slow look.
_TOWER_SOMEWHERE = re.compile(
    f"[{MARKS_BELOW}\u200c\u200d\U00010000-\U0001efff]{{{MAX_MARKS + 1}}}"
)
_LIKELY_MARKS = (
    f"{MARKS_BELOW}\u200c\u200d\U00010000-\U0001bc9e\U0001cf00-\U0001d244\U0001da00-\U0001e94a"
)
_ROWS = re.compile(f"([{_LIKELY_MARKS}]{{{MAX_MARKS + 1},}})")
# After this many rows, the rest of the line is taken apart as a whole: each row alone takes 0.3 µs.
_MANY_ROWS = 64
_UP_TO_A_ROW = re.compile(f".*[^{_LIKELY_MARKS}]", re.DOTALL)
# At most this many characters before a suspect decide what becomes of it.
_BEFORE = 2


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
        raise TypeError(f"text must be a text: write safe_text(str(value)), not {shown(text)}")
    # Nearly all lines are ASCII, and one pass in C is all they cost.
    if text.isascii():
        return text if text.isprintable() else text.translate(_ASCII_CONTROLS)
    suspect = _UNSAFE_SOMEWHERE.search(text)
    begin = len(text)
    if suspect is not None:
        # Begin where it first matters to the first suspect, which includes a row of marks before
        # it.
        begin = max(suspect.start() - _BEFORE, 0)
        before = _UP_TO_A_ROW.match(text, 0, begin)
        begin = 0 if before is None else before.end()
    if _TOWER_SOMEWHERE.search(text, 0, begin) is not None:
        # Text, a row of marks, text, and so on. Only the rows are taken apart, so that text between
        # them costs next to nothing.
        pieces = _ROWS.split(text[:begin], _MANY_ROWS)
        rest = text[begin:]
        if len(pieces) > 2 * _MANY_ROWS:
            rest = pieces.pop() + rest
            pieces.append("")
        pieces.append(rest)
        rows = replaced(" ".join(pieces[1::2]), REPLACEMENT)
        pieces[1::2] = rows.split(" ", len(pieces) // 2 - 1)
        return "".join(pieces)
    if suspect is None:
        return text
    return text[:begin] + replaced(text[begin:], REPLACEMENT)


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
