"""What the chat needs of a hub. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable
from typing import Protocol

from trionet.abc import Box
from trionet.chat.formats.answers import Event


class FanOut(Protocol):
    """What the chat needs of a hub; each call takes effect at once and never blocks.

    Its methods mean what those of `trionet.Hub` do, where their arguments are told.

    `trionet.Hub` implements it, and `trionet.chat.Switchboard` uses it. Tests implement it with a
    list.
    """

    def add(
        self, box: Box, encode: Callable[[Event], bytes], *, topics: Iterable[Hashable] | None
    ) -> None:
        """Send everything that is published on `topics` to `box` too, as `encode` makes it."""

    def subscribe(self, box: Box, topic: Hashable) -> None:
        """Give a box one more topic."""

    def unsubscribe(self, box: Box, topic: Hashable) -> None:
        """Take a topic from a box."""

    def discard(self, box: Box) -> None:
        """Send nothing more to a box."""

    def publish(
        self,
        event: Event,
        *,
        topic: Hashable = None,
        exclude: Box | None = None,
        without: Collection[Box] = (),
        entries: int = 1,
    ) -> None:
        """Send `event` to every box with `topic`; default ``None``: to every box.

        `exclude` and `without` are boxes that do not get it; default: none. `entries` is for how
        many entries of the log it counts; default 1.
        """

    def tell(self, box: Box, event: Event) -> int:
        """Send an event to one box, in its place in the order; return its size in bytes."""

    def tell_lines(self, box: Box, lines: bytes) -> int:
        """Send encoded lines to one box, in their place in the order; return their size."""

    @property
    def is_full(self) -> bool:
        """Whether whoever has more to append should wait first."""
