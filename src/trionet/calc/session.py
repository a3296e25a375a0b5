"""One calculator session, as a pure object: a line in, a reply out.

All rules of the conversation stand here: the name first, then expressions, `q` to end. What a line
means as arithmetic is `trionet.calc.grammar`'s, and what comes of it `trionet.calc.evaluation`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from trionet.calc.errors import CalculationError
from trionet.calc.evaluation import Arithmetic
from trionet.calc.grammar import parsing
from trionet.calc.number import format_number
from trionet.calc.tokens import BLANK
from trionet.calc.work import Work, finish
from trionet.errors import BadLine, TrionetError
from trionet.lines import Line
from trionet.text.safe import safe_text

MAX_NAME = 64

QUIT = "q"

SESSION_ENDED = "Session ended"

# What any line costs, in microseconds; see `trionet.calc.work`.
_LINE_COST = 6
# For how many of its characters it costs one more: what is shown on the console is looked through
# for what is not safe there, and that is seen in C where all of it is plain. The dearest characters
# (joiners with no meaning among letters of old scripts) take 0.4 µs each.
_CHARACTERS_PLAIN, _CHARACTERS = 64, 2


class UnfitName(TrionetError):
    """A name that a calculator session cannot have; the message says why."""


def check_name(text: str) -> str:
    """Return the name that a line gives, without the spaces and tabs around it.

    Raises:
        UnfitName: it is empty, too long, not printable (``str.isprintable``), not safe to show
            (`trionet.safe_text`), or means to end the session.
    """
    name = text.strip(" \t")
    if not name:
        raise UnfitName("the name is empty")
    if name == QUIT:
        raise UnfitName(f"nobody can be called {QUIT}: it ends a session")
    if len(name) > MAX_NAME:
        raise UnfitName(f"the name is longer than {MAX_NAME} characters")
    # Printable does not mean seen: Hangul fillers and towers of marks are.
    if not name.isprintable() or safe_text(name) != name:
        raise UnfitName("the name has a character that cannot be printed")
    return name


def is_quit(text: str) -> bool:
    """Tell whether a line ends the session: ``q`` alone, spaces and tabs around it aside."""
    return text.strip(" \t") == QUIT


@dataclass(frozen=True, slots=True)
class Reply:
    """What comes of one line.

    Attributes:
        answer: the line for the client; ``None``: there is none.
        printed: the line for the server's console; ``None``: there is none.
    """

    answer: str | None = None
    printed: str | None = None


class Session:
    """The server's side of one conversation.

    Args:
        arithmetic: how to calculate; default 28 digits.

    Attributes:
        name: the client's name; ``None``: it has not told it yet.
        ended: whether the conversation is over; no line is to be handed in after that.

    >>> session = Session()
    >>> session.receive("ann")
    Reply(answer=None, printed='ann connected')
    >>> session.receive("12 + 42")
    Reply(answer='54', printed='ann: 12 + 42 = 54')
    >>> session.receive("(ans - 4) / 2")
    Reply(answer='25', printed='ann: (ans - 4) / 2 = 25')
    """

    __slots__ = ("_ans", "_arithmetic", "ended", "name")

    def __init__(self, arithmetic: Arithmetic | None = None) -> None:
        self._arithmetic = arithmetic or Arithmetic()
        # What a line that failed leaves as it was.
        self._ans: Decimal | None = None
        self.name: str | None = None
        self.ended = False

    def receive(self, line: Line) -> Reply:
        """Take one line, good or bad, and return what comes of it."""
        return finish(self.receiving(line))

    def receiving(self, line: Line) -> Work[Reply]:
        """Take one line in turns; see `receive`. The next line comes when this is finished."""
        if isinstance(line, str):
            is_plain = line.isascii() and line.isprintable()
            yield _LINE_COST + len(line) // (_CHARACTERS_PLAIN if is_plain else _CHARACTERS)
            if is_quit(line):
                self.ended = True
                return Reply()
        else:
            yield _LINE_COST
        if self.name is None:
            return self._log_in(line)
        if isinstance(line, BadLine):
            return Reply(answer=f"error: {line}", printed=f"{self.name}: error: {line}")
        return (yield from self._calculating(self.name, line))

    def answer_pairs(self, lines: Sequence[Line]) -> list[str]:
        """Answer the first lines, as long as they are two plain numbers and an operator.

        Args:
            lines: what comes next. Those that are answered are done with.

        Returns:
            The answers, as `receive` would give them, perhaps none: the next line needs it.
        """
        if self.name is None:
            return []
        answers, result = self._arithmetic.pairs.answer(lines)
        if answers:
            self._ans = result
        return answers

    def _log_in(self, line: Line) -> Reply:
        if isinstance(line, BadLine):
            self.ended = True
            return Reply(answer=f"error: {line}")
        try:
            self.name = check_name(line)
        except UnfitName as error:
            self.ended = True
            return Reply(answer=f"error: {error}")
        return Reply(printed=f"{self.name} connected")

    def _calculating(self, name: str, line: str) -> Work[Reply]:
        # A tab means a space here, and on a console it moves the cursor.
        shown = safe_text(line.replace("\t", " ").strip(BLANK))
        try:
            expression = yield from parsing(line)
            self._ans = yield from self._arithmetic.evaluating(expression, self._ans)
        except CalculationError as error:
            shown = f"{shown}: " if shown else ""
            return Reply(answer=f"error: {error}", printed=f"{name}: {shown}error: {error}")
        result = format_number(self._ans)
        # What is shown has its `=` anyway.
        shown = shown.removesuffix("=").rstrip(BLANK)
        return Reply(answer=result, printed=f"{name}: {shown} = {result}")
