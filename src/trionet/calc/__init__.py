"""The calculator: exact decimal arithmetic over a line-based protocol."""

from trionet.calc.client import Refused, converse
from trionet.calc.expression import (
    DEFAULT_PRECISION,
    MAX_PRECISION,
    Arithmetic,
    CalculationError,
    MalformedOperation,
    Operation,
    format_number,
    parse,
)
from trionet.calc.server import ONE_AT_A_TIME, serve
from trionet.calc.session import SESSION_ENDED, Reply, Session, UnfitName, check_name, is_quit

__all__ = [
    "DEFAULT_PRECISION",
    "MAX_PRECISION",
    "ONE_AT_A_TIME",
    "SESSION_ENDED",
    "Arithmetic",
    "CalculationError",
    "MalformedOperation",
    "Operation",
    "Refused",
    "Reply",
    "Session",
    "UnfitName",
    "check_name",
    "converse",
    "format_number",
    "is_quit",
    "parse",
    "serve",
]
