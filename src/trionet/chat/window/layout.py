"""Dividing the rows and columns of a screen among its parts."""

from __future__ import annotations

from typing import NamedTuple

# A narrower screen has no list, a lower one no topic.
MIN_COLUMNS_FOR_LIST = 70
MIN_HEIGHT_FOR_TOPIC = 8
LIST_COLUMNS = 18

# The text that is being typed takes a third of the screen at most, and never more rows than this.
MAX_INPUT_ROWS = 8


class Layout(NamedTuple):
    """How many rows and columns each part of a screen has."""

    columns: int
    height: int
    topic: int
    log: int
    log_columns: int
    input: int


def lay_out(columns: int, height: int, input_rows: int) -> Layout:
    """Divide a screen.

    Args:
        columns: its width.
        height: its rows.
        input_rows: how many rows the text that is being typed would take.
    """
    topic = int(height >= MIN_HEIGHT_FOR_TOPIC)
    most = max(1, min(MAX_INPUT_ROWS, height // 3))
    typed = min(input_rows, most)
    beside = LIST_COLUMNS + 1 if columns >= MIN_COLUMNS_FOR_LIST else 0
    log = max(0, height - topic - 1 - typed)
    return Layout(columns, height, topic, log, columns - beside, typed)
