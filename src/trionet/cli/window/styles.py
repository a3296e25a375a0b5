"""What the window's styles look like on a terminal."""

from __future__ import annotations

from collections.abc import Mapping

from trionet.chat.window.styled import NAME_STYLES

# Terminals that have no colours, or of which that is unknown.
_PLAIN_TERMINALS = frozenset(("", "dumb", "unknown", "vt100", "vt102", "vt220"))

# Those of the 16 colours that are readable on light and on dark in usual colour schemes.
_NAMES_16 = ("31", "32", "35", "94", "34", "91", "95", "33")
# The person's own name has a colour of its own.
_OWN_16, _OWN_256 = "36", "30"

# Some of the 256 colours with a contrast of at least 3 to 1 on black and on white.
_NAMES_256 = ("32", "70", "133", "136", "161", "166", "37", "98")

_WITHOUT_COLOURS = {
    "text": "",
    "time": "2",
    "notice": "2",
    "action": "3",
    "gap": "1",
    "error": "1",
    "mention": "1",
    "own": "1",
    "mark": "1",
    "day": "2",
    "found": "7",
    "topic": "7",
    "status": "7",
    "alert": "1;7",
    "question": "1;7",
    "shown": "1",
    "prompt": "1",
}
_WITH_COLOURS = {"error": "31", "mention": "1;33", "mark": "31", "gap": "31"}


def styles_for(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the escape sequence of each style for the terminal that an environment describes."""
    term = environment.get("TERM", "")
    plain = bool(environment.get("NO_COLOR")) or term in _PLAIN_TERMINALS or term.endswith("-m")
    has_256 = "256" in term or bool(environment.get("COLORTERM"))
    looks = dict(_WITHOUT_COLOURS)
    for at in range(NAME_STYLES):
        if plain:
            look = "1"
        elif has_256:
            look = f"1;38;5;{_NAMES_256[at]}"
        else:
            look = f"1;{_NAMES_16[at]}"
        looks[f"name{at}"] = look
    if not plain:
        looks |= _WITH_COLOURS
        looks["own"] = f"1;38;5;{_OWN_256}" if has_256 else f"1;{_OWN_16}"
    return {style: f"\x1b[0;{look}m" if look else "\x1b[0m" for style, look in looks.items()}
