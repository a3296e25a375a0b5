"""What a server can be asked in numbers, and how it is told: one small mechanism for everybody.

- A *reading* is one metric at one moment, as plain data: it can be pickled, or sent as JSON.
- A *source* is a function that returns readings. It is called when somebody asks, and looks up what
  is counted anyway. So a metric costs nothing between two scrapes.
- `Metrics` is the list of the sources of one server: `trionet.Server.metrics`. The server's own
  source is there from the beginning. A service adds its own; the toolkit does not know what they
  mean.

Readings of several servers or processes are added up by `add_up`.
"""

from __future__ import annotations

import logging
import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Literal, NamedTuple, TypeAlias

from trionet.function_checks import check_callback
from trionet.type_checks import check_kind, shown
from trionet.user_faults import FaultLog

Kind: TypeAlias = Literal["counter", "gauge", "histogram"]
Combine: TypeAlias = Literal["sum", "max", "min"]

# What Prometheus takes for a metric's name and for a label's.
_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")

_COMBINE: Mapping[str, Callable[[float, float], float]] = {
    "sum": lambda one, other: one + other,
    "max": max,
    "min": min,
}

logger = logging.getLogger("trionet.metrics")


class Reading(NamedTuple):
    """One metric at one moment. Make it with `counter`, `gauge` or `Histogram.reading`.

    Attributes:
        name: its name.
        kind: ``counter``, ``gauge`` or ``histogram``.
        meaning: what it says, in one sentence.
        label: the name of its label; empty: it has none.
        values: its values, by the label's value. Without a label there is one, by the empty string.
            Those of a histogram are by the upper bound of a bucket, and each counts only what is
            above the bound before.
        sum: of all that a histogram has seen.
        combine: what becomes of the values of several processes: ``sum``, ``max`` or ``min``.
    """

    name: str
    kind: Kind
    meaning: str
    label: str
    values: dict[str, float]
    sum: float = 0.0
    combine: Combine = "sum"

    @classmethod
    def counter(
        cls, name: str, meaning: str, value: float | Mapping[str, float], *, label: str = ""
    ) -> Reading:
        """Return a reading of what only grows.

        Args:
            name: its name, which ends with ``_total``.
            meaning: what it says, in one sentence.
            value: its value; with a `label`, a value for each value of that. There must be few of
                them, and no names of people among them.
            label: the name of the label; default: there is none.

        Raises:
            TypeError, ValueError: an argument is of the wrong kind, or a name that Prometheus does
                not take.
        """
        _check(name, meaning, value, label)
        if not name.endswith("_total"):
            raise ValueError(f"the name of a counter ends with _total: write {name}_total")
        return cls(name, "counter", meaning, label, _by_label(value))

    @classmethod
    def gauge(
        cls,
        name: str,
        meaning: str,
        value: float | Mapping[str, float],
        *,
        label: str = "",
        combine: Combine = "sum",
    ) -> Reading:
        """Return a reading of what can grow and shrink.

        Args:
            name: its name, such as ``jobs_waiting``.
            meaning: what it says, in one sentence.
            value: its value; with a `label`, a value for each value of that.
            label: the name of the label; default: there is none.
            combine: what becomes of the values of several processes: ``sum`` (the default),
                ``max`` or ``min``.

        Raises:
            TypeError, ValueError: an argument is of the wrong kind, or a name that Prometheus does
                not take.
        """
        _check(name, meaning, value, label)
        if not isinstance(combine, str) or combine not in _COMBINE:
            raise ValueError(f"combine must be 'sum', 'max' or 'min', not {shown(combine)}")
        return cls(name, "gauge", meaning, label, _by_label(value), combine=combine)


class Histogram:
    """Counts how often something took how long, or was how large.

    Args:
        bounds: the upper bounds of its buckets, in seconds or bytes or whatever it counts, the
            smallest first. What is greater than all of them has a bucket too.

    Raises:
        TypeError, ValueError: these are not bounds.

    Attributes:
        bounds: as given.
        counts: how many values fell into each bucket. A value counts in one bucket only.
        sum: of all that was observed.
    """

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        if isinstance(bounds, str) or not isinstance(bounds, Sequence):
            raise TypeError(f"bounds must be a list of numbers, not {shown(bounds)}")
        for bound in bounds:
            if isinstance(bound, bool) or not isinstance(bound, int | float):
                raise TypeError(f"bounds must be a list of numbers, not of {shown(bound)}")
        if not bounds or any(one >= other for one, other in pairwise(bounds)):
            raise ValueError("bounds must be at least one number, the smallest first")
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def __repr__(self) -> str:
        return f"<trionet.Histogram: {sum(self.counts)} observed>"

    def observe(self, value: float) -> None:
        """Count a value, in the unit of the bounds. Never a checkpoint; it takes some 0.2 µs."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value

    def reading(self, name: str, meaning: str) -> Reading:
        """Return what was observed so far.

        Args:
            name: the metric's name, such as ``job_seconds``.
            meaning: what it says, in one sentence.

        Raises:
            TypeError, ValueError: an argument is of the wrong kind, or a name that Prometheus does
                not take.
        """
        _check(name, meaning, 0, "")
        names = [*(str(float(bound)) for bound in self.bounds), "+Inf"]
        values = dict(zip(names, map(float, self.counts), strict=True))
        return Reading(name, "histogram", meaning, "le", values, self.sum)


Source: TypeAlias = Callable[[], Iterable[Reading | None]]


class Metrics:
    """Where the numbers of one server come from: `trionet.Server.metrics`.

    >>> metrics = Metrics()
    >>> metrics.add(lambda: [Reading.gauge("jobs_waiting", "Jobs that wait.", 3)])
    >>> metrics.read()[0].values
    {'': 3.0}
    """

    __slots__ = ("_faults", "_sources")

    def __init__(self) -> None:
        self._sources: list[Source] = []
        self._faults = FaultLog(logger)

    def __repr__(self) -> str:
        return f"<trionet.Metrics: {len(self._sources)} sources>"

    def add(self, source: Source) -> None:
        """Ask this function too, whenever somebody wants to know.

        Args:
            source: returns readings, such as ``[Reading.gauge("jobs", "Jobs that wait.", 3)]``. It
                is called between two checkpoints, so it must be quick. One that takes longer is a
                generator: wherever it yields ``None``, other tasks can run (see `steps`). What it
                raises is logged once, and costs only its own readings.

        Raises:
            TypeError: it is not an ordinary function without arguments.
        """
        check_callback("source", source, arguments=0, optional=False)
        self._sources.append(source)

    def read(self) -> list[Reading]:
        """Return all readings of this moment. Never a checkpoint, and never raises."""
        return [reading for reading in self.steps() if reading is not None]

    def steps(self) -> Iterator[Reading | None]:
        """Yield all readings, and ``None`` wherever other tasks may run. Never raises.

        To add up 10,000 connections takes 50 ms. `trionet.serve_metrics` lets other tasks run
        wherever it gets ``None``: `read` does all at once.
        """
        for source in self._sources:
            told: list[Reading] = []
            try:
                for reading in source():
                    if reading is None:
                        yield None
                        continue
                    check_kind("a reading", reading, Reading, hint="Reading.gauge(...)")
                    told.append(reading)
            except Exception as error:
                self._faults.report(error, source, "a source of metrics failed; it is left out")
            else:
                yield from told


def add_up(readings: Iterable[Reading]) -> list[Reading]:
    """Make one reading of all that have the same name, as its `Reading.combine` says.

    Args:
        readings: those of several servers or processes, one after the other.
    """
    together: dict[str, Reading] = {}
    for reading in readings:
        before = together.get(reading.name)
        if before is None:
            together[reading.name] = reading._replace(values=dict(reading.values))
            continue
        combine = _COMBINE[reading.combine]
        for key, value in reading.values.items():
            known = before.values.get(key)
            before.values[key] = value if known is None else combine(known, value)
        together[reading.name] = before._replace(sum=before.sum + reading.sum)
    return list(together.values())


def _check(name: object, meaning: object, value: object, label: object) -> None:
    check_kind("name", name, str, hint="'jobs_waiting'")
    check_kind("meaning", meaning, str, hint="'Jobs that wait.'")
    check_kind("label", label, str, hint="'reason'")
    assert isinstance(name, str)
    assert isinstance(label, str)
    if not _NAME.fullmatch(name):
        raise ValueError(f"the name of a metric has letters, digits and _ alone, not {name!r}")
    if label and (not _LABEL.fullmatch(label) or label == "le"):
        raise ValueError(f"the name of a label has letters, digits and _ alone, not {label!r}")
    if bool(label) != isinstance(value, Mapping):
        raise TypeError(
            "with a label, value must be a mapping from the label's values: write "
            "{'in': 3, 'out': 4}; without one, a number"
        )
    numbers = value.values() if isinstance(value, Mapping) else [value]
    for number in numbers:
        if isinstance(number, bool) or not isinstance(number, int | float):
            raise TypeError(f"value must be a number, not {shown(number)}")


def _by_label(value: float | Mapping[str, float]) -> dict[str, float]:
    if isinstance(value, Mapping):
        return {str(key): float(number) for key, number in value.items()}
    return {"": float(value)}
