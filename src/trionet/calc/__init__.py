"""The calculator: exact decimal arithmetic over a line-based protocol.

What needs Trio is loaded when it is first used: `trionet calc eval` needs none, and starts in two
thirds of the time.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from trionet.calc.bounds import BOUNDS, DEFAULT_PRECISION, MAX_PRECISION, Bounds
from trionet.calc.errors import CalculationError, LimitExceeded, MalformedExpression
from trionet.calc.evaluation import Arithmetic
from trionet.calc.grammar import Expression, parse, parsing
from trionet.calc.number import format_number
from trionet.calc.session import SESSION_ENDED, Reply, Session, UnfitName, check_name, is_quit
from trionet.calc.work import Work, finish

if TYPE_CHECKING:
    from trionet.calc.client import Client
    from trionet.calc.conversation import converse
    from trionet.calc.pipeline import Refused
    from trionet.calc.server import ONE_AT_A_TIME, serve

_HOMES = {
    "ONE_AT_A_TIME": "trionet.calc.server",
    "Client": "trionet.calc.client",
    "Refused": "trionet.calc.pipeline",
    "converse": "trionet.calc.conversation",
    "serve": "trionet.calc.server",
}

__all__ = [
    "BOUNDS",
    "DEFAULT_PRECISION",
    "MAX_PRECISION",
    "ONE_AT_A_TIME",
    "SESSION_ENDED",
    "Arithmetic",
    "Bounds",
    "CalculationError",
    "Client",
    "Expression",
    "LimitExceeded",
    "MalformedExpression",
    "Refused",
    "Reply",
    "Session",
    "UnfitName",
    "Work",
    "check_name",
    "converse",
    "finish",
    "format_number",
    "is_quit",
    "parse",
    "parsing",
    "serve",
]


if not TYPE_CHECKING:  # To a type checker it would make every name a good one.

    def __getattr__(name: str) -> object:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(_HOMES[name]), name)
        globals()[name] = value
        return value
