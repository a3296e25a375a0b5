"""One error out of a nursery: what the author of a nursery owes to its callers.

A nursery wraps whatever its tasks raise in a group, because there may be several. Where a function
uses a nursery inside, and documents an error that one of its tasks raises, its callers want to
write ``except``, not ``except*``: the nursery is none of their business.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def single_error(*types: type[BaseException]) -> Iterator[None]:
    """Raise an error of the given types by itself, if a group has nothing else in it.

    Put it around the nursery. A group of several errors, or of one of another type, passes as it
    is.

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
        # The group tells nothing more; where the error came from, its traceback tells.
        raise error from None


def first_error(error: BaseException) -> BaseException:
    """Return the first error of a group that is no group itself; of an error, the error."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
