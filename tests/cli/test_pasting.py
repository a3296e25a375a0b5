"""Lines that were pasted together are no commands."""

from __future__ import annotations

import pytest

from trionet.cli.pasting import PastedLine, mark_paste
from trionet.errors import LineNotUTF8
from trionet.lines import Line

BAD = LineNotUTF8(b"\xff")


@pytest.mark.parametrize(
    "lines", [[], ["q"], ["q", ""], ["", "q", " ", "\t"], [BAD], [BAD, ""]], ids=repr
)
def test_one_line_is_not_a_paste(lines: list[Line]) -> None:
    marked = mark_paste(lines)
    assert marked == lines
    assert not any(isinstance(line, PastedLine) for line in marked)


def test_lines_of_a_paste_know_their_paste_and_how_many_lines_follow() -> None:
    lines: list[Line] = ["one", "", BAD, "q", " "]
    marked = mark_paste(lines)
    assert marked == lines
    assert marked[2] is BAD
    pasted = [line for line in marked if isinstance(line, PastedLine)]
    assert [(line, line.behind) for line in pasted] == [("one", 2), ("", 2), ("q", 0), (" ", 0)]
    assert all(line.paste is lines for line in pasted)


def test_a_line_counts_as_one_of_several_if_its_paste_goes_on() -> None:
    [line] = mark_paste(["q"], goes_on=True)
    assert isinstance(line, PastedLine)
    assert line.behind == 1
