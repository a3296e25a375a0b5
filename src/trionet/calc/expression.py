"""A well-formed expression, as a program for a stack machine.

`trionet.calc.grammar` writes the program, and `trionet.calc.evaluation` runs it.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple, TypeAlias

from trionet.calc.operations import Operation


class Step(NamedTuple):
    """An operation in a program: it takes its operands off the stack and puts its result on it.

    Attributes:
        operation: what to compute.
        operands: how many operands to take.
    """

    operation: Operation
    operands: int


class Ans:
    """The step that puts the last result on the stack."""


LAST_RESULT = Ans()

Program: TypeAlias = tuple[Decimal | Step | Ans, ...]


@dataclass(frozen=True, slots=True)
class Expression:
    """A well-formed expression.

    Attributes:
        program: its program for a stack machine. A number goes onto the stack; an operation takes
            its operands from there.
    """

    program: Program
