"""Fan-out: one ordered log, delivered to every member.

The plan of this package:

- Everything that touches the order is an entry in one log: publish, tell, add, discard. Entries
  that are appended without a checkpoint in between stay together. `hub_log.py` has the log, the
  room in it, and its batches.
- An event goes to all members, or to those that have its *topic*. Members with the same format and
  topics are one group: `membership.py`, `group.py`.
- Each event is encoded once for each format, when it is appended, so the log's size in bytes is
  known (`batch.py`). One task takes a batch, joins it once for each format and set of topics, and
  puts it into each member's outbox with one call (`delivery.py`). So a batch costs one send for
  each member, however many lines it has; and the more there is to do, the larger the batches get.
- A member that wrote, was told something, was added or discarded within a batch gets a *payload* of
  its own: the same bytes without some lines, and with others between them (`encoded.py`).

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

from collections.abc import Callable, Collection, Coroutine, Hashable, Iterable
from typing import Any, TypeVar

from trionet.abc import Box
from trionet.argument_checks import check_box, check_kind, check_topic, check_topics, shown
from trionet.encoding import check_lines
from trionet.fanout.batch import Batch
from trionet.fanout.delivery import deliver
from trionet.fanout.hub_log import BatchLog
from trionet.fanout.membership import Membership, check_stranger

E = TypeVar("E")


class Hub(BatchLog[E]):
    """One log of events, and the members that it is delivered to.

    Every member sees one common sequence: without the events that exclude it, without those on
    topics that it does not have, and with what it alone is told, in its place.

    Members are boxes: anything with ``put``, such as a connection's outbox. A hub neither opens nor
    closes them.

    A service with a hub keeps four rules. ``examples/board.py`` shows them all:

    - **Answer through the hub.** Call `tell`, not `Connection.send`. A hub's lines wait for its
      task, and what is sent directly overtakes them: after ``hub.publish("changed a")`` and
      ``await connection.send("ok")``, the member reads ``ok`` before ``changed a``.
    - **Read with** ``connection.lines.receive_batch``, and answer a bad line with `tell_lines`:
      ``hub.tell_lines(connection.outbox, encode_notice(LineRejected(bad_line)))``. A loop
      ``async for line in connection.lines`` sends that answer directly, before the answers to
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
        self._membership = Membership[E]()
        # Looked up for each line.
        self._members = self._membership.group_of
        super().__init__(self._membership.formats_of)

    def __repr__(self) -> str:
        state = "ended" if self._ended else "running" if self._started else "not running yet"
        entries, size = self.waiting
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
                now and later. What is published without a topic goes to every member.

        Raises:
            TypeError: `box` has no ordinary ``put``, `encode` is not an ordinary function, or
                `topics` is not a collection of topics, but a single string for example.
        """
        try:
            if self._ended or box in self._members:
                return
        except TypeError:
            check_box(box)
            raise
        try:
            if type(topics) in (str, bytes):
                raise TypeError
            chosen = None if topics is None else frozenset(topics)
        except TypeError:
            check_topics("topics", topics)
            raise
        self._membership.add(box, encode, chosen)
        if self._started and (batch := self._batch or self._open_batch()) is not None:
            batch.add(box, encode, chosen)

    def subscribe(self, box: Box, topic: Hashable) -> None:
        """Give a member a topic: it gets what is published on it from here on. Never a checkpoint.

        Does nothing if the box is not a member, or has the topic already. The cost grows with the
        number of topics that the member has. Give a member that wants thousands all topics instead.

        Args:
            box: the member.
            topic: anything hashable, such as a string, except ``None``.

        Raises:
            TypeError: `topic` cannot be a topic.
        """
        if topic is None or type(topic) is not str:
            check_topic("topic", topic)
        group = self._members.get(box)
        if group is None:
            check_stranger(box)
            return
        if group.topics is None or topic in group.topics:
            return
        self._membership.move(box, group, group.topics | {topic})
        if self._started and (batch := self._batch or self._open_batch()) is not None:
            batch.subscribe(box, group.encode, topic)

    def unsubscribe(self, box: Box, topic: Hashable) -> None:
        """Take a topic from a member: it gets what precedes this in the log. Never a checkpoint.

        Does nothing if the box is not a member, or does not have the topic.

        Args:
            box: the member.
            topic: as given to `subscribe` or `add`.
        """
        group = self._members.get(box)
        if group is None or group.topics is None or topic not in group.topics:
            return
        self._membership.move(box, group, group.topics - {topic})
        if self._started and (batch := self._batch or self._open_batch()) is not None:
            batch.unsubscribe(box, topic)

    def discard(self, box: Box) -> None:
        """Send nothing more to a box, except what precedes this in the log. Never a checkpoint.

        Does nothing if the box is not a member.
        """
        group = self._membership.remove(box)
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
            entries: how many entries the event counts as in the log's length; default 1. If it is
                more, each format must make at least that many lines of the event, or none.

        Raises:
            TypeError: an argument is of the wrong kind; the message says what to write.
            ValueError: `entries` is less than 1.
            RuntimeError: `run` has not been called yet.
        """
        batch = self._batch or self._open_batch()
        if batch is not None:
            excluded = self._membership.excluded(exclude, without)
            if entries != 1:
                check_kind("entries", entries, int)
                if entries < 1:
                    raise ValueError("entries must be at least 1")
            try:
                batch.publish(event, excluded, topic=topic, entries=entries)
            except TypeError:
                # A format's fault is logged, and not raised here.
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

        Args:
            events: the events.
            topic: as in `publish`, for all of them; default ``None``: they go to all members.
            exclude: a member that gets none of them; default ``None``.
            without: more members that get none of them; default none.

        Raises:
            TypeError: `events` is not a list or a tuple.
            RuntimeError: `run` has not been called yet.
        """
        if not isinstance(events, list | tuple):
            raise TypeError(f"events must be a list of events: write [event], not {shown(events)}")
        batch = self._batch or self._open_batch()
        if batch is not None:
            batch.publish_all(events, self._membership.excluded(exclude, without), topic=topic)

    def tell(self, box: Box, event: E) -> int:
        """Send an event to one member alone, in its place in the order. Never a checkpoint.

        A box that is not a member, or no longer one, is told nothing. If one event object is told
        to many members, it is encoded once for each batch and format.

        Args:
            box: the member.
            event: the event.

        Returns:
            How many bytes the member is told.

        Raises:
            RuntimeError: `run` has not been called yet.
        """
        batch = self._batch or self._open_batch()
        group = self._members.get(box)
        if batch is None or group is None:
            check_stranger(box)
            return 0
        return batch.tell(box, group.encode, event)

    def tell_lines(self, box: Box, lines: bytes) -> int:
        """Send lines that are encoded already to one member alone, in their place in the order.

        Never a checkpoint. A box that is not a member, or no longer one, is told nothing.

        Args:
            box: the member.
            lines: whole lines in the member's format.

        Returns:
            How many bytes the member is told.

        Raises:
            TypeError, ValueError: `lines` are not whole lines.
            RuntimeError: `run` has not been called yet.
        """
        lines = check_lines(lines)
        batch = self._batch or self._open_batch()
        if batch is None or box not in self._members:
            check_stranger(box)
            return 0
        return batch.tell_lines(box, lines)

    def _deliver(self, batch: Batch[E, Box]) -> Coroutine[Any, Any, None]:
        return deliver(batch, self._membership, self._lose)

    def _lose(self, box: Box, error: Exception) -> None:
        self._faults.report(
            error, getattr(box, "put", box), "a member's box failed and is discarded", box
        )
        self._membership.remove(box)
