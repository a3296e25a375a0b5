"""A ``match`` over events, requests or operations ends in ``assert_never``.

So mypy names every place that lacks a new one, and no place treats it as something else.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import trionet

SOURCE = Path(trionet.__file__).parent

# Exceptions are an open set: anybody may define another one.
OVER_EXCEPTIONS = {"connection/end_report.py"}


def _matches_over_classes() -> Iterator[tuple[str, ast.Match]]:
    for path in sorted(SOURCE.rglob("*.py")):
        name = path.relative_to(SOURCE).as_posix()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Match) and any(
                isinstance(part, ast.MatchClass) for case in node.cases for part in ast.walk(case)
            ):
                yield name, node


def _ends_in_assert_never(match: ast.Match) -> bool:
    last = match.cases[-1]
    # A bare name, as in ``case _``, takes whatever is left.
    takes_the_rest = isinstance(last.pattern, ast.MatchAs) and last.pattern.pattern is None
    return takes_the_rest and ast.unparse(last.body[-1]).startswith("assert_never(")


def test_a_match_over_classes_ends_in_assert_never() -> None:
    found = list(_matches_over_classes())
    assert len(found) >= 5  # There is something to look at.
    lacking = [
        f"{name}:{match.lineno}" for name, match in found if not _ends_in_assert_never(match)
    ]
    assert {place.partition(":")[0] for place in lacking} == OVER_EXCEPTIONS, lacking
