"""Parses an expression: finds out what it means, or where the mistake is.

    line       = expression [ "=" ]
    expression = term { ( "+" | "-" ) term }
    term       = factor { ( "*" | "/" | "//" | "%" ) factor }
    factor     = ( "+" | "-" ) factor | power
    power      = operand [ ( "^" | "**" ) factor ]
    operand    = number | "ans" | constant | "(" expression ")"
               | function "(" expression { "," expression } ")"
    constant   = a name in trionet.calc.operations.CONSTANTS, such as "pi"
    function   = a name in trionet.calc.operations.FUNCTIONS, such as "sqrt"

So `-1^2` is -1, `2^3^2` is 512, and `2^-1` is 0.5. `trionet.calc.tokens` says what else is read as
`*`, `/`, `-` and `pi`.

The parser goes through the line once, from left to right, with a stack of the operators that wait
for their right operand (Dijkstra's shunting yard). There is no recursion. The result is a
`trionet.calc.expression.Expression`, no longer than the line.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import NamedTuple

from trionet.calc import operations
from trionet.calc.bounds import BOUNDS
from trionet.calc.errors import LimitExceeded, MalformedExpression
from trionet.calc.expression import LAST_RESULT, Ans, Expression, Step
from trionet.calc.hints import (
    comma_hint,
    known_name_hint,
    number_hint,
    operator_hint,
    shown,
    sign_hint,
)
from trionet.calc.number import read_number
from trionet.calc.operations import CONSTANTS, FUNCTIONS, NEGATE, Operation
from trionet.calc.tokens import (
    BLANKS,
    DIVIDED_BY,
    MINUS,
    NUMBER,
    PLAIN,
    TIMES,
    Kind,
    Token,
    tokens,
)
from trionet.calc.work import STRETCH, Work, finish
from trionet.type_checks import check_kinds

ANS = "ans"

# In microseconds, see `trionet.calc.work`.
_TOKEN_COST = 2


class _Operator(NamedTuple):
    """An operator that waits for its right operand.

    Attributes:
        step: what it will do.
        binds: how closely it binds; higher binds more closely.
        is_right: whether it associates to the right, as `^` does.
    """

    step: Step
    binds: int
    is_right: bool = False


class _Open:
    """An open parenthesis.

    Attributes:
        token: where it stands.
        function: the function whose arguments it encloses; ``None`` if there is none.
        count: how many arguments have begun.
    """

    __slots__ = ("count", "function", "token")

    def __init__(self, token: Token, function: Operation | None = None) -> None:
        self.token = token
        self.function = function
        self.count = 1


_BINARY = {
    operation.name: _Operator(Step(operation, 2), binds, is_right)
    for operation, binds, is_right in (
        (operations.ADD, 1, False),
        (operations.SUBTRACT, 1, False),
        (operations.MULTIPLY, 2, False),
        (operations.DIVIDE, 2, False),
        (operations.DIVIDE_WHOLE, 2, False),
        (operations.REMAINDER, 2, False),
        (operations.POWER, 4, True),
    )
}
_NEGATION = _Operator(Step(NEGATE, 1), binds=3, is_right=True)

# Two numbers and an operator, as most lines are: parsed with one match, in 1.6 µs instead of 6.9.
# Servers rarely need it (see `trionet.calc.fast_path`), but clients parse each line before they
# send it: 100,000 operations on a pipe took 0.9 s with it and 1.45 s without. `^` is not included,
# because in `-2^2` the sign is applied last.
_SIGNED = rf"{BLANKS}([+\{MINUS}]?+){BLANKS}({NUMBER}){BLANKS}"
_PAIR_OPERATORS = f"+{MINUS}{TIMES}{DIVIDED_BY}"
_PAIR = re.compile(rf"{_SIGNED}([{re.escape(_PAIR_OPERATORS)}]){_SIGNED}")
_PAIR_STEPS = {sign: _BINARY[PLAIN.get(sign, sign)].step for sign in _PAIR_OPERATORS}


def parse(text: str) -> Expression:
    """Return the expression that a text such as ``(12 + 42) * 3`` stands for.

    Args:
        text: one line.

    Raises:
        TypeError: `text` is not a string.
        MalformedExpression: the line is not an expression; the error has the column.
        LimitExceeded: the expression is too long or too deep, has too many operations, or has an
            exponent that is out of bounds.
    """
    if type(text) is not str:
        check_kinds(text=(text, str))
    return finish(reading(text))


def parsing(text: str) -> Work[Expression]:
    """Return work that parses a text piece by piece; see `parse`."""
    # Not in the generator, where a wrong type would be noticed only when the work begins.
    if type(text) is not str:
        check_kinds(text=(text, str))
    return reading(text)


def reading(text: str) -> Work[Expression]:
    """Do what `parsing` does, for a caller that knows that it has a string."""
    if len(text) > BOUNDS.max_length:
        raise LimitExceeded(f"an expression has at most {BOUNDS.max_length} characters")
    return parse_pair(text) or (yield from _Reader(text).read())


def parse_pair(text: str) -> Expression | None:
    """Parse a line of two numbers and an operator; ``None`` if the line is anything else.

    Raises:
        LimitExceeded: an exponent is out of bounds.
    """
    match = _PAIR.fullmatch(text)
    if match is None:
        return None
    sign, number, operator, other_sign, other_number = match.groups()
    left = read_number(number, match.start(2) + 1)
    right = read_number(other_number, match.start(5) + 1)
    return Expression(
        (
            left if sign in ("", "+") else left.copy_negate(),
            right if other_sign in ("", "+") else right.copy_negate(),
            _PAIR_STEPS[operator],
        )
    )


class _Reader:
    """The parser's state within one line."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._program: list[Decimal | Step | Ans] = []
        self._waiting: list[_Operator | _Open] = []
        self._depth = 0
        self._operations = 0
        self._wants_operand = True
        # The function whose name was just read; its parenthesis must come next.
        self._function: Token | None = None
        self._before: Token | None = None
        self._has_ended = False

    def read(self) -> Work[Expression]:
        spent = 0
        for token in tokens(self._text):
            spent += _TOKEN_COST
            if spent >= STRETCH:
                yield spent
                spent = 0
            self._take(token)
            self._before = token
        yield spent
        return Expression(tuple(self._program))

    def _take(self, token: Token) -> None:
        if self._function is not None:
            self._open_arguments(self._function, token)
        elif self._wants_operand:
            self._take_operand(token)
        else:
            self._take_operator(token)

    def _take_operand(self, token: Token) -> None:
        if token.kind is Kind.NUMBER:
            self._put(read_number(token.text, token.column))
        elif token.kind is Kind.NAME:
            self._take_name(token)
        elif token.text == "-":
            self._count_operation(token)
            self._waiting.append(_NEGATION)
        elif token.text == "+":
            self._count_operation(token)
        elif token.text == "(":
            self._open(_Open(token))
        elif token.kind is Kind.STRAY:
            hint = sign_hint(token.text)
            raise _misread(f"unexpected {shown(token.text)}", token, hint)
        elif self._before is None and token.kind is Kind.END:
            raise MalformedExpression("expected an expression, such as 12 + 42")
        else:
            raise _misread("expected a number", token)

    def _take_name(self, token: Token) -> None:
        name = token.text
        if name == ANS:
            self._put(LAST_RESULT)
        elif name in CONSTANTS:
            self._put(Step(CONSTANTS[name], 0))
        elif name in FUNCTIONS:
            self._function = token
        else:
            raise _misread(f"unknown name {shown(name)}", token, known_name_hint(name, NAMES))

    def _open_arguments(self, name: Token, token: Token) -> None:
        if token.text != "(":
            raise _misread("expected (", token, f"write {name.text}(…)")
        self._function = None
        self._count_operation(name)
        self._open(_Open(token, FUNCTIONS[name.text]))

    def _take_operator(self, token: Token) -> None:
        if self._has_ended and token.kind is not Kind.END:
            raise _misread("expected the end of the line", token, "nothing may follow =")
        operator = _BINARY.get(token.text)
        if operator is not None:
            self._count_operation(token)
            self._settle(operator.binds + operator.is_right)
            self._waiting.append(operator)
            self._wants_operand = True
        elif token.text == ")":
            self._close(token)
        elif token.text == ",":
            self._separate(token)
        elif token.text == "=":
            self._has_ended = True
        elif token.kind is Kind.END:
            self._settle(0)
            if self._waiting:
                opened = self._waiting[-1]
                assert isinstance(opened, _Open)
                raise _misread("unclosed (", opened.token)
        else:
            assert self._before is not None
            raise self._no_operator(self._before, token)

    def _no_operator(self, before: Token, token: Token) -> MalformedExpression:
        opened = next((item for item in reversed(self._waiting) if isinstance(item, _Open)), None)
        # Between arguments a comma is not part of a number.
        is_argument = opened is not None and opened.function is not None
        meant = number_hint(self._text, token.start, has_comma=not is_argument)
        if token.text.startswith(".") and "." in before.text and before.end == token.start:
            return _misread("unexpected .", token, meant or "a number has one point")
        hint = meant or operator_hint(self._text, before, token, NAMES, _is_expression)
        return _misread("expected an operator", token, hint)

    def _put(self, item: Decimal | Step | Ans) -> None:
        self._program.append(item)
        self._wants_operand = False

    def _open(self, opened: _Open) -> None:
        self._depth += 1
        if self._depth > BOUNDS.max_depth:
            raise LimitExceeded(
                f"parentheses are nested deeper than {BOUNDS.max_depth}", opened.token.column
            )
        self._waiting.append(opened)

    def _settle(self, binds: int) -> None:
        """Do the waiting operators that bind at least this closely, back to the last open `(`."""
        while self._waiting:
            last = self._waiting[-1]
            if isinstance(last, _Open) or last.binds < binds:
                return
            self._program.append(last.step)
            self._waiting.pop()

    def _close(self, token: Token) -> None:
        self._settle(0)
        if not self._waiting:
            raise _misread("unexpected )", token, "no ( is open here")
        opened = self._waiting.pop()
        assert isinstance(opened, _Open)
        self._depth -= 1
        function = opened.function
        if function is not None:
            if opened.count < function.least:
                hint = f"{function.name} takes at least {function.least} numbers"
                raise _misread("expected ,", token, hint)
            self._program.append(Step(function, opened.count))

    def _separate(self, token: Token) -> None:
        self._settle(0)
        opened = self._waiting[-1] if self._waiting else None
        if not isinstance(opened, _Open) or opened.function is None:
            raise _misread("unexpected ,", token, comma_hint(self._text, token.start))
        if opened.count == opened.function.most:
            most = "one number" if opened.count == 1 else f"at most {opened.count} numbers"
            raise _misread("unexpected ,", token, f"{opened.function.name} takes {most}")
        self._count_operation(token)
        opened.count += 1
        self._wants_operand = True

    def _count_operation(self, token: Token) -> None:
        self._operations += 1
        if self._operations > BOUNDS.max_operations:
            raise LimitExceeded(
                f"an expression has at most {BOUNDS.max_operations} operations", token.column
            )


NAMES = (ANS, *CONSTANTS, *FUNCTIONS)


def _is_expression(text: str) -> bool:
    try:
        parse(text)
    except MalformedExpression:
        return False
    return True


def _misread(what: str, token: Token, hint: str = "") -> MalformedExpression:
    reason = f"{what} at column {token.column}"
    return MalformedExpression(f"{reason} ({hint})" if hint else reason, token.column)
