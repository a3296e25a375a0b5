"""Work that is done in turns, or in one go."""

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


def test_work_is_done_in_one_go_with_its_result() -> None:
    told: list[int] = []
    assert finish(count_to(3, told)) == "3 steps"
    assert told == [0, 1, 2]
    assert finish(count_to(0, told)) == "0 steps"


def test_what_goes_wrong_within_comes_out_of_it() -> None:
    with pytest.raises(ValueError, match="too far"):
        finish(count_to(4, []))


def test_a_step_is_done_once_the_next_is_asked_for() -> None:
    told: list[int] = []
    work = count_to(2, told)
    assert next(work) == 0
    assert told == []
    assert next(work) == 1
    assert told == [0]
