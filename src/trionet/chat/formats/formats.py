"""The wire formats of the chat's front door, told apart by a peer's first line.

To add a format that shares the door, write its file, as wire_format.py says, and add its row to
`SELECTED`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from trionet.chat.formats import json_lines, plain
from trionet.chat.formats.wire_format import WireFormat
from trionet.lines import Line


class Selected(NamedTuple):
    """A format that a first line selects.

    Attributes:
        wire: the format.
        selects: tells whether a first line, which is a good one, selects it.
    """

    wire: WireFormat
    selects: Callable[[str], bool]


# The first row whose function says so is a peer's format. Without such a row, the peer speaks plain
# lines, and its first line is a name.
SELECTED = (Selected(json_lines, json_lines.is_object),)


def format_of(first_line: Line) -> WireFormat:
    """Return the format of a peer whose first line this is."""
    if isinstance(first_line, str):
        for row in SELECTED:
            if row.selects(first_line):
                return row.wire
    return plain


def is_json(first_line: Line) -> bool:
    """Tell whether a first line selects JSON lines."""
    return format_of(first_line) is json_lines
