"""Faults in a user's own functions: each is logged once, and costs no more than its own line.

A callback that raises for one line raises for a thousand, and a thousand tracebacks hide whatever
else is in a log.

- `FaultLog` is for functions that are called for a line or a member. It tells faults apart by the
  type of the error and the line of code that raised it.
- `SafeCalls` is for functions that are called for a connection. It logs the first failure of each,
  and in the end how many there were.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

# What a log shows of an event or a box: enough to find it.
_SHOWN = 200


class FaultLog:
    """Remembers which faults it has logged.

    Args:
        logger: where the faults are logged, as errors with their tracebacks.
    """

    __slots__ = ("_known", "_logger")

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._known: set[tuple[object, ...]] = set()

    def report(self, error: BaseException, callback: object, what: str, subject: object) -> None:
        """Log an error, unless the same fault was logged before. Never a checkpoint.

        A fault is the same if the same callback raises the same type of error in the same line of
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


class SafeCalls:
    """Calls a user's functions so that their errors end nothing.

    Args:
        logger: where the first error of each function is logged, with its traceback.
    """

    __slots__ = ("_failures", "_logger")

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._failures: Counter[str] = Counter()

    def call(self, name: str, function: Callable[..., object], *args: object) -> None:
        """Call a function.

        Args:
            name: what the user knows it as, such as ``on_event``.
            function: the user's function.
            args: its arguments.
        """
        try:
            function(*args)
        except Exception:
            self._failures[name] += 1
            if self._failures[name] == 1:
                self._logger.exception("%s failed; the server goes on", name)

    def log_totals(self) -> None:
        """Log how often each function failed, if it was more than once."""
        for name, times in self._failures.items():
            if times > 1:
                self._logger.error("%s failed %d times in all", name, times)


def name_of(callback: object) -> str:
    """Return the name that a callback has in its source."""
    callback = getattr(callback, "func", callback)
    return str(getattr(callback, "__qualname__", type(callback).__qualname__))


def shown(subject: object) -> str:
    """Return the `repr` of anything, cut short; if it raises, the type's plain one."""
    try:
        text = repr(subject)
    except Exception:
        text = object.__repr__(subject)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
