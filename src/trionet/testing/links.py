"""What a connection in memory is like: its capacity, its latency, and how its input is cut."""

from __future__ import annotations

import math
import random
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeAlias

from trionet.argument_checks import check_flag, check_kind, shown

# Small enough that a test fills it with a few lines of code, large enough for a batch of chat.
DEFAULT_CAPACITY = 65536

Cut: TypeAlias = Callable[[int], int]
"""How input is cut into reads: takes how many bytes have arrived, returns how many to hand out."""


def cut_whole() -> Cut:
    """Return a cut that hands out everything that has arrived, as a fast network does."""
    return lambda available: available


def cut_bytes(size: int = 1) -> Cut:
    """Return a cut that hands out `size` bytes at a time; default 1.

    Raises:
        TypeError: `size` is not a whole number.
        ValueError: it is less than 1, so no byte would ever arrive.
    """
    if isinstance(size, bool) or not isinstance(size, int):
        raise TypeError(f"size must be a whole number of bytes, not {size!r}")
    if size < 1:
        raise ValueError("size must be at least 1")
    return lambda available: min(size, available)


def cut_at(places: Iterable[int]) -> Cut:
    """Return a cut at the given places, in bytes from the beginning, and nowhere else.

    Args:
        places: in ascending order.

    Raises:
        TypeError: `places` is not a list, or another iterable, of whole numbers.
    """
    if isinstance(places, str | bytes) or not isinstance(places, Iterable):
        raise TypeError(f"places must be a list of whole numbers, not {shown(places)}")
    left = deque(places)
    for place in left:
        check_kind("places", place, int, hint="cut_at([3, 10])")
    position = 0

    def cut(available: int) -> int:
        nonlocal position
        while left and left[0] <= position:
            left.popleft()
        size = min(available, left[0] - position) if left else available
        position += size
        return size

    return cut


def cut_at_random(seed: int | str) -> Cut:
    """Return a cut at random places, which are the same for the same seed.

    Raises:
        TypeError: `seed` is neither a whole number nor a text.
    """
    if not isinstance(seed, int | str):
        raise TypeError(f"seed must be a whole number or a text, not {shown(seed)}")
    choose = random.Random(seed)
    return lambda available: choose.randint(1, available)


@dataclass(frozen=True, kw_only=True, slots=True)
class Link:
    """What one direction of a connection is like, or both directions.

    Args:
        capacity: the sender waits once this many bytes are on their way or unread; default 64 KiB.
        latency: seconds on the Trio clock until sent bytes arrive; default 0.
        cut: called once for each direction to make its `Cut`; default `cut_whole`.
        sends_now: whether the sending end has the `trionet.SendsNow` capability; default ``True``.
            Without it, the stream is like a ``trio.SSLStream``.
    """

    capacity: int = DEFAULT_CAPACITY
    latency: float = 0.0
    cut: Callable[[], Cut] = cut_whole
    sends_now: bool = True

    def __post_init__(self) -> None:
        if isinstance(self.capacity, bool) or not isinstance(self.capacity, int):
            raise TypeError(f"capacity must be a whole number of bytes, not {self.capacity!r}")
        if self.capacity < 1:
            raise ValueError("capacity must be at least 1")
        if isinstance(self.latency, bool) or not isinstance(self.latency, int | float):
            raise TypeError(f"latency must be a number of seconds, not {self.latency!r}")
        if not 0 <= self.latency < math.inf:
            raise ValueError("latency must be finite and not negative")
        if not callable(self.cut):
            raise TypeError(f"cut must make a cut, as cut_bytes does, not be {self.cut!r}")
        check_flag("sends_now", self.sends_now)


def check_link(name: str, link: object) -> None:
    """Refuse a value that is neither ``None`` nor a `Link`.

    Raises:
        TypeError: the value is anything else, such as the class itself.
    """
    if link is not None:
        check_kind(name, link, Link, hint="Link(capacity=100)")
