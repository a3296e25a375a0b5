"""Faults in a user's own functions: each is logged once, and ends nothing but its own call.

A callback that raises for one line raises for a thousand, and a thousand tracebacks hide whatever
else is in a log. A `FaultLog` tells faults apart by the callback, the type of the error and the
line of code that raised it.

The hub, the server, the outboxes and the services each have one. Where a failed callback needs
nothing else done, `FaultLog.shielded` wraps it; elsewhere the caller catches the error, does what
is needed, and calls `FaultLog.report`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

# How many characters a log shows of an event or a box: enough to find it.
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

    def report(self, error: BaseException, callback: object, what: str, *subjects: object) -> None:
        """Log an error, unless the same fault was logged before. Never a checkpoint.

        It is the same fault if the same callback raises the same type of error in the same line of
        code.

        Args:
            error: what was raised.
            callback: what raised it.
            what: what happened, such as ``an event could not be encoded and is left out``.
            subjects: what it happened to, if anything; shown with `repr`.
        """
        place = error.__traceback__
        while place is not None and place.tb_next is not None:
            place = place.tb_next
        where = None if place is None else (place.tb_frame.f_code.co_filename, place.tb_lineno)
        fault = (type(error), where, _name_of(callback))
        if fault not in self._known:
            self._known.add(fault)
            told = ", ".join(map(_shown, subjects))
            self._logger.error(
                "%s (logged once, however often it happens)",
                f"{what}: {told}" if told else what,
                exc_info=error,
            )

    def shielded(self, name: str, callback: Callable[P, object] | None) -> Callable[P, None] | None:
        """Return a function that calls a callback, and reports its errors instead of raising them.

        Args:
            name: what the user knows the callback as, such as ``on_event``.
            callback: a user's function; ``None``, for a user who gave none, stays ``None``.
        """
        if callback is None:
            return None

        def call(*args: P.args, **kwargs: P.kwargs) -> None:
            try:
                callback(*args, **kwargs)
            except Exception as error:
                self.report(error, callback, _goes_on(name), *args)

        return call

    def shielded_each(
        self, name: str, callback: Callable[[T], object] | None
    ) -> Callable[[Iterable[T]], None] | None:
        """Return a function that calls a callback with each of several subjects.

        Otherwise like `shielded`: what the callback raises costs one subject. For callbacks that
        are called a hundred thousand times a second, since a call through `shielded` takes 180 ns
        more than one from here.
        """
        if callback is None:
            return None

        def call_each(subjects: Iterable[T]) -> None:
            for subject in subjects:
                try:
                    callback(subject)
                except Exception as error:
                    self.report(error, callback, _goes_on(name), subject)

        return call_each


def _goes_on(name: str) -> str:
    return f"{name} failed, and the server goes on"


def _name_of(callback: object) -> str:
    """Return the name that a callback has in its source."""
    callback = getattr(callback, "func", callback)
    return str(getattr(callback, "__qualname__", type(callback).__qualname__))


def _shown(subject: object) -> str:
    """Return the `repr` of anything, cut short; the default one if its own raises."""
    try:
        text = repr(subject)
    except Exception:
        text = object.__repr__(subject)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
