"""The events that are not in the file yet, in order, and what had to be given up. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections import OrderedDict, deque
from collections.abc import Collection, Iterator
from itertools import islice

from trionet.chat.history.message_runs import count, cut, last_number
from trionet.chat.state.events import Removed, RoomEvent, Said

# How many bytes may wait for a disk that is full or does not answer. Beyond that, the oldest events
# become a gap.
MAX_UNWRITTEN = 64 << 20

# How many gaps are told apart in a room, and in how many rooms. (Each room takes some 300 bytes.)
# Beyond that, more is said to be lost than was.
MAX_GAPS = 20
MAX_ROOMS_WITH_GAPS = 10_000

# What a room takes besides its events, in bytes.
_ROOM = 900


class Unwritten:
    """What is not in the file yet.

    Args:
        most: how many bytes of it are kept.

    Attributes:
        bytes: how many there are.
        messages: how many events there are, a run as its texts.
        position: how many events had gone in before the first that is here.
        has_lost: whether anything was ever given up.
    """

    def __init__(self, most: int = MAX_UNWRITTEN) -> None:
        self.bytes = 0
        self.messages = 0
        self.position = 0
        self.has_lost = False
        self._most = most
        self._events: deque[RoomEvent] = deque()
        self._costs: deque[int] = deque()
        # The same by room, in the same order.
        self._rooms: dict[str, deque[RoomEvent]] = {}
        # The numbers that were removed, by room, of removals that are here.
        self._removed: dict[str, dict[int, None]] = {}
        self._gaps: OrderedDict[str, list[tuple[int, int]]] = OrderedDict()
        # Up to here anything may be lost, of rooms whose gaps are not known any more.
        self._lost = 0

    def __len__(self) -> int:
        return len(self._events)

    def append(self, event: RoomEvent, taken: int) -> None:
        """Put an event after all others, and give up the oldest if it is too much.

        Args:
            event: the event.
            taken: its `ring.cost`, which the ring has found out already.
        """
        self._events.append(event)
        self._costs.append(taken)
        events = self._rooms.get(event.room)
        if events is None:
            events = self._rooms[event.room] = deque()
            self.bytes += _ROOM
        events.append(event)
        self.messages += len(event.texts) if type(event) is Said else 1
        self.bytes += taken
        if type(event) is Removed:
            self._removed.setdefault(event.room, {})[event.of] = None
        while self.bytes > self._most and len(self._events) > 1:
            self._give_up()

    def first(self, messages: int) -> list[RoomEvent]:
        """Return the oldest events: at most `messages` texts, but at least one event."""
        taken = 0
        for number, event in enumerate(self._events):
            taken += count(event)
            if taken >= messages:
                return list(islice(self._events, number + 1))
        return list(self._events)

    def written(self, position: int) -> None:
        """Forget the events up to a position: they are in the file."""
        while self.position < position:
            self._pop()

    def of(self, room: str | None) -> list[RoomEvent]:
        """Return the events of a room, or of all, oldest first."""
        return list(self._events if room is None else self._rooms.get(room, ()))

    def first_number(self, room: str) -> int | None:
        """Return the number of the first event of a room; ``None``: the room has none here."""
        events = self._rooms.get(room)
        return events[0].number if events else None

    def backwards(self, room: str, before: int) -> Iterator[RoomEvent]:
        """Yield the events of a room with numbers below one, the newest first. Runs are cut.

        They must not change meanwhile.
        """
        for event in reversed(self._rooms.get(room, ())):
            part = cut(event, 0, before)
            if part is not None:
                yield part

    def after(self, room: str, number: int, limit: int) -> list[RoomEvent]:
        """Return at most `limit` events of a room with greater numbers, the oldest first."""
        events = self._rooms.get(room)
        if events is None:
            return []
        start = bisect_left(events, number + 1, key=last_number)
        parts = [
            cut(event, number, last_number(event) + 1)
            for event in islice(events, start, start + limit)
        ]
        return [part for part in parts if part is not None]

    def removed(self, room: str) -> Collection[int]:
        """Return the numbers of a room's texts that may still be in the file, but must not be."""
        return self._removed.get(room, ())

    def removals(self) -> set[tuple[str, int]]:
        """Return the same of all rooms, as pairs of room and number."""
        return {(room, number) for room, numbers in self._removed.items() for number in numbers}

    def gaps(self, room: str, after: int) -> list[tuple[int, int]]:
        """Return what was given up of a room after a number, as pairs around it."""
        gaps = self._gaps.get(room)
        if gaps is None:
            return [(after, self._lost + 1)] if after < self._lost else []
        return [(max(low, after), high) for low, high in gaps if high > after + 1]

    def lose(self, room: str, after: int, before: int) -> None:
        """Note that the events between two numbers never come."""
        gaps = self._gaps.setdefault(room, [])
        if len(gaps) == MAX_GAPS:
            gaps[-1] = (gaps[-1][0], before)
        else:
            gaps.append((after, before))
        self._bound_gaps()

    def _pop(self) -> RoomEvent:
        event = self._events.popleft()
        self.position += 1
        self.messages -= count(event)
        self.bytes -= self._costs.popleft()
        events = self._rooms[event.room]
        events.popleft()
        if isinstance(event, Removed):
            self._removed[event.room].pop(event.of, None)
        if not events:
            del self._rooms[event.room]
            self.bytes -= _ROOM
            self._removed.pop(event.room, None)
        return event

    def _give_up(self) -> None:
        event = self._pop()
        self.has_lost = True
        gaps = self._gaps.setdefault(event.room, [])
        after, before = event.number - 1, last_number(event) + 1
        if gaps and (gaps[-1][1] == event.number or len(gaps) == MAX_GAPS):
            gaps[-1] = (gaps[-1][0], before)
        else:
            gaps.append((after, before))
        self._bound_gaps()

    def _bound_gaps(self) -> None:
        if len(self._gaps) > MAX_ROOMS_WITH_GAPS:
            _, forgotten = self._gaps.popitem(last=False)
            self._lost = max(self._lost, forgotten[-1][1] - 1)
