"""Longer lines for the peers whose first line shows that they need them.

A service with two wire formats tells them apart by a peer's first line, and the lines of one may
have to be longer than those of the other. Whatever else a peer sends keeps the ordinary limit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from trionet.function_checks import check_callback
from trionet.kinds import check_kinds
from trionet.lines import Line


@dataclass(frozen=True, kw_only=True, slots=True)
class Opening:
    """A first line that makes a peer's lines longer.

    Attributes:
        begins: the byte that such a first line begins with, such as ``b"{"``. A first line that
            begins with it may have `max_line` bytes; what is behind it decides nothing.
        max_line: content bytes that the first line and all others may have.
        is_met: called with the whole first line, good or bad; whether the lines behind it may be
            as long. If it raises, that is logged, and its connection alone is closed.
    """

    begins: bytes
    max_line: int
    is_met: Callable[[Line], bool]

    def __post_init__(self) -> None:
        check_kinds(begins=(self.begins, bytes), max_line=(self.max_line, int))
        check_callback("is_met", self.is_met, optional=False)
