"""Events in words: notices, and texts that are safe to show."""

from __future__ import annotations

from typing import Any

from trionet.text.safe import safe_message, safe_text

# What a new epoch means.
ANEW = "the server started again: the last messages may be missing"

# Only the beginning of a longer name is shown; no server that keeps the protocol has one.
_MAX_NAME = 64


def shown_name(name: str) -> str:
    """Return a name of a member or a room as it is shown."""
    return safe_text(name)[:_MAX_NAME]


def notice_text(event: Any) -> str | None:
    """Return what an event of a room is for people; ``None``: it is a message, or unknown here."""
    name = shown_name(event.name)
    if event.type == "joined":
        return f"{name} joined ({event.count} here)"
    if event.type == "left":
        lost = ", connection lost" if event.reason == "lost" else ""
        return f"{name} left ({event.count} here{lost})"
    if event.type == "renamed":
        return f"{name} is now {shown_name(event.to)}"
    if event.type == "topic":
        topic = safe_text(event.text)
        return f"{name} set the topic: {topic}" if topic else f"{name} removed the topic"
    return None


def safe_lines(text: str) -> str:
    """Return a text of several lines, each made safe to show."""
    if text.isascii() and text.isprintable():
        return text
    return "\n".join(map(safe_message, text.split("\n")))
