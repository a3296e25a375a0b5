"""One calculator session, as a pure object: a line in, a reply out.

All rules of the conversation are here: the name first, then expressions, and `q` to end.
`trionet.calc.grammar` knows what an expression means, and `trionet.calc.evaluation` its result.

In this package, a function with a name in -ing (`receiving`, `reading`, `evaluating`) is a
generator that does its work piece by piece; see `trionet.calc.work`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from trionet.calc.errors import CalculationError
from trionet.calc.evaluation import Arithmetic
from trionet.calc.grammar import reading
from trionet.calc.number import format_number
from trionet.calc.tokens import BLANK
from trionet.calc.work import Work, finish
from trionet.errors import BadLine, TrionetError
from trionet.lines import Line
from trionet.text.safe import safe_text
from trionet.type_checks import check_kind, check_kinds

MAX_NAME = 64

QUIT = "q"

SESSION_ENDED = "Session ended"

# What any line costs, in microseconds; see `trionet.calc.work`.
_LINE_COST = 6
# This many characters cost one microsecond more. A line is made safe for the console, which takes
# longer unless all of it is printable ASCII. The slowest characters (those of old scripts) take
# 0.15 µs each, with all that is done to them.
_CHARACTERS_PLAIN, _CHARACTERS = 64, 2


class UnfitName(TrionetError):
    """A calculator session cannot have this name; the message says why."""


def check_name(text: str) -> str:
    """Return the name in a line, without the spaces and tabs around it.

    Raises:
        TypeError: `text` is not a string.
        UnfitName: the name is empty, too long, not printable (``str.isprintable``), not safe to
            show (`trionet.safe_text`), or would end the session.
    """
    check_kinds(text=(text, str))
    name = text.strip(" \t")
    if not name:
        raise UnfitName("the name is empty")
    if name == QUIT:
        raise UnfitName(f"nobody can be called {QUIT}: it ends a session")
    if len(name) > MAX_NAME:
        raise UnfitName(f"the name is longer than {MAX_NAME} characters")
    # Printable does not mean visible: Hangul fillers and towers of marks are printable.
    if not name.isprintable() or safe_text(name) != name:
        raise UnfitName("the name has a character that cannot be printed")
    return name


def is_quit(text: str) -> bool:
    """Return whether a text ends the session: ``q`` alone, with or without spaces and tabs."""
    if type(text) is not str:
        check_kinds(text=(text, str))
    return text.strip(" \t") == QUIT


@dataclass(frozen=True, slots=True)
class Reply:
    """The outcome of one line.

    Attributes:
        answer: the line for the client; ``None`` if there is none.
        printed: the line for the server's console; ``None`` if there is none.
    """

    answer: str | None = None
    printed: str | None = None


class Session:
    """The server's side of one conversation.

    Args:
        arithmetic: how to calculate; default: with 28 significant digits.

    Attributes:
        name: the client's name; ``None`` until it has given one.
        ended: whether the conversation is over. Then hand in no more lines.

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
        if arithmetic is None:
            arithmetic = Arithmetic()
        elif type(arithmetic) is not Arithmetic:
            check_kind("arithmetic", arithmetic, Arithmetic, hint="Arithmetic(precision=28)")
        self._arithmetic = arithmetic
        # The last result. A line that fails does not change it.
        self._ans: Decimal | None = None
        self.name: str | None = None
        self.ended = False

    def __repr__(self) -> str:
        state = "ended" if self.ended else "open"
        return f"<trionet.calc.Session of {self.name or 'nobody yet'}: {state}>"

    def receive(self, line: Line) -> Reply:
        """Take one line, good or bad, and return its outcome."""
        return finish(self.receiving(line))

    def receiving(self, line: Line) -> Work[Reply]:
        """Return work that takes one line; see `receive`. Finish it before the next line."""
        if isinstance(line, str):
            is_plain = line.isascii() and line.isprintable()
            yield _LINE_COST + len(line) // (_CHARACTERS_PLAIN if is_plain else _CHARACTERS)
            if is_quit(line):
                self.ended = True
                return Reply()
        else:
            check_kinds(line=(line, BadLine))
            yield _LINE_COST
        if self.name is None:
            return self._log_in(line)
        if isinstance(line, BadLine):
            return Reply(answer=f"error: {line}", printed=f"{self.name}: error: {line}")
        return (yield from self._calculating(self.name, line))

    def answer_pairs(self, lines: Sequence[Line]) -> list[str]:
        """Answer the first lines, as long as each is two plain numbers and an operator.

        Args:
            lines: the next lines. Those that are answered must not be handed in again: their
                results are in `ans` already.

        Returns:
            The answers that `receive` would give. The first line without an answer needs `receive`.
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
        # A tab means a space here, but would move the console's cursor.
        shown = safe_text(line.replace("\t", " ").strip(BLANK))
        try:
            expression = yield from reading(line)
            self._ans = yield from self._arithmetic.evaluating(expression, self._ans)
        except CalculationError as error:
            shown = f"{shown}: " if shown else ""
            return Reply(answer=f"error: {error}", printed=f"{name}: {shown}error: {error}")
        result = format_number(self._ans)
        # The console line has an `=` of its own.
        shown = shown.removesuffix("=").rstrip(BLANK)
        return Reply(answer=result, printed=f"{name}: {shown} = {result}")
