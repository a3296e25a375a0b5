"""The first line tells which format a peer speaks."""

from __future__ import annotations

import pytest

from trionet.chat import json_lines, plain
from trionet.chat.formats import format_of
from trionet.errors import LineNotUTF8
from trionet.lines import Line


@pytest.mark.parametrize("line", ['{"type": "login", "name": "Ann"}', " {}", '{"x": 1}\t'])
def test_a_json_object_is_json_lines(line: str) -> None:
    assert format_of(line) is json_lines


@pytest.mark.parametrize("line", ["Ann", "", "[]", "{", "{Ann}", LineNotUTF8(b"{}\xff")])
def test_anything_else_is_plain(line: Line) -> None:
    assert format_of(line) is plain
