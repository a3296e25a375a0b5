"""Format groups: members with one wire format and the same topics, and one count of what they get.

All members of a group get the same lines, so they share the encoded lines and one count of them.
Members whose lines travel in frames are groups of their own: a payload is wrapped once for all of
them.

A message to a thousand members is a thousand system calls of 5 µs each, and for each member the
memory it touches has left the CPU's caches. So `put_to_all` touches nothing of a member but its
outbox and its socket: no counter (half a microsecond) and no table of members.

The counters work without the loop. Lines that go to the whole group are added once to a
`SharedCount` when their delivery begins, and each outbox adds that to its own count when somebody
asks. A member that does not get the lines after all takes them out of its own count.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Hashable, Iterable
from itertools import islice
from typing import Generic, TypeAlias, TypeGuard, TypeVar

from trionet.abc import Box, DirectBox, Framing
from trionet.fanout.encoded import Encode, EncodedBatch
from trionet.transport.boundaries import LINES

E = TypeVar("E")

# Whole lines, and how many they are.
Part: TypeAlias = tuple[bytes, int]

# At most this many members are served between two checkpoints: some 2 ms in which no other task
# runs.
MEMBERS_AT_ONCE = 256

# Members served between two looks at the clock, and bytes sent to them. The kernel copies these
# bytes in some 0.1 ms, or in 2 ms if it has to find memory for them first.
_MEMBERS_A_LOOK = 64
_BYTES_A_LOOK = 1 << 19

# The kernel copies this many bytes in the time that the rest of a send takes: 5 µs.
_WEIGHS_ONE_MORE = 32768

# What waits is kept in parts of this size. All slow members share them, and the lines of each part
# are counted once. A queue with a bound of 1 MiB neither copies such a part nor counts its lines
# again when it drops it. (Without parts, each queue copied and counted a batch of 512 KiB for
# itself. With 200 members who sent 64 KiB bursts and read nothing, that took three quarters of the
# server's time.)
_PART = 32768


def is_direct(box: Box) -> TypeGuard[DirectBox]:
    """Tell whether a group may send past a box's `put`.

    The class answers, not the object: a wrapper that passes attributes through has a `put` of its
    own, and so may a subclass of `trionet.Outbox`.
    """
    return getattr(type(box), "may_bypass_put", False)


def weight_of(size: int) -> int:
    """Return how many members with little to send take as long as one with `size` bytes."""
    return 1 + size // _WEIGHS_ONE_MORE


class SharedCount:
    """Lines and bytes that all members of a group were sent; see `trionet.abc.Count`.

    A delivery is counted when it begins. So until it reaches a member, that member's count runs
    ahead.

    There are two plain integers, because packing them into one (``bytes << 40 | lines``) gained
    nothing and cost something when it was measured. A member of a group took as many instructions
    as with two. In a batch of 20 talkers among 100 each took 4 % more, because each delta packs and
    unpacks its counts. A single `put` took 34 % more.
    """

    __slots__ = ("bytes", "lines")

    def __init__(self) -> None:
        self.lines = 0
        self.bytes = 0


class FormatGroup(Generic[E]):
    """Members that share a format and a set of topics.

    Args:
        encode: the format.
        topics: the topics; ``None``: all that there are.
        framing: how the lines are framed for the members; default ``None``: not at all.
    """

    __slots__ = ("_count", "_direct", "_others", "_snapshot", "encode", "framing", "topics")

    def __init__(
        self,
        encode: Encode[E],
        topics: frozenset[Hashable] | None = frozenset(),
        framing: Framing | None = None,
    ) -> None:
        self.encode = encode
        self.topics = topics
        self.framing = framing
        self._count = SharedCount()
        self._direct: dict[DirectBox, None] = {}
        self._others: dict[Box, None] = {}
        # Both as lists, made when a delivery needs them and made anew after a member joins or
        # leaves. So the lists of a running delivery never change.
        self._snapshot: tuple[list[DirectBox], list[Box]] | None = None

    def __bool__(self) -> bool:
        return bool(self._direct or self._others)

    def add(self, box: Box) -> None:
        """Take a member in."""
        # An outbox may be in two hubs. It joins one count; the second hub calls its `put`.
        if is_direct(box) and box.join_count(self._count):
            self._direct[box] = None
        else:
            self._others[box] = None
        self._snapshot = None

    def discard(self, box: Box) -> None:
        """Let a member go."""
        if box in self._others:
            del self._others[box]
        else:
            assert is_direct(box)
            del self._direct[box]
            box.leave_count()
        self._snapshot = None

    def deliver(
        self,
        encoded: EncodedBatch,
        *,
        without: Collection[Box],
        on_error: Callable[[Box, Exception], object],
    ) -> Generator[int, None, None]:
        """Put the same lines to all members of this moment.

        Args:
            encoded: a finished batch; all of it is put.
            without: members that do not get it.
            on_error: called with a member whose ``put`` raises, and with the error.

        Returns:
            A generator of steps. Each yields how many members it has served, times the `weight_of`
            one. After each step other tasks may run, and members may join or leave. Close the
            generator if you do not exhaust it.
        """
        if self._snapshot is None:
            self._snapshot = list(self._direct), list(self._others)
        steps = self._steps(*self._snapshot, encoded, without, on_error)
        # Start the generator: closing one that never started would not run its `finally`.
        next(steps)
        return steps

    def _steps(
        self,
        direct: list[DirectBox],
        others: list[Box],
        encoded: EncodedBatch,
        without: Collection[Box],
        on_error: Callable[[Box, Exception], object],
    ) -> Generator[int, None, None]:
        remaining = iter(direct)
        count, framing = encoded.lines, self.framing
        data = encoded.whole if framing is None else encoded.framed(framing)
        size = len(data)
        self._count.lines += count
        self._count.bytes += size
        weight = weight_of(size)
        most = min(_MEMBERS_A_LOOK, MEMBERS_AT_ONCE // weight, _BYTES_A_LOOK // size)
        at_once = max(1, most)
        parts: list[Part] = []
        try:
            yield 0
            for begin in range(0, len(direct), at_once):
                put_to_all(
                    islice(remaining, at_once), data, count, without, on_error, parts, framing
                )
                yield min(at_once, len(direct) - begin) * weight
        finally:
            for box in remaining:
                box.uncount(count, size)
        for other in others:
            if other not in without:
                try:
                    other.put(encoded.whole)
                except Exception as error:
                    on_error(other, error)
            yield weight


def put_to_all(
    boxes: Iterable[DirectBox],
    data: bytes,
    count: int,
    without: Collection[object],
    on_error: Callable[[DirectBox, Exception], object],
    parts: list[Part],
    framing: Framing | None = None,
) -> None:
    """Do what `trionet.Outbox.put` does, for many outboxes in one loop. Never a checkpoint.

    A call of `put` for each of a thousand members would be felt.

    Args:
        boxes: members of one group, whose shared count already includes the lines.
        data: whole lines, as they are sent.
        count: how many.
        without: members that do not get them.
        on_error: called with a box that raised, and with the error.
        parts: the same lines in the parts that slow members keep, if somebody has cut them
            already; otherwise empty, and filled for the next call when the first member needs them.
        framing: how the lines are framed in the data; ``None``: not at all.
    """
    size = len(data)
    for box in boxes:
        if box in without:
            box.uncount(count, size)
            continue
        sent = 0
        try:
            if box.direct is not None:
                sent = box.direct(data)
        except BlockingIOError:
            pass
        except Exception as error:
            if not box.give_up_after(error):
                box.uncount(count, size)
                on_error(box, error)
                continue
        if sent != size:
            if not parts:
                parts += [(data, count)] if size <= _PART else (framing or LINES).parts(data, _PART)
            try:
                box.keep_parts(parts, sent)
            except Exception as error:
                on_error(box, error)
