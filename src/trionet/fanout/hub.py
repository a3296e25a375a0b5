"""Fan-out: one ordered log, delivered to every member.

The plan of this file:

- Everything that touches the order is an entry in one log: publish, tell, add, discard. Entries
  that are appended without a checkpoint in between stay together.
- The log goes through one memory channel, a batch at a time. A *batch* is all that is appended
  until the hub takes it: the first entry puts it into the channel, and it grows there.
  (When each entry went through the channel on its own, that was a third of what a line cost.)
- An event goes to all members, or to those that have its *topic*: a chat's room, a symbol of a
  ticker. A topic costs no task, and what it costs depends on the members that have it.
- Each event is encoded once for each format, when it is appended, so the log's size in bytes is
  known. One task takes a batch, joins it once for each format and set of topics, and puts it into
  each member's outbox with one call. So a batch costs one send for each member, however many lines
  it has; and the more there is to do, the larger the batches get.
- A member that wrote, was told something, was added or discarded within a batch gets a *payload* of
  its own: the same bytes without some lines, and with others between them.
- Appending is synchronous, so it works in ``finally`` and under cancellation. The log stays short
  because the tasks that append wait, with `Hub.wait_room`, before they append what a peer caused.

An example. Three entries are appended with no checkpoint in between, so they are one batch::

    hub.publish("one")               # for all
    hub.tell(ann, "for you")         # for Ann alone, in its place
    hub.publish("two", exclude=bob)  # for all but Bob

The hub's task takes this batch and puts one payload into each member's outbox:

| member | payload | |
|---|---|---|
| Ann | ``one``, ``for you``, ``two`` | her own |
| Bob | ``one`` | his own |
| all others, however many | ``one``, ``two`` | the same bytes, joined once |
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Collection, Coroutine, Hashable, Iterable, Iterator
from contextlib import ExitStack
from itertools import chain
from time import perf_counter
from typing import Any, Generic, TypeVar

import trio

from trionet.abc import Box
from trionet.checks import check_box, check_kind, check_topic, check_topics, shown
from trionet.encoding import check_lines
from trionet.fanout.batch import Batch, Delta, Encode, Payload
from trionet.fanout.gate import Gate
from trionet.fanout.group import MEMBERS_AT_ONCE, FormatGroup, is_direct, weight_of
from trionet.faults import FaultLog
from trionet.function_checks import check_encode

E = TypeVar("E")

# Entries that may be pending before readers wait. Large batches are cheap for each line, but the
# first line of a batch waits for its last: 1,024 lines take some 5 ms.
HIGH_WATER = 1024

# Bytes that may be pending before readers wait: 1,024 lines of 512 bytes. Half of it cost a twelfth
# of the throughput in a room of 1,000 members; more of it gains nothing.
HIGH_WATER_BYTES = 1 << 19

# Tasks with up to this many entries do not wait for those that have more: a person never pastes as
# much at a time, and 300 members with as much fill the log five times.
_FEW = 16

# How long the hub goes on between two checkpoints, whatever the members are. (The time of a send
# varies by a factor of a hundred: some sockets have room, others have to make it.)
_SECONDS_AT_ONCE = 0.002

# A member with a payload of its own takes as long as this many that get the whole.
_DELTA_WEIGHT = 2

_NOT_RUNNING = (
    "the hub is not running: write nursery.start_soon(hub.run) before anything is published"
)

logger = logging.getLogger("trionet.fanout")


class Hub(Generic[E]):
    """One log of events, and the members that it is delivered to.

    Every member sees one common sequence, without the events that exclude it or are on topics that
    it does not have, and with the events that it alone is told in their places.

    Members are boxes: anything with ``put``, such as a connection's outbox. A hub neither opens nor
    closes them.

    A service with a hub keeps four rules. ``examples/board.py`` shows them all:

    - **Answer through the hub.** Call `tell`, not `Connection.send`. A hub's lines wait for its
      task, and what is sent directly overtakes them: after ``hub.publish("changed a")`` and
      ``await connection.send("ok")``, the member reads ``ok`` before ``changed a``.
    - **Read with** ``connection.lines.receive_batch``, and answer a bad line with `tell_lines`:
      ``hub.tell_lines(connection.outbox, encode_notice(LineRejected(bad_line)))``. A loop
      ``async for line in connection.lines`` sends that answer directly, in front of the answers to
      earlier lines. So it is right only where nothing is answered through the hub.
    - **Wait before you append.** Call `wait_room` when you have read from a peer, and before you
      append what its lines caused.
    - **Before a handler returns**, `wait_delivered`: its connection is closed then, and what the
      hub still has for the member would be lost.

    Members may come and go before `run` is called. Everything else raises a ``RuntimeError`` until
    then, because nobody would ever receive it. ``nursery.start_soon(hub.run)`` counts as the call:
    what the next line publishes waits for the hub.

    A box or a format that raises costs at most its own place or its own line. The hub logs each
    such fault once and goes on.
    """

    def __init__(self) -> None:
        self._log_send, self._log_receive = trio.open_memory_channel[Batch[E, Box]](math.inf)
        # The batch that entries are added to, which is in the channel already, and the event that
        # is set when it is delivered.
        self._batch: Batch[E, Box] | None = None
        self._delivered: trio.Event | None = None
        # As of the log's end.
        self._members: dict[Box, FormatGroup[E]] = {}
        self._groups: dict[tuple[Encode[E], frozenset[Hashable] | None], FormatGroup[E]] = {}
        # The groups that have each topic, and those that have all.
        self._by_topic: dict[Hashable, dict[FormatGroup[E], None]] = {}
        self._with_all: dict[FormatGroup[E], None] = {}
        # Entries and bytes of the batch that is being delivered.
        self._delivering = 0
        self._delivering_bytes = 0
        # Tasks that wait for room.
        self._gate = Gate()
        self._faults = FaultLog(logger)
        self._started = False
        self._ended = False

    def __repr__(self) -> str:
        state = "ended" if self._ended else "running" if self._started else "not running yet"
        entries, size = self._pending
        return (
            f"<trionet.Hub {state}, {len(self._members)} members, "
            f"{entries} entries ({size} bytes) to deliver>"
        )

    def add(
        self,
        box: Box,
        encode: Callable[[E], bytes],
        *,
        topics: Iterable[Hashable] | None = (),
    ) -> None:
        """Make a box a member. It gets what is published from here on. Never a checkpoint.

        Args:
            box: the member.
            encode: turns an event into whole lines in the member's format; empty: the event is
                not for this format. Members with the same format must share this function: each
                event is encoded once for each function, when it is appended. There should be few.
                A function that raises, or returns anything but lines with their ends, loses that
                event for its members.
            topics: the topics that it has from the beginning; default none. ``None``: all topics,
                now and later. What is published without a topic it gets in any case.

        Raises:
            TypeError: `box` has no ordinary ``put``, `encode` is no ordinary function, or `topics`
                are not several topics, but one text for example.
        """
        try:
            if self._ended or box in self._members:
                return
        except TypeError:
            check_box(box)
            raise
        if not is_direct(box):
            check_box(box)
        try:
            if type(topics) in (str, bytes):
                raise TypeError
            chosen = None if topics is None else frozenset(topics)
        except TypeError:
            check_topics("topics", topics)
            raise
        group = self._group(encode, chosen)
        group.add(box)
        self._members[box] = group
        if self._started and (batch := self._batch or self._open_batch()) is not None:
            batch.add(box, encode, group.topics)

    def subscribe(self, box: Box, topic: Hashable) -> None:
        """Give a member a topic: it gets what is published on it from here on. Never a checkpoint.

        A box that is no member, and one that has the topic, stays as it is. The cost grows with the
        number of topics that the member has: a member that wants thousands gets all instead.

        Args:
            box: the member.
            topic: anything that can be a key, such as a text, except ``None``.

        Raises:
            TypeError: `topic` cannot be a topic.
        """
        if topic is None or type(topic) is not str:
            check_topic("topic", topic)
        group = self._members.get(box)
        if group is None:
            _check_stranger(box)
            return
        if group.topics is None or topic in group.topics:
            return
        self._move(box, group, group.topics | {topic})
        if self._started and (batch := self._batch or self._open_batch()) is not None:
            batch.subscribe(box, group.encode, topic)

    def unsubscribe(self, box: Box, topic: Hashable) -> None:
        """Take a topic from a member: it gets what precedes this in the log. Never a checkpoint.

        A box that is no member, and one that does not have the topic, stays as it is.
        """
        group = self._members.get(box)
        if group is None or group.topics is None or topic not in group.topics:
            return
        self._move(box, group, group.topics - {topic})
        if self._started and (batch := self._batch or self._open_batch()) is not None:
            batch.unsubscribe(box, topic)

    def discard(self, box: Box) -> None:
        """Send nothing more to a box, except what precedes this in the log. Never a checkpoint.

        Discarding a box that is no member is not an error.
        """
        group = self._remove(box)
        if group is not None and self._started:
            batch = self._batch or self._open_batch()
            if batch is not None:
                batch.discard(box, group.encode, group.topics)

    def publish(
        self,
        event: E,
        *,
        topic: Hashable = None,
        exclude: Box | None = None,
        without: Collection[Box] = (),
        entries: int = 1,
    ) -> None:
        """Send an event to all members, or to those that have a topic. Never a checkpoint.

        Args:
            event: the event.
            topic: whose members get it; default ``None``: all members.
            exclude: a member that does not get it; default ``None``.
            without: more members that do not get it; default none.
            entries: as how many entries it counts where the log's length matters; default 1. If it
                is more, each format makes at least so many lines of it, or none.

        Raises:
            TypeError: an argument is of the wrong kind; the message says what to write.
            RuntimeError: `run` was not called yet.
        """
        batch = self._batch or self._open_batch()
        if batch is not None:
            excluded = self._excluded(exclude, without)
            if entries != 1:
                check_kind("entries", entries, int)
            try:
                batch.publish(event, excluded, topic=topic, entries=entries)
            except TypeError:
                # Faults of a format do not come out here.
                check_topic("topic", topic)
                raise

    def publish_all(
        self,
        events: list[E],
        *,
        topic: Hashable = None,
        exclude: Box | None = None,
        without: Collection[Box] = (),
    ) -> None:
        """Send events in their order, as `publish` does with each. Never a checkpoint.

        Raises:
            TypeError: `events` are not a list of events.
            RuntimeError: `run` was not called yet.
        """
        if not isinstance(events, list | tuple):
            raise TypeError(f"events must be a list of events: write [event], not {shown(events)}")
        batch = self._batch or self._open_batch()
        if batch is not None:
            batch.publish_all(events, self._excluded(exclude, without), topic=topic)

    def tell(self, box: Box, event: E) -> int:
        """Send an event to one member alone, in its place in the order. Never a checkpoint.

        A box that is not a member (any more) is told nothing. If one event object is told to many
        members, it is encoded once for each batch and format.

        Returns:
            How many bytes the member is told.

        Raises:
            RuntimeError: `run` was not called yet.
        """
        batch = self._batch or self._open_batch()
        group = self._members.get(box)
        if batch is None or group is None:
            _check_stranger(box)
            return 0
        return batch.tell(box, group.encode, event)

    def tell_lines(self, box: Box, lines: bytes) -> int:
        """Send lines that are encoded already to one member alone, in their place in the order.

        Never a checkpoint. A box that is not a member (any more) is told nothing.

        Args:
            box: the member.
            lines: whole lines in the member's format.

        Returns:
            How many bytes the member is told.

        Raises:
            TypeError, ValueError: `lines` are not whole lines.
            RuntimeError: `run` was not called yet.
        """
        lines = check_lines(lines)
        batch = self._batch or self._open_batch()
        if batch is None or box not in self._members:
            _check_stranger(box)
            return 0
        return batch.tell_lines(box, lines)

    @property
    def is_full(self) -> bool:
        """Whether the log is as long as it may be: in entries, or in bytes.

        Ask before each line that costs something. Appending works all the same.
        """
        entries, size = self._pending
        return entries > HIGH_WATER or size > HIGH_WATER_BYTES

    @property
    def must_wait(self) -> bool:
        """Whether `wait_room` would wait: the log is full, or others already wait for room."""
        return bool(self._gate) or self.is_full

    async def wait_room(self, entries: int = HIGH_WATER) -> None:
        """Wait until the log is short, and take turns with the other tasks that wait.

        Always a checkpoint.

        This is the backpressure on tasks that append, and there is one rule: call it when you have
        read lines from a peer, before you append what they cause. Then append, without another
        checkpoint: at the next one, the hub may let the next task in, and the room is gone. Up to
        100 lines, what ``receive_batch`` returns, may share one call.

        Two properties are for services that count microseconds. If `must_wait` is false, the call
        can be left out. If `is_full` becomes true while you append for many lines, call it again
        before the next line.

        Args:
            entries: about how many entries the task will append; by default many. Tasks with up to
                16 and tasks with more wait in two queues that take turns, each in order of arrival.
                So a line that somebody writes does not wait for the bursts of others.

        Raises:
            RuntimeError: `run` was not called yet.

        Cancellation: gives up the place in the queue.
        """
        if type(entries) is not int:
            check_kind("entries", entries, int)
        self._check_started()
        await trio.lowlevel.checkpoint()
        if self._ended or not self.must_wait:
            return
        try:
            await self._gate.wait(lambda: self._ended or not self.is_full, is_short=entries <= _FEW)
        finally:
            if self._gate and not self._ended and self._batch is None:
                # This task may append nothing, and then no batch would come that lets the others
                # in. An empty batch does.
                self._open_batch()

    async def wait_delivered(self) -> None:
        """Wait until all that was appended so far is in the boxes. Always a checkpoint.

        Raises:
            RuntimeError: `run` was not called yet.
        """
        if (self._batch or self._open_batch()) is None:
            await trio.lowlevel.checkpoint()
            return
        if self._delivered is None:
            self._delivered = trio.Event()
        await self._delivered.wait()

    def run(
        self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> Coroutine[Any, Any, None]:
        """Deliver until cancelled. Run it once, in a nursery that outlives the members.

        The hub counts as running from this call on, not from the first step of its task: entries
        appended after ``nursery.start_soon(hub.run)`` wait for that step.

        Raises:
            RuntimeError: it was called before.

        Cancellation: entries appended later are dropped silently.
        """
        if self._started:
            raise RuntimeError("the hub was run already: a hub is run once, make another one")
        self._started = True
        return self._run(task_status)

    async def _run(self, task_status: trio.TaskStatus[None]) -> None:
        task_status.started()
        try:
            while True:
                batch = await self._log_receive.receive()
                # Two rounds of the scheduler let other tasks append to this batch, the second only
                # if the first brought something. Fewer and larger batches are cheaper: the first
                # round is a quarter more lines a second in a busy room; the second is a tenth less
                # CPU among 1,000 members, and up to 5 % among 100. A third gained nothing.
                for _ in range(2):
                    size = batch.size
                    await trio.lowlevel.checkpoint()
                    if batch.size == size:
                        break
                delivered, self._delivered = self._delivered, None
                self._batch = None
                self._delivering, self._delivering_bytes = batch.size, batch.bytes
                try:
                    await self._deliver(batch)
                finally:
                    # Also when the delivery is cancelled: no other batch will release the waiters.
                    if delivered is not None:
                        delivered.set()
                self._delivering = self._delivering_bytes = 0
                # Do not keep it alive until the next one comes.
                del batch
                if self._gate and not self.is_full:
                    self._gate.let_some_in()
        finally:
            self._end()

    @property
    def _pending(self) -> tuple[int, int]:
        batch = self._batch
        if batch is None:
            return self._delivering, self._delivering_bytes
        return self._delivering + batch.size, self._delivering_bytes + batch.bytes

    def _check_started(self) -> None:
        if not self._started:
            raise RuntimeError(_NOT_RUNNING)

    def _open_batch(self) -> Batch[E, Box] | None:
        """Begin a batch; ``None``: the hub has ended."""
        self._check_started()
        if self._ended:
            return None
        self._batch = Batch(self._formats_of, self._leave_out)
        self._log_send.send_nowait(self._batch)
        return self._batch

    def _end(self) -> None:
        """Release every task that waits for this hub."""
        self._ended = True
        self._batch = None
        self._delivering = self._delivering_bytes = 0
        if self._delivered is not None:
            self._delivered.set()
        self._gate.let_all_in()

    async def _deliver(self, batch: Batch[E, Box]) -> None:
        # Look everything up before the first checkpoint: a member that joins or leaves after it
        # belongs to the next batch.
        deltas = [
            (box, self._members[box].encode, self._members[box].topics, delta)
            for box, delta in batch.deltas.items()
            if box in self._members
        ]
        deliveries = [
            group.deliver(encoded, without=batch.deltas, on_error=self._lose)
            for group, active in self._reached(batch)
            if (encoded := batch.encoded(group.encode, active)).whole
        ]
        with ExitStack() as stack:
            for delivery in deliveries:
                stack.callback(delivery.close)
            served, began = 0, perf_counter()
            for weight in chain(self._put_payloads(batch, deltas), *deliveries):
                served += weight
                if served >= MEMBERS_AT_ONCE or perf_counter() - began > _SECONDS_AT_ONCE:
                    await trio.lowlevel.checkpoint()
                    served, began = 0, perf_counter()

    def _reached(
        self, batch: Batch[E, Box]
    ) -> Iterator[tuple[FormatGroup[E], Collection[Hashable] | None]]:
        """Yield the groups that a batch has something for, and on which of their topics."""
        if None in batch.topics:
            for group in self._groups.values():
                yield group, batch.active(group.topics)
            return
        several: dict[FormatGroup[E], list[Hashable]] = {}
        for topic in batch.topics:
            alone = (topic,)
            for group in self._by_topic.get(topic, ()):
                # Nearly all groups have one topic: then nothing has to be collected.
                if len(group.topics or ()) == 1:
                    yield group, alone
                else:
                    several.setdefault(group, []).append(topic)
        yield from several.items()
        for group in self._with_all if batch.topics else ():
            yield group, None

    def _put_payloads(
        self,
        batch: Batch[E, Box],
        deltas: list[tuple[Box, Encode[E], frozenset[Hashable] | None, Delta]],
    ) -> Iterator[int]:
        """Serve the members with payloads of their own, in steps as `FormatGroup.deliver` does."""
        # Departures come first: a member that left may have joined again.
        for box, encode, departed, end, had in batch.departures:
            yield self._put_payload(box, batch.payload(encode, had, departed, end))
        for box, encode, topics, delta in deltas:
            yield self._put_payload(box, batch.payload(encode, topics, delta))

    def _put_payload(self, box: Box, payload: Payload) -> int:
        """Put a member's payload, and return its weight."""
        pieces, lines, size = payload
        if pieces:
            try:
                if is_direct(box):
                    box.put_pieces(pieces, lines, size)
                else:
                    box.put(b"".join(pieces))
            except Exception as error:
                self._lose(box, error)
        return _DELTA_WEIGHT * weight_of(size)

    def _lose(self, box: Box, error: Exception) -> None:
        self._faults.report(
            error, getattr(box, "put", box), "a member's box failed and is discarded", box
        )
        self._remove(box)

    def _leave_out(self, encode: Encode[E], event: E, error: Exception) -> None:
        self._faults.report(error, encode, "an event could not be encoded and is left out", event)

    def _excluded(self, exclude: Box | None, without: Collection[Box]) -> Collection[Box]:
        """Return the members among those that shall not get an event."""
        try:
            if without:
                boxes = without if exclude is None else {exclude, *without}
                return [box for box in boxes if box in self._members]
            if exclude is None:
                return ()
            if exclude in self._members:
                return (exclude,)
        except TypeError:
            raise TypeError(
                "exclude must be one member, and without a list of members: "
                f"not exclude={shown(exclude)}, without={shown(without)}"
            ) from None
        _check_stranger(exclude)
        return ()

    def _formats_of(self, topic: Hashable) -> Iterable[Encode[E]]:
        groups = self._groups.values() if topic is None else self._by_topic.get(topic, ())
        return dict.fromkeys(group.encode for group in chain(groups, self._with_all))

    def _group(self, encode: Encode[E], topics: frozenset[Hashable] | None) -> FormatGroup[E]:
        """Return the group with a format and topics, made if there is none."""
        group = self._groups.get((encode, topics))
        if group is None:
            # For each group, not for each member.
            check_encode(encode)
            if topics and None in topics:
                check_topic("a topic", None)
            group = self._groups[encode, topics] = FormatGroup(encode, topics)
            if topics is None:
                self._with_all[group] = None
            for topic in topics or ():
                self._by_topic.setdefault(topic, {})[group] = None
        return group

    def _move(self, box: Box, old: FormatGroup[E], topics: frozenset[Hashable]) -> None:
        """Move a member to the group with its new topics."""
        group = self._group(old.encode, topics)
        self._leave_group(box, old)
        group.add(box)
        self._members[box] = group

    def _remove(self, box: Box) -> FormatGroup[E] | None:
        """Forget a member and return its group; ``None``: it was no member."""
        group = self._members.pop(box, None)
        if group is not None:
            self._leave_group(box, group)
        return group

    def _leave_group(self, box: Box, group: FormatGroup[E]) -> None:
        group.discard(box)
        if group:
            return
        del self._groups[group.encode, group.topics]
        if group.topics is None:
            del self._with_all[group]
        for topic in group.topics or ():
            groups = self._by_topic[topic]
            del groups[group]
            if not groups:
                del self._by_topic[topic]


def _check_stranger(box: object) -> None:
    """Refuse what can never have been a member, such as a connection in place of its outbox."""
    if not hasattr(box, "put"):
        check_box(box)
