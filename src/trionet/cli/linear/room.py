"""What is known of a room that a person is in."""

from __future__ import annotations

from msgspec import Struct

from trionet.chat.formats.plain_commands import HISTORY


class Room(Struct, gc=False):
    """A room, as of the last event heard.

    Attributes:
        count: how many members it has.
        topic: its topic, or an empty text.
        oldest: the number of the oldest event that `/history` has shown; 0: it has shown none.
        asked: how many events it was asked for.
    """

    count: int = 0
    topic: str = ""
    oldest: int = 0
    asked: int = HISTORY
