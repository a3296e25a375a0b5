"""Who ignores whom: `/ignore`. Pure.

Ignoring belongs to a connection, so nothing of it is in the state. It applies to a member's number,
so it survives a change of name. It ends when either of the two leaves.
"""

from __future__ import annotations

from collections.abc import Collection

from trionet.abc import Box

# How many members a connection may ignore. Each costs some 200 bytes until either leaves.
MAX_IGNORED = 100


class Ignoring:
    """The boxes of those who ignore members, and the members that they ignore.

    Most ignore nobody, so nothing here is made for each session.
    """

    __slots__ = ("_by_box", "_deaf")

    def __init__(self) -> None:
        # The members that a box ignores, and the boxes that ignore a member.
        self._by_box: dict[Box, set[int]] = {}
        self._deaf: dict[int, dict[Box, None]] = {}

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

    def forget_member(self, member: int) -> None:
        """Note that a member is gone."""
        for box in self._deaf.pop(member, ()):
            _take_out(self._by_box, box, member)

    def renumber(self, former: int, member: int) -> None:
        """Note that a member has another number."""
        for box in tuple(self._deaf.get(former, ())):
            self.discard(box, former)
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
