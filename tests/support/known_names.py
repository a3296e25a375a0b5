"""What the calculator says that it knows, when it meets a name that it does not know."""

from __future__ import annotations

from trionet.calc.grammar import NAMES

# One test, in tests/calc/test_grammar.py, has these words as they are.
KNOWN = f"known are {', '.join(NAMES)}"
