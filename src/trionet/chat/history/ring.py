"""The newest events of each room, in memory. Pure.

Three bounds, and beyond each the oldest goes first: 1,000 events and 1 MiB for a room, 64 MiB for
all rooms. Bytes are those that the process needs for the objects, not the length of texts.

A room is kept until its last event has gone, whether or not anybody is in it.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from heapq import heappop, heappush

from trionet.chat.history.message_runs import cut, last_number
from trionet.chat.state.events import Acted, Removed, Renamed, RoomEvent, Said, TopicSet

MAX_EVENTS = 1_000
MAX_ROOM_BYTES = 1 << 20
MAX_BYTES = 64 << 20

# What objects take, in bytes, as measured on CPython 3.11 with 64 bits: an event with its number,
# time and cost, and its places in the lists; one entry of a list, with what lists keep in reserve;
# a room with its lists. (A full ring that keeps turning over takes 39 to 64 MiB.)
_EVENT = 260
_ENTRY = 9
_ID = 32
_EMPTY_TEXT = "".__sizeof__()
# The allocator rounds up the 65 bytes of an object with 32.
_AUTHOR = 48
_ROOM = 900
# A message of its own, in ASCII and without an id, less its texts.
_MESSAGE = _EVENT + 64 + 28 + 2 * _EMPTY_TEXT + 8 + _AUTHOR

# How many texts a room may hold beyond its bound, until it is asked for something or has more of
# them. They count as bytes that are held. To drop texts one by one, a message took 2.5 to 2.9 µs
# of CPU and not 1.8 to 2.4.
_SPARE = 64


def cost(event: RoomEvent) -> int:
    """Return how many bytes of memory an event needs, in full: nothing it has is shared."""
    if type(event) is Said and len(event.texts) == 1 and event.ids is None:
        # Most are. With this, and without looking at each event that goes (`_trim`), it takes
        # 9,300 instructions to keep one, and took 15,200.
        text, name = event.texts[0], event.name
        if text.isascii() and name.isascii():
            return _MESSAGE + len(text) + len(name) + len(event.author)
    taken = _EVENT + _text(event.name)
    if isinstance(event, Said):
        texts = event.texts
        taken += 64 + 28 * len(texts)
        # Joining ASCII texts of 20 bytes takes 14 ns each, asking each for its size 78.
        block = texts[0] if len(texts) == 1 else "".join(texts)
        if block.isascii():
            taken += _EMPTY_TEXT * len(texts) + len(block)
        else:
            taken += sum(map(str.__sizeof__, texts))
            taken += sum([16 + len(text.encode()) for text in texts if not text.isascii()])
        if event.ids is not None:
            # Nearly all ids are numbers. A call for each took 0.13 µs more.
            others = [id_ for id_ in event.ids if type(id_) is not int]
            taken += 64 + _ENTRY * len(event.ids) + _ID * (len(event.ids) - len(others))
            taken += sum(map(_size_of_id, others))
        return taken + len(event.author) + _AUTHOR
    if isinstance(event, Acted):
        return taken + _text(event.text) + _size_of_id(event.id) + len(event.author) + _AUTHOR
    if type(event) is TopicSet:
        taken += _text(event.text)
    elif type(event) is Renamed:
        taken += _text(event.to)
    return taken + _size_of_id(event.id)


def _text(text: str) -> int:
    # The allocator rounds up to 16 bytes. As soon as members are told, Python keeps the UTF-8 of a
    # text beyond ASCII in it: with texts of 1,300 Han characters, 64 MiB were 159 MiB.
    if text.isascii():
        return _EMPTY_TEXT + len(text) + 8
    return text.__sizeof__() + 24 + len(text.encode())


def _size_of_id(id_: int | str | None) -> int:
    return 0 if id_ is None else _text(id_) if isinstance(id_, str) else _ID


class _Room:
    """The events of one room.

    Attributes:
        events: in the order of their numbers. A run is one entry.
        costs: what each takes, in bytes.
        count: how many numbers they have that are above the floor.
        bytes: what all take.
        floor: everything above it is here. Part of the first entry may be below it.
        last: the number of the last event, removed ones counted.
    """

    __slots__ = ("bytes", "costs", "count", "events", "floor", "last")

    def __init__(self, floor: int) -> None:
        self.events: list[RoomEvent] = []
        self.costs: list[int] = []
        self.count = 0
        self.bytes = _ROOM
        self.floor = floor
        self.last = floor


class Ring:
    """The newest events of each room.

    Args:
        max_events: how many of a room.
        max_room_bytes: how many bytes of a room.
        max_bytes: how many bytes of all rooms.
        is_all: whether there were no events before the first that is appended.

    Attributes:
        bytes: what all events take now.
    """

    def __init__(
        self,
        *,
        max_events: int = MAX_EVENTS,
        max_room_bytes: int = MAX_ROOM_BYTES,
        max_bytes: int = MAX_BYTES,
        is_all: bool = True,
    ) -> None:
        self.bytes = 0
        self._max_events = max_events
        self._max_room_bytes = max_room_bytes
        self._max_bytes = max_bytes
        self._rooms: dict[str, _Room] = {}
        # The rooms that hold more texts than they may have.
        self._untrimmed: set[_Room] = set()
        # Each room once, with the time of an event that was its oldest when it was put here. So
        # the room with the oldest of all is found without looking at all.
        self._ages: list[tuple[int, str]] = []
        # Whether a room that is not here has never had events.
        self._is_all = is_all

    def __repr__(self) -> str:
        return f"<trionet.chat.history.Ring: {len(self._rooms)} rooms, {self.bytes:,} bytes>"

    def append(self, event: RoomEvent) -> int:
        """Keep an event, and let the oldest go for it; return its `cost`.

        A `Removed` erases the text that it names.
        """
        room = self._rooms.get(event.room)
        if room is None:
            room = _Room(0 if self._is_all else event.number - 1)
            self._rooms[event.room] = room
            self.bytes += room.bytes
            heappush(self._ages, (event.time, event.room))
        more = 1
        if type(event) is Said:
            more = len(event.texts)
        elif type(event) is Removed:
            self._erase(room, event.of)
        taken = cost(event)
        room.events.append(event)
        room.costs.append(taken)
        before = room.count
        room.count = count = before + more
        room.last = event.number + more - 1
        room.bytes += taken
        self.bytes += taken
        if count > self._max_events:
            if before <= self._max_events:
                self._untrimmed.add(room)
            if count > self._max_events + _SPARE:
                self._trim(room)
        if room.bytes > self._max_room_bytes:
            self._trim(room)
            while room.bytes > self._max_room_bytes and len(room.events) > 1:
                self._drop_first(room)
        if self.bytes > self._max_bytes:
            for one in list(self._untrimmed):
                self._trim(one)
            while self.bytes > self._max_bytes and self._drop_oldest():
                pass
        return taken

    def forget_before(self, key: str, number: int) -> None:
        """Drop all events of a room: those before a number are not all here."""
        room = self._rooms.get(key)
        if room is not None:
            self._release(room, len(room.events))
            room.count = 0
            room.floor = room.last = max(room.last, number - 1)

    def drop_before(self, time: int) -> None:
        """Drop all events before a time, in milliseconds since 1970, UTC."""
        while self._ages and self._ages[0][0] < time and self._drop_oldest(time):
            pass

    def rooms(self) -> Sequence[str]:
        """Return the keys of all rooms that have events here."""
        return [key for key, room in self._rooms.items() if room.events]

    def last(self, room: str) -> int | None:
        """Return the number of a room's last event; ``None``: nothing of the room is here."""
        known = self._rooms.get(room)
        return known.last if known else None

    def floor(self, room: str) -> int | None:
        """Return the number after which every event is here; ``None``: nothing of it is here."""
        known = self._trimmed(room)
        return known.floor if known else None

    def between(self, room: str, after: int, before: int) -> list[RoomEvent]:
        """Return what is here with numbers between two, oldest first. Runs are cut."""
        known = self._trimmed(room)
        if known is None:
            return []
        after = max(after, known.floor)
        start = bisect_left(known.events, after + 1, key=last_number)
        end = bisect_left(known.events, before, start, key=_number)
        events = known.events[start:end]
        # Only the first and the last can be cut.
        if not events:
            return []
        ends = {0: events[0], len(events) - 1: events[-1]}
        for index, event in sorted(ends.items(), reverse=True):
            part = cut(event, after, before)
            events[index : index + 1] = [] if part is None else [part]
        return events

    def backwards(self, room: str, before: int) -> Iterator[RoomEvent]:
        """Yield a room's events with numbers below one, the newest first.

        The room must not change meanwhile.
        """
        known = self._trimmed(room)
        if known is not None:
            end = bisect_left(known.events, before, key=_number)
            for index in range(end - 1, -1, -1):
                part = cut(known.events[index], known.floor, before)
                if part is not None:
                    yield part

    def _trimmed(self, key: str) -> _Room | None:
        room = self._rooms.get(key)
        if room is not None:
            self._trim(room)
        return room

    def _erase(self, room: _Room, number: int) -> None:
        # Otherwise, a text would come back in place of the one that goes.
        self._trim(room)
        index = bisect_left(room.events, number, key=last_number)
        if index == len(room.events):
            return
        event = room.events[index]
        if event.number > number or type(event) not in (Said, Acted):
            return
        parts = [cut(event, event.number - 1, number), cut(event, number, last_number(event) + 1)]
        left = [part for part in parts if part is not None and last_number(part) > room.floor]
        costs = [cost(part) for part in left]
        more = sum(costs) - room.costs[index]
        room.events[index : index + 1] = left
        room.costs[index : index + 1] = costs
        room.bytes += more
        self.bytes += more
        if number > room.floor:
            room.count -= 1

    def _trim(self, room: _Room) -> None:
        """Hide the oldest texts that are too many, and drop the events that have none left.

        The texts of a run that are hidden stay until all are: cutting a run of 100 again for each
        of its texts would copy 5,000.
        """
        excess = room.count - self._max_events
        if excess <= 0:
            return
        self._untrimmed.discard(room)
        room.count -= excess
        floor, gone = room.floor, 0
        if room.last - floor == room.count + excess:
            # No number is missing. So the first that stays is found without looking at each event.
            room.floor = floor + excess
            self._release(room, bisect_right(room.events, room.floor, key=last_number))
            return
        for event in room.events:
            floor = max(floor, event.number - 1)
            visible = last_number(event) - floor
            if visible > excess:
                floor += excess
                break
            floor += visible
            excess -= visible
            gone += 1
            if not excess:
                break
        room.floor = floor
        self._release(room, gone)

    def _drop_first(self, room: _Room) -> None:
        first = room.events[0]
        last = last_number(first)
        room.count -= last - max(room.floor, first.number - 1)
        room.floor = max(room.floor, last)
        self._release(room, 1)

    def _release(self, room: _Room, gone: int) -> None:
        """Let go of the first events; whoever calls sees to the room's count and floor."""
        taken = sum(room.costs[:gone])
        del room.events[:gone], room.costs[:gone]
        room.bytes -= taken
        self.bytes -= taken

    def _drop_oldest(self, before: int = 1 << 62) -> bool:
        """Drop the oldest event of all rooms, if it was before a time; return whether it was."""
        while self._ages and self._ages[0][0] < before:
            time, key = heappop(self._ages)
            room = self._rooms[key]
            if not room.events:
                self._forget(key)
                continue
            if room.events[0].time > time:
                # Others of this room went since; there may be an older one elsewhere.
                heappush(self._ages, (room.events[0].time, key))
                continue
            self._drop_first(room)
            if room.events:
                heappush(self._ages, (room.events[0].time, key))
            else:
                self._forget(key)
            return True
        return False

    def _forget(self, key: str) -> None:
        room = self._rooms.pop(key)
        self._untrimmed.discard(room)
        self.bytes -= room.bytes
        self._is_all = False


def _number(event: RoomEvent) -> int:
    return event.number
