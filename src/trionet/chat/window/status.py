"""The status line. What matters most comes first, because a narrow screen cuts off the end."""

from __future__ import annotations

from trionet.chat.window.state import State
from trionet.chat.window.styled import Row

# A lag of this or more is shown in seconds, and highlighted.
_LONG_MS = 2000


def status_row(window: State) -> Row:
    """Return the status line of a window."""
    rooms, shown, lag = window.rooms, window.rooms.shown, window.lag
    parts: Row = [("status", f" {shown.name} · {shown.count} here")]
    if window.unseen_notice:
        parts.append(("alert", f" · {window.unseen_notice}"))
    if not window.is_up:
        parts.append(("alert", f" · {window.link}"))
    if shown.log.below:
        parts.append(("alert", f" · ↓ {shown.log.below} new"))
    elif not shown.log.follows_end:
        parts.append(("status", " · ↓ Alt-End"))
    for room in sorted(rooms, key=lambda room: -min(room.mentions, 1)):
        if room.unread:
            style = "alert" if room.mentions else "status"
            parts += ("status", " · "), (style, f"{room.name}:{room.unread}")
    if window.waiting:
        parts.append(("status", f" · {window.waiting} unsent"))
    if window.is_up:
        if lag is not None:
            text = f"{lag} ms" if lag < _LONG_MS else f"{lag // 1000} s"
            parts.append(("status" if lag < _LONG_MS else "alert", f" · lag {text}"))
        parts.append(("status", f" · {window.link}"))
    return parts
