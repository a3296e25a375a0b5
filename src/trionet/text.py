"""Peers' text made safe to show: no character in it moves a cursor or begins a line."""

from __future__ import annotations

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"

# Unicode's control characters (category Cc: C0, DEL, C1) and its line and paragraph separators.
_UNSAFE = dict.fromkeys([*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029], REPLACEMENT)

# Unicode's White_Space property. `str.strip()` also takes the information separators U+001C to
# U+001F, which are control characters like any other.
WHITE_SPACE = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008"
    "\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
)


def safe_text(text: str) -> str:
    """Return `text` with each control character and line separator replaced by ``�``.

    Args:
        text: one line from a peer.
    """
    # isprintable() is one pass in C and true of nearly all lines; a false "no" costs a translate.
    return text if text.isprintable() else text.translate(_UNSAFE)
