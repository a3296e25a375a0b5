"""Peers' text made safe to show: no character in it moves a cursor or begins a line."""

from __future__ import annotations

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"

# Unicode's control characters (category Cc: C0, DEL, C1) and its line and paragraph separators.
_UNSAFE = dict.fromkeys([*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029], REPLACEMENT)


def safe_text(text: str) -> str:
    """Return `text` with each control character and line separator replaced by ``�``.

    Args:
        text: one line from a peer.
    """
    # isprintable() is one pass in C and true of nearly all lines; a false "no" costs a translate.
    return text if text.isprintable() else text.translate(_UNSAFE)
