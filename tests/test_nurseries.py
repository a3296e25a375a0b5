"""A documented error comes out of a nursery by itself, and nothing else is lost."""

from __future__ import annotations

import pytest
import trio

from trionet.nurseries import single_error


async def fail(error: BaseException) -> None:
    raise error


async def test_the_error_of_a_task_is_raised_by_itself() -> None:
    error = ValueError("one")
    with pytest.raises(ValueError, match="one") as caught, single_error(ValueError):
        async with trio.open_nursery() as outer, trio.open_nursery() as inner:
            outer.start_soon(trio.sleep_forever)
            inner.start_soon(fail, error)
    assert caught.value is error
    assert caught.value.__cause__ is None


async def test_an_error_of_another_type_stays_in_its_group() -> None:
    with pytest.raises(ExceptionGroup), single_error(KeyError):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(fail, ValueError("one"))


async def test_several_errors_stay_together() -> None:
    with pytest.raises(ExceptionGroup) as caught, single_error(ValueError):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(fail, ValueError("one"))
            nursery.start_soon(fail, ValueError("two"))
    assert len(caught.value.exceptions) == 2


def test_an_error_outside_a_group_passes() -> None:
    with pytest.raises(ValueError, match="one"), single_error(KeyError):
        raise ValueError("one")
