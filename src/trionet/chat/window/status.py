"""The status line: what matters most comes first, because a narrow screen cuts the end."""

from __future__ import annotations

from trionet.chat.window.rooms import Rooms
from trionet.chat.window.styled import Row


def status_row(rooms: Rooms, link: str, *, is_up: bool, waiting: int, lag: int | None) -> Row:
    """Return the status line.

    Args:
        rooms: all rooms.
        link: how the connection is, for example `reconnecting in 4 s`.
        is_up: whether it is up.
        waiting: how many requests wait for their answers.
        lag: how long the server takes to answer, in milliseconds, or ``None``.
    """
    shown = rooms.shown
    parts: Row = [("status", f" {shown.name} · {shown.count} here")]
    if not is_up:
        parts.append(("alert", f" · {link}"))
    if shown.log.below:
        parts.append(("alert", f" · ↓ {shown.log.below} new"))
    elif not shown.log.follows_end:
        parts.append(("status", " · ↓ Alt-End"))
    for room in sorted(rooms, key=lambda room: -min(room.mentions, 1)):
        if room.unread:
            style = "alert" if room.mentions else "status"
            parts += ("status", " · "), (style, f"{room.name}:{room.unread}")
    if waiting:
        parts.append(("status", f" · {waiting} unsent"))
    if is_up:
        parts.append(("status", f" · {link}"))
        if lag is not None:
            parts.append(("status", f" · lag {lag} ms"))
    return parts
