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
from types import CoroutineType
from typing import ParamSpec, TypeVar

from trionet.type_checks import close_coroutine

P = ParamSpec("P")
T = TypeVar("T")

# How many characters a log shows of an event or a box: enough to find it.
_SHOWN = 200


class Kind:
    """Shows in a log what kind of thing something is, and nothing that a peer has said.

    Args:
        subject: anything. Numbers and what `trionet.events` has are shown as they are.
    """

    __slots__ = ("_subject", "id", "peer")

    def __init__(self, subject: object) -> None:
        self._subject = subject
        self.id = getattr(subject, "id", None)
        self.peer = getattr(subject, "peer", None)

    def __repr__(self) -> str:
        subject, kind = self._subject, type(self._subject)
        if kind in (int, float, bool) or subject is None or kind.__module__ == "trionet.events":
            return repr(subject)
        size = f" of length {len(subject)}" if isinstance(subject, str | bytes) else ""
        return f"<{kind.__qualname__}{size}>"


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
        code. A callback is told apart by its code, because a service may make one for each peer.

        Args:
            error: what was raised.
            callback: what raised it.
            what: what happened, such as ``an event could not be encoded and is left out``.
            subjects: what it happened to, if anything; shown with `repr`. What may hold a text of a
                peer is wrapped in `Kind`. A connection is named by its ``id`` and ``peer`` too.
        """
        place = error.__traceback__
        while place is not None and place.tb_next is not None:
            place = place.tb_next
        where = None if place is None else (place.tb_frame.f_code.co_filename, place.tb_lineno)
        fault = (type(error), where, _code_of(callback))
        if fault not in self._known:
            self._known.add(fault)
            told = ", ".join(map(_shown, subjects))
            self._logger.error(
                "%s (logged once, however often it happens)",
                f"{what}: {told}" if told else what,
                exc_info=error,
                extra=_whose(subjects),
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
                if (result := callback(*args, **kwargs)) is not None:
                    _refuse_coroutine(name, result)
            except Exception as error:
                self.report(error, callback, _goes_on(name), *map(Kind, args))

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
                    if (result := callback(subject)) is not None:
                        _refuse_coroutine(name, result)
                except Exception as error:
                    self.report(error, callback, _goes_on(name), Kind(subject))

        return call_each


def _refuse_coroutine(name: str, result: object) -> None:
    """Raise an error if a callback has begun something that nothing will finish."""
    if isinstance(result, CoroutineType):
        close_coroutine(result)
        raise TypeError(f"{name} must be an ordinary function: nothing awaits what it returned")


def _goes_on(name: str) -> str:
    return f"{name} failed, and the server goes on"


def _code_of(callback: object) -> object:
    """Return a function's code, which all functions made in one place share; else a name."""
    callback = getattr(callback, "func", callback)
    callback = getattr(callback, "__func__", callback)
    name = getattr(callback, "__qualname__", type(callback).__qualname__)
    return getattr(callback, "__code__", str(name))


def _whose(subjects: Iterable[object]) -> dict[str, object]:
    """Return which connection a fault is about, for the log."""
    for subject in subjects:
        try:
            number, peer = getattr(subject, "id", None), getattr(subject, "peer", None)
        except Exception:
            # The stream may be the user's own, and reading its peer may be the very fault.
            continue
        if isinstance(number, int) and isinstance(peer, str):
            return {"event": "failed", "connection": number, "peer": peer}
    return {"event": "failed"}


def _shown(subject: object) -> str:
    """Return the `repr` of anything, cut short; the default one if its own raises."""
    try:
        text = repr(subject)
    except Exception:
        text = object.__repr__(subject)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
