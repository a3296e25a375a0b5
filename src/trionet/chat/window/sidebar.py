"""The list beside the log: the rooms, then the members of the shown room."""

from __future__ import annotations

from trionet.chat.window.layout import LIST_COLUMNS
from trionet.chat.window.rooms import Room
from trionet.chat.window.state import State
from trionet.chat.window.styled import Row, name_style
from trionet.chat.window.widths import cut


def sidebar_rows(window: State, height: int) -> list[Row]:
    """Return the rows of the list: as many as the log has."""
    room = window.rooms.shown
    lines: list[Row] = []
    if rooms := _listed_rooms(window, height):
        for one in rooms:
            unread = f":{one.unread}" if one.unread else ""
            style = "alert" if one.mentions else "shown" if one is room else "notice"
            name = cut(one.name, LIST_COLUMNS - len(unread))
            lines.append([(style, f"{name}{unread}")])
        lines.append([("notice", "─" * LIST_COLUMNS)])
    lines += _member_rows(window, room, height - len(lines))
    del lines[height:]
    lines += [[]] * (height - len(lines))
    return [[("notice", "│"), *line] for line in lines]


def room_at(window: State, column: int, row: int) -> Room | None:
    """Return the room that the list shows at a column and row, counted from 0."""
    shape = window.layout
    at = row - shape.topic
    if not is_over_sidebar(window, column, row) or window.help_page:
        return None
    rooms = _listed_rooms(window, shape.log)
    return rooms[at] if at < len(rooms) else None


def is_over_sidebar(window: State, column: int, row: int) -> bool:
    """Tell whether a place of the screen, counted from 0, belongs to the list."""
    shape = window.layout
    return shape.log_columns < column < shape.columns and 0 <= row - shape.topic < shape.log


def scroll_members(window: State, rows: int) -> None:
    """Scroll the members down, or up if `rows` is negative."""
    room, height = window.rooms.shown, window.layout.log
    rooms = len(_listed_rooms(window, height))
    most = _most_above(room, height - rooms - bool(rooms))
    room.members_above = max(0, min(room.members_above + rows, most))


def _listed_rooms(window: State, height: int) -> list[Room]:
    """Return the rooms that fit into the list; the shown room is one of them."""
    rooms = list(window.rooms)
    if len(rooms) == 1:
        return []
    most = max(1, height // 2)
    start = max(0, rooms.index(window.rooms.shown) + 1 - most)
    return rooms[start : start + most]


def _most_above(room: Room, height: int) -> int:
    """Return how many members are above the list when it is scrolled to its end."""
    return max(0, len(room.members) - height + (room.count > len(room.members)))


def _member_rows(window: State, room: Room, height: int) -> list[Row]:
    above = min(room.members_above, _most_above(room, height))
    lines: list[Row] = []
    if above:
        # This row takes the place of a name.
        above += 1
        lines.append([("notice", f"↑ {above} more")])
    place = height - len(lines)
    if room.count - above > place:
        place -= 1
    names = room.members[above : above + max(0, place)]
    for name in names:
        style = "own" if name == window.me else name_style(name)
        lines.append([(style, cut(name, LIST_COLUMNS))])
    if (below := room.count - above - len(names)) > 0:
        lines.append([("notice", cut(f"and {below} more", LIST_COLUMNS))])
    return lines
