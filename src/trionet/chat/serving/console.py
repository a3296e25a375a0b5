"""The room as its operator sees it: one line of text for each thing that happens.

The console is a member of the hub like any other box, so it sees the same order as everyone. Its
lines are those of the plain format, whatever format the members use.
"""

from __future__ import annotations

from collections.abc import Callable

from trionet.chat.formats import plain
from trionet.chat.formats.answers import Event
from trionet.chat.names.room_names import LOBBY
from trionet.chat.state.events import Acted, Said


class Console:
    """A box that shows each line it gets.

    Args:
        show: called with each line.
    """

    def __init__(self, show: Callable[[str], object]) -> None:
        self._show = show

    def put(self, lines: bytes) -> None:
        """Show lines, one by one."""
        for line in lines.decode().removesuffix("\n").split("\n"):
            self._show(line)


def encode_everything(event: Event) -> bytes:
    """Return the lines that tell an event. Each begins with its room, unless that is the lobby."""
    lines = plain.encode(event)
    room = getattr(event, "room", LOBBY)
    if room == LOBBY or not lines:
        return lines
    begin = f"[{room}] ".encode()
    return begin + lines[:-1].replace(b"\n", b"\n" + begin) + b"\n"


def encode_notices(event: Event) -> bytes:
    """Return the lines that tell an event; empty for what members say."""
    return b"" if type(event) in (Said, Acted) else encode_everything(event)
