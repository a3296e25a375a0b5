"""What people type when they want to leave, because other programs end that way."""

from __future__ import annotations

# In small letters.
_FAREWELLS = frozenset(
    ("quit", "quit()", "exit", "exit()", "logout", ":q", ":q!", ":wq", ":x", "\\q", "q")
)

# What they are asked then. Their answer is a line like any other.
LEAVE = "leave? (q)"


def may_mean_to_leave(line: str) -> bool:
    """Tell whether a line looks as if its writer wanted to leave, although it is not `q`."""
    word = line.strip()
    return word != "q" and word.lower() in _FAREWELLS
