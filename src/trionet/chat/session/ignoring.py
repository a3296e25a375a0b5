"""Who ignores whom: `/ignore`. Pure.

Ignoring belongs to a connection, so nothing of it is in the state. It applies to a member's number,
so it survives a change of name. It ends when either of the two leaves.

A shared log can lose members who are still there, and give their numbers to others. What applies to
such a member is set aside until it is known under another number.
"""

from __future__ import annotations

from collections.abc import Collection

from trionet.abc import Box
from trionet.chat.state.operations import ConnectionId

# How many members a connection may ignore. Each costs some 200 bytes until either leaves.
MAX_IGNORED = 100


class Ignoring:
    """The boxes of those who ignore members, and the members that they ignore.

    Most ignore nobody, so nothing here is made for each session.
    """

    __slots__ = ("_aside", "_by_box", "_deaf")

    def __init__(self) -> None:
        # The members that a box ignores, and the boxes that ignore a member.
        self._by_box: dict[Box, set[int]] = {}
        self._deaf: dict[int, dict[Box, None]] = {}
        # The boxes that ignore a member whose number is not known: by its token or its connection.
        self._aside: dict[bytes | ConnectionId, dict[Box, None]] = {}

    def add(self, box: Box, member: int) -> bool:
        """Make a box ignore a member; return ``False`` if it ignores too many already."""
        ignored = self._by_box.get(box, ())
        if len(ignored) >= MAX_IGNORED and member not in ignored:
            return False
        self._by_box.setdefault(box, set()).add(member)
        self._deaf.setdefault(member, {})[box] = None
        return True

    def discard(self, box: Box, member: int) -> None:
        """Undo `add`."""
        _take_out(self._by_box, box, member)
        deaf = self._deaf.get(member)
        if deaf is not None:
            deaf.pop(box, None)
            if not deaf:
                del self._deaf[member]

    def forget_box(self, box: Box) -> None:
        """Note that a connection has ended."""
        for member in tuple(self._by_box.get(box, ())):
            self.discard(box, member)
        for identity, boxes in tuple(self._aside.items()):
            boxes.pop(box, None)
            if not boxes:
                del self._aside[identity]

    def forget_member(self, member: int) -> None:
        """Note that a member is gone."""
        for box in self._deaf.pop(member, ()):
            _take_out(self._by_box, box, member)

    def ignored(self) -> Collection[int]:
        """Return all members whom somebody ignores."""
        return tuple(self._deaf)

    def set_aside(self, member: int, identity: bytes | ConnectionId) -> None:
        """Note that a member's number is not its own any more."""
        boxes = self._deaf.get(member)
        if boxes is not None:
            self.forget_member(member)
            self._aside.setdefault(identity, {}).update(boxes)

    def aside(self) -> Collection[bytes | ConnectionId]:
        """Return the members who are set aside."""
        return tuple(self._aside)

    def bring_back(self, identity: bytes | ConnectionId, member: int) -> None:
        """Note by which number a member is known that may have been set aside."""
        for box in self._aside.pop(identity, ()):
            self.add(box, member)

    def deaf_to(self, member: int) -> Collection[Box]:
        """Return the boxes that ignore a member."""
        return self._deaf.get(member, ())

    def is_deaf(self, box: Box, member: int) -> bool:
        """Tell whether a box ignores a member."""
        return member in self._by_box.get(box, ())


def _take_out(by_box: dict[Box, set[int]], box: Box, member: int) -> None:
    ignored = by_box.get(box)
    if ignored is not None:
        ignored.discard(member)
        if not ignored:
            del by_box[box]
