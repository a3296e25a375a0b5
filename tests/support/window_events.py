"""Events as the client gives them, for a window that has no client."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

NOON = "2026-11-28T12:00:00.000Z"


def event(type_: str, **fields: Any) -> Any:
    """Return an event of the wire with its fields."""
    return SimpleNamespace(type=type_, **fields)


def at(seconds: int) -> str:
    """Return a time so many seconds after noon."""
    hours, rest = divmod(12 * 3600 + seconds, 3600)
    return f"2026-11-28T{hours:02}:{rest // 60:02}:{rest % 60:02}.000Z"


def said(number: int, text: str, *, name: str = "Bea", room: str = "lobby", time: str = "") -> Any:
    """Return a message."""
    time = time or at(number % 3600)
    return event("said", room=room, number=number, time=time, name=name, text=text)


def entered(*names: str, room: str = "lobby", topic: str = "", last: int = 0) -> Any:
    """Return that one is in a room."""
    return event(
        "entered", room=room, topic=topic, members=list(names), count=len(names), last=last
    )


def notice(type_: str, number: int, name: str, **fields: Any) -> Any:
    """Return something of a room that is not a message."""
    fields = {"room": "lobby", "time": at(number % 3600), **fields}
    return event(type_, number=number, name=name, **fields)
