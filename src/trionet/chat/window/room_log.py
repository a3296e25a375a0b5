"""The log of a room, and the part of it that is seen.

Only visible entries are broken into rows. An entry has an *index*, which it keeps when entries are
added after it. Inserting entries lowers the indices of everything before them, so indices may be
negative. The view either follows the end or is held by an *anchor*: an entry, and which of its rows
is at the top. So nothing that arrives moves what a reader is looking at.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from typing import TypeAlias

from trionet.chat.person.times import UtcOffset, day_of, day_text
from trionet.chat.window.entries import GAP, MAX_GROUP, OWN_KINDS, Entry, entry_rows, goes_on
from trionet.chat.window.styled import Row

# The most entries of a log: 100,000 ordinary messages take some 25 MB.
MAX_ENTRIES = 100_000

# The most characters in a log's texts. One message may have 4,096.
MAX_CHARACTERS = 32 << 20

# Above the limit one entry in this many is dropped at once, because dropping moves the whole list.
_DROPPED_FRACTION = 64

_NewIndex: TypeAlias = Callable[[int], int]

# How many entries have their rows cached: more than any screen shows.
_MAX_CACHED = 512


class Log:
    """Entries in the order of their numbers, and a view of them.

    Attributes:
        entries: all entries. Only this class changes them.
        first: the index of the first entry.
        mark: the index of the first unread entry, or ``None``.
        below: how many entries have arrived since the view left the end.
        has_dropped: whether the oldest entries were dropped; `paging` resets it.
    """

    def __init__(self, offset: UtcOffset, max_entries: int = MAX_ENTRIES) -> None:
        self.entries: list[Entry] = []
        self.first = 0
        self.mark: int | None = None
        self.below = 0
        self.has_dropped = False
        self._offset = offset
        self._max_entries = max_entries
        self._characters = 0
        # How many entries the newest group has.
        self._grouped = 0
        # An index, and a row counted from the entry's first own row: row -1 is the line above it,
        # such as a day. So a day line that appears or disappears there moves nothing.
        self._anchor: tuple[int, int] | None = None
        self._found: int | None = None
        self._columns, self._height = 80, 24
        self._cache: dict[int, tuple[int, list[Row]]] = {}

    @property
    def end(self) -> int:
        """One more than the index of the last entry."""
        return self.first + len(self.entries)

    @property
    def follows_end(self) -> bool:
        """Whether the view shows the end, and will show what arrives."""
        return self._anchor is None

    @property
    def is_full(self) -> bool:
        """Whether there is no room for older entries."""
        return len(self.entries) >= self._max_entries or self._characters >= MAX_CHARACTERS

    @property
    def is_at_top(self) -> bool:
        """Whether the view begins with the first row of the first entry."""
        return not self.entries or self._top() == (self.first, 0)

    def __getitem__(self, index: int) -> Entry:
        return self.entries[index - self.first]

    # Changing the entries.

    def add(self, entry: Entry) -> int:
        """Add an entry after all others, and return its index."""
        entry.goes_on = self._joins_group(entry, self.entries[-1] if self.entries else None)
        self.entries.append(entry)
        self._characters += len(entry.text)
        if len(self.entries) > self._max_entries or self._characters > MAX_CHARACTERS:
            self._drop_oldest()
        if self._anchor is not None and entry.kind not in OWN_KINDS:
            self.below += 1
        return self.end - 1

    def insert(self, index: int, page: Sequence[Entry]) -> None:
        """Insert older entries before the entry with this index, without moving the view."""
        before = self[index - 1] if index > self.first else None
        for entry in page:
            entry.goes_on = self._joins_group(entry, before)
            before = entry
            self._characters += len(entry.text)
        at, count = index - self.first, len(page)
        for entry in self.entries[at:]:
            # A notice of the window has the number of the event before it, which changes here.
            if entry.kind not in OWN_KINDS or not page or entry.number >= page[-1].number:
                break
            entry.number = page[-1].number
        self._grouped = MAX_GROUP
        self.entries[at:at] = page
        self.first -= count
        self._move(lambda known: known - count if known < index else known)
        self._cache.clear()

    def remove(self, index: int) -> None:
        """Remove an entry, for example a gap that has been filled."""
        entry = self.entries.pop(index - self.first)
        self._characters -= len(entry.text)
        self.first += 1
        self._move(lambda known: known + 1 if known <= index else known)
        if index + 1 < self.end:
            self[index + 1].goes_on = False
        self._cache.clear()

    def position(self, number: int) -> int:
        """Return the index of the first entry with this number or a later one."""
        return self.first + bisect_left(self.entries, number, key=_number)

    def find_number(self, number: int) -> int | None:
        """Return the index of the event with this number."""
        at = bisect_left(self.entries, number, key=_number)
        for index in range(at, bisect_right(self.entries, number, lo=at, key=_number)):
            if self.entries[index].kind not in OWN_KINDS and self.entries[index].kind != GAP:
                return self.first + index
        return None

    def change_text(self, index: int, text: str, kind: str) -> None:
        """Replace an entry, for example one that its author has removed."""
        entry = self[index]
        self._characters += len(text) - len(entry.text)
        entry.text, entry.kind, entry.is_mention, entry.goes_on = text, kind, False, False
        self._cache.pop(index, None)

    def set_mark(self, index: int | None) -> None:
        """Draw the line above unread entries before this entry, or nowhere."""
        for changed in (self.mark, index):
            if changed is not None:
                self._cache.pop(changed, None)
        self.mark = index

    # The view.

    def resize(self, columns: int, height: int) -> None:
        """Change the width and the number of the view's rows."""
        if columns != self._columns:
            self._cache.clear()
        self._columns, self._height = columns, height

    def rows(self) -> list[Row]:
        """Return the rows of the view: exactly as many as it has."""
        rows: list[Row] = []
        if self._anchor is None:
            index = self.end - 1
            pages: list[list[Row]] = []
            count = 0
            while index >= self.first and count < self._height:
                pages.append(self._rows(index)[1])
                count += len(pages[-1])
                index -= 1
            rows = [row for page in reversed(pages) for row in page][max(0, count - self._height) :]
        else:
            index, skip = self._top()
            while index < self.end and len(rows) < self._height:
                rows += self._rows(index)[1][skip:]
                index, skip = index + 1, 0
            del rows[self._height :]
        return rows + [[]] * (self._height - len(rows))

    def seen(self) -> list[Entry]:
        """Return the entries that the view shows."""
        if not self.entries:
            return []
        index, skip = self._top()
        first, count = index, -skip
        while index < self.end and count < self._height:
            count += len(self._rows(index)[1])
            index += 1
        return self.entries[first - self.first : index - self.first]

    def scroll(self, rows: int) -> bool:
        """Move the view down, or up if `rows` is negative; tell whether it has reached the top."""
        if not self.entries:
            return True
        index, skip = self._top()
        skip += rows
        while skip < 0 and index > self.first:
            index -= 1
            skip += len(self._rows(index)[1])
        skip = max(skip, 0)
        while index < self.end - 1 and skip >= len(self._rows(index)[1]):
            skip -= len(self._rows(index)[1])
            index += 1
        self._hold(index, min(skip, len(self._rows(index)[1]) - 1))
        if self._rows_from(index, skip) <= self._height:
            self.to_end()
        return index == self.first and skip == 0

    def to_start(self) -> None:
        """Show the first entries."""
        if self.entries:
            self._hold(self.first, 0)

    def to_end(self) -> None:
        """Show the end, and follow it."""
        self._anchor = None
        self.below = 0

    def to_mark(self) -> bool:
        """Put the line above the unread entries at the top of the view, if there is one."""
        if self.mark is None:
            return False
        self._hold(max(self.mark, self.first), 0)
        if self._rows_from(*self._top()) <= self._height:
            self.to_end()
        return True

    def show_found(self, index: int) -> None:
        """Show an entry that a search has found, highlighted, and stay there."""
        self.forget_found()
        self._found = index
        self._cache.pop(index, None)
        self._hold(index, 0)
        self.scroll(-(self._height // 3))
        if self._anchor is None:
            # It is near the end, so `scroll` follows the end. But it must stay in its place.
            self._hold(*self._top())

    def forget_found(self) -> None:
        """Stop highlighting what was found."""
        if self._found is not None:
            self._cache.pop(self._found, None)
            self._found = None

    @property
    def found(self) -> int | None:
        """The index of the highlighted entry."""
        return self._found

    @property
    def top(self) -> int:
        """The index of the entry at the top of the view."""
        return self._top()[0] if self.entries else self.first

    def _top(self) -> tuple[int, int]:
        """Return the index of the entry at the top, and how many of its rows are above the view."""
        if self._anchor is not None:
            index, row = self._anchor
            heads, rows = self._rows(index)
            return index, max(0, min(heads + row, len(rows) - 1))
        index, need = self.end, self._height
        while index > self.first:
            index -= 1
            need -= len(self._rows(index)[1])
            if need <= 0:
                return index, -need
        return self.first, 0

    def _hold(self, index: int, skip: int) -> None:
        self._anchor = index, skip - self._rows(index)[0]

    def _rows_from(self, index: int, skip: int) -> int:
        """Count the rows from here on, and stop once there are more than the view has."""
        count = -skip
        while index < self.end and count <= self._height:
            count += len(self._rows(index)[1])
            index += 1
        return count

    def _rows(self, index: int) -> tuple[int, list[Row]]:
        """Return how many rows stand above an entry's own rows, and all of these rows."""
        if (known := self._cache.get(index)) is None:
            if len(self._cache) >= _MAX_CACHED:
                self._cache.clear()
            heads = self._heads(index)
            rows = entry_rows(
                self[index],
                self._columns,
                self._offset,
                is_below=not heads,
                is_found=index == self._found,
            )
            known = self._cache[index] = len(heads), heads + rows
        return known

    def _heads(self, index: int) -> list[Row]:
        heads: list[Row] = []
        day = day_of(self[index].time, self._offset)
        if index == self.first or day_of(self[index - 1].time, self._offset) != day:
            heads.append([("day", f"── {day_text(day)} ──"[: self._columns])])
        if index == self.mark:
            heads.append([("mark", f"── new {'─' * self._columns}"[: self._columns])])
        return heads

    def _joins_group(self, entry: Entry, before: Entry | None) -> bool:
        joins = self._grouped < MAX_GROUP and goes_on(entry, before)
        self._grouped = self._grouped + 1 if joins else 1
        return joins

    def _drop_oldest(self) -> None:
        count = max(1, min(len(self.entries) - 1, self._max_entries // _DROPPED_FRACTION))
        self._characters -= sum(len(entry.text) for entry in self.entries[:count])
        del self.entries[:count]
        self.has_dropped = True
        self.first += count
        self.entries[0].goes_on = False
        self._cache.clear()
        self._move(lambda index: index)

    def _move(self, new_index: _NewIndex) -> None:
        """Update the mark, what was found and the anchor after indices have changed."""
        if self.mark is not None:
            self.mark = max(new_index(self.mark), self.first)
        if self._found is not None:
            self._found = new_index(self._found)
        if self._anchor is not None:
            index, row = self._anchor
            index = new_index(index)
            self._anchor = (index, row) if index >= self.first else (self.first, 0)
            if index >= self.end:
                # The last entry was taken out.
                self._anchor = (self.end - 1, 0) if self.entries else None


def _number(entry: Entry) -> int:
    return entry.number
