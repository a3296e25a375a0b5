"""Faults in what a user of the toolkit has written: each is logged once, and costs its own line.

A callback that raises for one line raises for a thousand, and a thousand tracebacks hide what else
is in a log. So a fault is known by its kind and by the line of code that raised it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

# What a log shows of an event or a box: enough to find it.
_SHOWN = 200


class FaultLog:
    """Remembers which faults it has logged.

    Args:
        logger: where they go, as errors with their tracebacks.
    """

    __slots__ = ("_known", "_logger")

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._known: set[tuple[object, ...]] = set()

    def report(self, error: BaseException, callback: object, what: str, subject: object) -> None:
        """Log an error, unless the same fault was logged before. Never a checkpoint.

        It is the same fault if the same callback raised the same type of error in the same line of
        code.

        Args:
            error: what was raised.
            callback: what raised it.
            what: what happened, such as ``an event could not be encoded and is left out``.
            subject: what it happened to; shown with `repr`.
        """
        place = error.__traceback__
        while place is not None and place.tb_next is not None:
            place = place.tb_next
        where = None if place is None else (place.tb_frame.f_code.co_filename, place.tb_lineno)
        fault = (type(error), where, name_of(callback))
        if fault not in self._known:
            self._known.add(fault)
            self._logger.error(
                "%s: %s (logged once, however often it happens)",
                what,
                shown(subject),
                exc_info=error,
            )


def shielded_from(
    callback: Callable[[T], object], faults: FaultLog, what: str
) -> Callable[[T], None]:
    """Return a function that does what a callback does, and raises nothing that it raises.

    Args:
        callback: a user's own.
        faults: where its errors are reported.
        what: what happened then, such as ``show failed, and the server goes on without it``.
    """

    def call(subject: T) -> None:
        try:
            callback(subject)
        except Exception as error:
            faults.report(error, callback, what, subject)

    return call


def name_of(callback: object) -> str:
    """Return what a callback is called in its source."""
    callback = getattr(callback, "func", callback)
    return str(getattr(callback, "__qualname__", type(callback).__qualname__))


def shown(subject: object) -> str:
    """Return the `repr` of anything, cut; one that raises is replaced by the type's."""
    try:
        text = repr(subject)
    except Exception:
        text = object.__repr__(subject)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
