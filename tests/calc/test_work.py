"""Work that is done piece by piece, or in one go."""

from __future__ import annotations

import pytest

from trionet.calc import Work, finish


def count_to(end: int, told: list[int]) -> Work[str]:
    for number in range(end):
        yield number
        told.append(number)
    if end > 3:
        raise ValueError("too far")
    return f"{end} steps"


def test_finish_does_all_the_work_and_returns_its_result() -> None:
    told: list[int] = []
    assert finish(count_to(3, told)) == "3 steps"
    assert told == [0, 1, 2]
    assert finish(count_to(0, told)) == "0 steps"


def test_an_error_in_the_work_is_raised() -> None:
    with pytest.raises(ValueError, match="too far"):
        finish(count_to(4, []))


def test_a_piece_is_done_when_the_work_is_resumed() -> None:
    told: list[int] = []
    work = count_to(2, told)
    assert next(work) == 0
    assert told == []
    assert next(work) == 1
    assert told == [0]
