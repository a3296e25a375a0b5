"""Raise a documented error by itself, although it comes out of a nursery.

A nursery wraps whatever its tasks raise in a group, because there may be several errors. If a
function uses a nursery inside, and documents an error that one of its tasks raises, its callers
want to write ``except``, not ``except*``: they need not know about the nursery.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def single_error(*types: type[BaseException]) -> Iterator[None]:
    """Raise an error of the given types by itself, if it is the only one in its group.

    Put this around the nursery. A group of several errors, or with an error of another type, passes
    unchanged.

    Args:
        types: the errors that the function documents.
    """
    try:
        yield
    except BaseExceptionGroup as group:
        error: BaseException = group
        while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
            error = error.exceptions[0]
        if not isinstance(error, types):
            raise
        # The group adds nothing: the error's own traceback tells where it came from.
        raise error from None


def first_error(error: BaseException) -> BaseException:
    """Return the first error in a group and the groups in it; an error by itself is returned."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
