"""The status line: what matters most comes first, because a narrow screen cuts the end."""

from __future__ import annotations

from trionet.chat.window.rooms import Rooms
from trionet.chat.window.styled import Row

# A lag from here on is told in seconds, and is worth a look.
_LONG_MS = 2000


def status_row(rooms: Rooms, link: str, *, is_up: bool, waiting: int, lag: int | None) -> Row:
    """Return the status line.

    Args:
        rooms: all rooms.
        link: how the connection is, for example `reconnecting in 4 s`.
        is_up: whether it is up.
        waiting: how many texts have no receipt yet.
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
        if lag is not None:
            text = f"{lag} ms" if lag < _LONG_MS else f"{lag // 1000} s"
            parts.append(("status" if lag < _LONG_MS else "alert", f" · lag {text}"))
        parts.append(("status", f" · {link}"))
    return parts
