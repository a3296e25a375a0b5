"""Who is a member of a hub, and in which format group. No I/O.

An event goes to all members, or to those that have its *topic*: a chat's room, a symbol of a
ticker. A topic needs no task, and its cost grows only with the members that have it: members with
the same format and topics are one group, and a batch looks only at the groups that it reaches.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Iterator
from itertools import chain
from typing import Generic, TypeAlias, TypeVar

from trionet.abc import Box, Framing
from trionet.argument_checks import check_box, check_topic, shown
from trionet.fanout.batch import Batch
from trionet.fanout.encoded import Encode
from trionet.fanout.group import FormatGroup, is_direct
from trionet.function_checks import check_encode

E = TypeVar("E")

_Key: TypeAlias = tuple[Encode[E], frozenset[Hashable] | None, Framing | None]


class Membership(Generic[E]):
    """The members of a hub, as of the end of its log.

    Attributes:
        group_of: each member's group.
    """

    __slots__ = ("_by_topic", "_groups", "_with_all", "group_of")

    def __init__(self) -> None:
        self.group_of: dict[Box, FormatGroup[E]] = {}
        self._groups: dict[_Key[E], FormatGroup[E]] = {}
        # The groups that have each topic, and those that have all.
        self._by_topic: dict[Hashable, dict[FormatGroup[E], None]] = {}
        self._with_all: dict[FormatGroup[E], None] = {}

    def add(self, box: Box, encode: Encode[E], topics: frozenset[Hashable] | None) -> None:
        """Take in a new member, with its topics; ``None``: all topics.

        Raises:
            TypeError: `box` has no ordinary ``put``, `encode` is not an ordinary function, or a
                topic is ``None``.
        """
        framing = None
        if is_direct(box):
            framing = getattr(box, "framing", None)
        else:
            # A `put` that cannot be bypassed wraps its lines itself.
            check_box(box)
        group = self._group(encode, topics, framing)
        group.add(box)
        self.group_of[box] = group

    def move(self, box: Box, old: FormatGroup[E], topics: frozenset[Hashable]) -> None:
        """Move a member to the group with its new topics."""
        # Its format was checked when it came. A check takes 20 µs, and a member that comes into a
        # hundred rooms one by one is moved a hundred times.
        group = self._group(old.encode, topics, old.framing, is_checked=True)
        self._leave_group(box, old)
        group.add(box)
        self.group_of[box] = group

    def remove(self, box: Box) -> FormatGroup[E] | None:
        """Forget a member and return its group; ``None``: it was not a member."""
        group = self.group_of.pop(box, None)
        if group is not None:
            self._leave_group(box, group)
        return group

    def excluded(self, exclude: Box | None, without: Collection[Box]) -> Collection[Box]:
        """Return the members among the boxes that an event leaves out."""
        try:
            if without:
                boxes = without if exclude is None else {exclude, *without}
                return [box for box in boxes if box in self.group_of]
            if exclude is None:
                return ()
            if exclude in self.group_of:
                return (exclude,)
        except TypeError:
            raise TypeError(
                "exclude must be one member, and without a list of members: "
                f"not exclude={shown(exclude)}, without={shown(without)}"
            ) from None
        check_stranger(exclude)
        return ()

    def formats_of(self, topic: Hashable) -> Iterable[Encode[E]]:
        """Return the formats of all who have a topic; of all members for the topic ``None``."""
        groups = self._groups.values() if topic is None else self._by_topic.get(topic, ())
        return dict.fromkeys(group.encode for group in chain(groups, self._with_all))

    def reached(
        self, batch: Batch[E, Box]
    ) -> Iterator[tuple[FormatGroup[E], Collection[Hashable] | None]]:
        """Yield each group that a batch has something for, and on which of its topics."""
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

    def _group(
        self,
        encode: Encode[E],
        topics: frozenset[Hashable] | None,
        framing: Framing | None,
        *,
        is_checked: bool = False,
    ) -> FormatGroup[E]:
        """Return the group with this format, topics and framing; make it if there is none."""
        group = self._groups.get((encode, topics, framing))
        if group is None:
            # Checked when a group is made: its later members bring the same arguments.
            if not is_checked:
                check_encode(encode)
            if topics and None in topics:
                check_topic("a topic", None)
            group = FormatGroup(encode, topics, framing)
            self._groups[encode, topics, framing] = group
            if topics is None:
                self._with_all[group] = None
            for topic in topics or ():
                self._by_topic.setdefault(topic, {})[group] = None
        return group

    def _leave_group(self, box: Box, group: FormatGroup[E]) -> None:
        group.discard(box)
        if group:
            return
        del self._groups[group.encode, group.topics, group.framing]
        if group.topics is None:
            del self._with_all[group]
        for topic in group.topics or ():
            groups = self._by_topic[topic]
            del groups[group]
            if not groups:
                del self._by_topic[topic]


def check_stranger(box: object) -> None:
    """Refuse what can never have been a member, such as a connection in place of its outbox."""
    if not hasattr(box, "put"):
        check_box(box)
