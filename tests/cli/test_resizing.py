"""Where a prompt begins after its terminal has changed its width."""

from __future__ import annotations

import pytest

from trionet.cli.resizing import rows_added


@pytest.mark.parametrize(
    ("widths", "x", "columns", "column", "more"),
    [
        # It still fits, or the terminal has become wider.
        ([], 10, 40, 10, 0),
        ([80], 10, 120, 10, 0),
        # The row is broken into one more, or two more.
        ([], 60, 40, 20, 1),
        ([], 99, 40, 19, 2),
        # A cursor behind the last column stays there, or moves to the start of the next row.
        ([], 40, 40, 0, 1),
        ([], 40, 40, 39, 0),
        ([], 80, 40, 39, 1),
        ([], 80, 40, 40, 1),
        # The rows above the cursor's row are broken too, unless they fit.
        ([80, 80], 10, 40, 10, 2),
        ([80, 81, 40, 0], 50, 40, 10, 4),
        # The row is cut, and the cursor stands in the last column.
        ([80], 60, 40, 39, 0),
        # The terminal does not break rows, or does not say where the cursor is.
        ([80], 60, 40, 60, 0),
        ([80], 60, 40, None, 0),
        ([80], 10, 40, None, 0),
    ],
)
def test_a_prompt_begins_higher_on_a_narrower_terminal(
    widths: list[int], x: int, columns: int, column: int | None, more: int
) -> None:
    rows = [[1] * width for width in (*widths, x)]
    assert rows_added(rows, 1, columns, column) == more


@pytest.mark.parametrize(
    ("rows", "under", "columns", "column", "more"),
    [
        # Ten of them in 21 columns, and the prompt with nine before them.
        ([[1, 1, *[2] * 30]], 1, 21, 2, 3),
        ([[1, 1, *[2] * 30]], 1, 20, 2, 3),
        ([[1, 1, *[2] * 29], [2]], 1, 21, 2, 2),
        # The cursor on one that has no room there, and behind the last one that has.
        ([[2] * 10], 2, 21, 0, 1),
        ([[2] * 10], 1, 21, 20, 0),
    ],
)
def test_no_terminal_breaks_a_wide_character(
    rows: list[list[int]], under: int, columns: int, column: int, more: int
) -> None:
    assert rows_added(rows, under, columns, column) == more


@pytest.mark.parametrize(
    ("widths", "blank", "column", "more"),
    [
        # The cursor keeps its distance to what was drawn, or moves to the end of it.
        ([100, 60], 1, 20, 3),
        ([100, 60], 1, 19, 3),
        ([60], 5, 15, 1),
        # What was drawn fills a row, and the blank column would be in the next one.
        ([81], 1, 1, 2),
        ([81], 1, 39, 1),
        # The row is cut.
        ([100, 60], 1, 39, 0),
        ([60], 0, 19, 0),
    ],
)
def test_a_cursor_after_blanks_may_move_to_the_end_of_the_text(
    widths: list[int], blank: int, column: int, more: int
) -> None:
    rows = [[1] * width for width in widths]
    assert rows_added(rows, 1, 40, column, blank) == more
