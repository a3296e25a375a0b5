"""The wire formats of the chat's front door, told apart by a peer's first line.

To add a format that shares the door, write its file, as wire_format.py says, and add its case here.
"""

from __future__ import annotations

from trionet.chat import json_lines, plain
from trionet.chat.wire_format import WireFormat
from trionet.lines import Line


def format_of(first_line: Line) -> WireFormat:
    """Return the format of a peer whose first line this is: JSON lines if it is a JSON object."""
    return json_lines if is_json(first_line) else plain


def is_json(first_line: Line) -> bool:
    """Tell whether a first line selects JSON lines."""
    return isinstance(first_line, str) and json_lines.is_object(first_line)
