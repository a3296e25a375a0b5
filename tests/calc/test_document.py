"""What docs/calculator.md says is true."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path

import pytest

from trionet.calc import BOUNDS, Arithmetic, CalculationError, Session, parse

DOCUMENT = (Path(__file__).parents[2] / "docs" / "calculator.md").read_text(encoding="utf-8")


def rows(section: str) -> list[list[str]]:
    """Return the rows of the table in a section, each as a list of cells."""
    text = DOCUMENT.partition(f"## {section}\n")[2].partition("\n## ")[0]
    return [
        [cell.strip() for cell in line.strip("|").split(" | ")]
        for line in text.splitlines()
        if line.startswith("| ") and line.strip("| ")
    ]


def test_the_session_in_the_document_is_real() -> None:
    session = Session()
    lines = re.findall(r"^([→←]) (.*)$", DOCUMENT, re.MULTILINE)
    assert len(lines) > 20
    answer: str | None = None
    for arrow, text in lines:
        if arrow == "→":
            assert answer is None
            answer = session.receive(text).answer
        else:
            assert answer == text
            answer = None


@pytest.mark.parametrize(
    ("line", "answer"), re.findall(r"`([^`|]+)`(?: alone)? is\s+`([-\d.]+)`", DOCUMENT)
)
def test_each_result_in_the_document_is_right(line: str, answer: str) -> None:
    assert Arithmetic().evaluate(parse(line)) == Decimal(answer)


@pytest.mark.parametrize(("lines", "reason"), rows("What has no result"))
def test_each_error_in_the_document_is_the_real_one(lines: str, reason: str) -> None:
    for line in re.findall(r"`([^`]+)`", lines):
        with pytest.raises(CalculationError) as caught:
            Arithmetic().evaluate(parse(line))
        assert str(caught.value) == reason.strip("` ")


def test_the_limits_in_the_document_are_those_of_the_program() -> None:
    told = " ".join(cell for row in rows("Limits") for cell in row)
    for limit in (
        f"| {BOUNDS.max_length:,} bytes",
        f"{BOUNDS.max_operations:,}",
        f"{BOUNDS.max_depth}",
        f"±{BOUNDS.max_exponent:,}",
        f"at most {BOUNDS.max_power_digits} digits",
    ):
        assert limit.strip("| ") in told


def test_the_arithmetic_example_in_the_document_runs(capsys: pytest.CaptureFixture[str]) -> None:
    # tests/test_docs.py runs the other block, the client's.
    _, block = re.findall(r"^```python\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL)
    exec(compile(block, "calculator.md", "exec"), {})
    root, half = capsys.readouterr().out.split()
    assert root.startswith("0.70710678118654752440")
    assert abs(Decimal(half) - Decimal("0.5")) < Decimal("1e-49")
