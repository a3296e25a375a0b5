from __future__ import annotations

import pytest

from trionet.cli.screen import rows_added


@pytest.mark.parametrize(
    ("widths", "x", "columns", "column", "more"),
    [
        # It fits still, or it has become wider.
        ([], 10, 40, 10, 0),
        ([80], 10, 120, 10, 0),
        # The row is broken: by one, by two.
        ([], 60, 40, 20, 1),
        ([], 99, 40, 19, 2),
        # The cursor behind the last column stands there, or at the start of the next row.
        ([], 40, 40, 0, 1),
        ([], 40, 40, 39, 0),
        ([], 80, 40, 39, 1),
        # Rows above that with the cursor are broken too, unless they fit.
        ([80, 80], 10, 40, 10, 2),
        ([80, 81, 40, 0], 50, 40, 10, 4),
        # It is cut, and the cursor stands in the last column.
        ([80], 60, 40, 39, 0),
        # The terminal does not break, or does not tell.
        ([80], 60, 40, 60, 0),
        ([80], 60, 40, None, 0),
        ([80], 10, 40, None, 0),
    ],
)
def test_how_much_further_up_a_prompt_begins_on_a_narrower_terminal(
    widths: list[int], x: int, columns: int, column: int | None, more: int
) -> None:
    assert rows_added(widths, x, columns, column) == more
