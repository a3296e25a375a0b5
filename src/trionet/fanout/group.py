"""Members of a hub that share a format: one loop over them, and what they get counted once.

A message to a thousand members is a thousand system calls, 5 µs each, and whatever is touched for
a member besides is in no cache any more. So the loop in `put_to_all` touches an outbox
and its socket, and nothing else: no count (half a microsecond), no table of members.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator
from itertools import islice
from typing import Generic, TypeGuard, TypeVar

from trionet.abc import Box
from trionet.connection.outbox import Outbox, SharedCount, put_to_all
from trionet.fanout.batch import Encode
from trionet.lines import Lines

E = TypeVar("E")

# Members served between two checkpoints at most: some 2 ms, in which no other task runs.
MEMBERS_AT_ONCE = 256

# Members served between two looks at the clock, and bytes: the kernel copies them in some 0.1 ms,
# or in 2 where it has to find memory for them first.
_MEMBERS_A_LOOK = 64
_BYTES_A_LOOK = 1 << 19

# Bytes that the kernel takes as long to copy as the rest of a send takes: 5 µs.
_WEIGHS_ONE_MORE = 32768


def is_outbox(box: Box) -> TypeGuard[Outbox]:
    """Tell whether a box is an outbox that may be spared its `put`.

    One of a class made from it is not: it may do more with what it is put.
    """
    return type(box) is Outbox


def weight_of(size: int) -> int:
    """Return how many members with little to send take as long as one with so many bytes."""
    return 1 + size // _WEIGHS_ONE_MORE


class Audience(Generic[E]):
    """Members who share a format.

    Args:
        encode: the format.
    """

    __slots__ = ("_count", "_now", "_others", "_outboxes", "encode")

    def __init__(self, encode: Encode[E]) -> None:
        self.encode = encode
        self._count = SharedCount()
        self._outboxes: dict[Outbox, None] = {}
        self._others: dict[Box, None] = {}
        # All of them as they are, until one comes or goes. Never changed, only made anew.
        self._now: tuple[list[Outbox], list[Box]] | None = None

    def __bool__(self) -> bool:
        return bool(self._outboxes or self._others)

    def add(self, box: Box) -> None:
        """Take a member in."""
        # An outbox may be in two hubs; then the second counts like any other sender.
        if is_outbox(box) and box.share(self._count):
            self._outboxes[box] = None
        else:
            self._others[box] = None
        self._now = None

    def discard(self, box: Box) -> None:
        """Let a member go."""
        if box in self._others:
            del self._others[box]
        else:
            assert isinstance(box, Outbox)
            del self._outboxes[box]
            box.unshare()
        self._now = None

    def deliver(
        self,
        lines: Lines,
        *,
        without: Collection[Box],
        on_error: Callable[[Box, Exception], object],
    ) -> Generator[int, None, None]:
        """Put the same lines to all who are members at this moment.

        Args:
            lines: whole lines.
            without: who does not get them.
            on_error: called with a member whose ``put`` raises, and what it raised.

        Returns:
            Steps, each with the number of members that it has served, times what `weight_of` says
            of one. Behind each, other tasks may run, and members come and go. To be closed if it is
            not gone through to the end.
        """
        if self._now is None:
            self._now = list(self._outboxes), list(self._others)
        self._count.tally += lines.tally
        steps = self._steps(*self._now, lines, without, on_error)
        # What has not begun does not end either: its `finally` would not hold.
        next(steps)
        return steps

    def _steps(
        self,
        outboxes: list[Outbox],
        others: list[Box],
        lines: Lines,
        without: Collection[Box],
        on_error: Callable[[Box, Exception], object],
    ) -> Generator[int, None, None]:
        remaining = iter(outboxes)
        weight = weight_of(len(lines))
        most = min(_MEMBERS_A_LOOK, MEMBERS_AT_ONCE // weight, _BYTES_A_LOOK // len(lines))
        at_once = max(1, most)
        try:
            yield 0
            for begin in range(0, len(outboxes), at_once):
                put_to_all(islice(remaining, at_once), lines, without, on_error)
                yield min(at_once, len(outboxes) - begin) * weight
        finally:
            for outbox in remaining:
                outbox.miss(lines.tally)
        for box in others:
            if box not in without:
                try:
                    box.put(lines)
                except Exception as error:
                    on_error(box, error)
            yield weight
