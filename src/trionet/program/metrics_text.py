"""Readings as Prometheus reads them, written by its own library.

Nothing but `metrics_page.py` imports this, and only when metrics are served.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from trionet.metrics import Reading

# What `generate_latest` writes. Later versions of the format differ in names that are not ASCII.
_MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Page(Collector):
    """The page of one program.

    It has a registry of its own: nothing that another library counts stands on it.
    """

    def __init__(self) -> None:
        self._readings: Sequence[Reading] = ()
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)

    def __call__(self, readings: Sequence[Reading]) -> tuple[str, bytes]:
        """Return the page with these readings: its media type and its text."""
        self._readings = readings
        return _MEDIA_TYPE, generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """Yield the readings as the library's own objects. The library calls it."""
        return map(_family, self._readings)


def _family(reading: Reading) -> Metric:
    if reading.kind == "histogram":
        # Two services may count in different buckets, and come here added up: sort the bounds.
        bounds = sorted(reading.values, key=float)
        counts = accumulate(reading.values[bound] for bound in bounds)
        buckets = list(zip(bounds, counts, strict=True))
        return HistogramMetricFamily(reading.name, reading.meaning, buckets, reading.sum)
    kind = CounterMetricFamily if reading.kind == "counter" else GaugeMetricFamily
    labels = [reading.label] if reading.label else []
    family = kind(reading.name, reading.meaning, labels=labels)
    for value, number in reading.values.items():
        family.add_metric([value] if labels else [], number)
    return family
