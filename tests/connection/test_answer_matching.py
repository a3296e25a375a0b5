"""Which request an answer belongs to, compared with a model that forgets nothing."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trionet.connection.answer_matching import ById, ByOrder


def test_answers_belong_to_requests_by_their_order() -> None:
    matching = ByOrder()
    got: list[tuple[str, int]] = []
    for name in "abc":
        matching.add(partial(lambda name, answer: got.append((name, answer)), name))
    assert not matching.abandon(None)
    for answer in (1, 2, 3):
        take = matching.match(answer)
        assert take is not None
        take(answer)
    assert got == [("a", 1), ("b", 2), ("c", 3)]
    assert matching.match(4) is None


def test_an_unexpected_id_and_a_missing_id_are_refused() -> None:
    with pytest.raises(ValueError, match="have no id without id_of"):
        ByOrder().add(print, 7)
    with pytest.raises(ValueError, match="have ids: write ask"):
        ById(int, remembered=3).add(print)


STEPS = st.lists(
    st.tuples(st.sampled_from(["ask", "answer", "abandon"]), st.integers(0, 4)), max_size=60
)


@given(STEPS)
def test_by_id_each_answer_goes_to_its_own_request_or_to_nobody(
    steps: list[tuple[str, int]],
) -> None:
    matching = ById(lambda answer: answer or None, remembered=2)
    got: list[tuple[int, int]] = []
    asked: dict[int, int] = {}
    abandoned: list[int] = []

    def taker(number: int) -> Callable[[int], None]:
        return lambda answer: got.append((number, answer))

    for number, (step, key) in enumerate(steps):
        if step == "ask" and (key in asked or key in abandoned):
            with pytest.raises(ValueError, match="has no answer yet"):
                matching.add(taker(number), key)
        elif step == "ask":
            matching.add(taker(number), key)
            asked[key] = number
        elif step == "abandon":
            assert matching.abandon(key) == (key in asked)
            if asked.pop(key, None) is not None:
                abandoned = [*abandoned, key][-2:]
        else:
            got.clear()
            take = matching.match(key)
            if key and key in asked:
                assert take is not None
                take(key)
                assert got == [(asked.pop(key), key)]
            elif key:
                assert take is not None
                take(key)
                assert not got
                abandoned = [one for one in abandoned if one != key]
            else:
                assert take is None
        assert len(matching) == len(asked)
    matching.clear()
    assert len(matching) == 0
