"""What a person with lines on a terminal knows and sees, below all that changes it. Pure.

Events (`hearing`), commands (`linear_commands`) and `model.Linear`, which brings them together,
change it. Whatever is told waits in it to be printed, and whatever is asked for, to be done.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trionet.chat.person import calls
from trionet.chat.person.highlights import Highlights
from trionet.chat.person.ignored import Ignored
from trionet.chat.person.times import UtcOffset
from trionet.chat.person.typed_commands import ERROR
from trionet.chat.person.wording import safe_lines
from trionet.cli.linear import lines
from trionet.cli.linear.room import Room
from trionet.text.farewells import LEAVE
from trionet.text.safe import safe_text

# The messages that a search shows at most.
FOUND = 20

# Greater than any number of an event.
_NEWEST = 2**53

_SPOKEN = ("said", "acted")


class State:
    """What `model.Linear` knows.

    Args:
        name: the name of the person.
        offset: how far local time is ahead of UTC, in seconds, at a time.
        highlights: words that mention the person as their name does.

    Attributes:
        me: the person's name.
        shown: the room whose lines do not begin with its name; empty: none.
        is_up: whether the connection is up.
        link: the state of the connection, in words; empty: not known yet.
        lag: how long the server takes to answer, in milliseconds, or ``None``.
        waiting: how many texts wait for their receipts.
        has_times: whether each line begins with its time.
        has_joins: whether joins and leaves are told.
        has_bell: whether a mention rings.
        ignored: the members whose messages are hidden.
        highlights: tells which messages mention the person.
        why_ended: why the connection is gone for good; empty: it is not.
        time: the greatest time known, in seconds since 1970.
    """

    def __init__(
        self, name: str, *, offset: UtcOffset = lambda _: 0, highlights: Sequence[str] = ()
    ) -> None:
        self.me = name
        self.shown = ""
        self.is_up = False
        self.lag: int | None = None
        self.waiting = 0
        self.has_times = False
        self.has_joins = True
        self.has_bell = False
        self.ignored = Ignored()
        self.why_ended = ""
        self.time = 0
        # See `trionet.chat.person.typed_commands.View`.
        self.correspondent = ""
        self.wanted_room = ""
        # What `hearing` must remember: the rooms, the epoch, whether the person was greeted,
        # whether the server has held their place, and the new name that was told last.
        self.rooms: dict[str, Room] = {}
        self.epoch = ""
        self.is_welcome = False
        self.has_resumed = False
        self.renamed: object = None
        self._offset = offset
        self.link = ""
        self.highlights = Highlights(name, highlights)
        self._printed: list[str] = []
        self._calls: list[calls.Call] = []

    def pass_time(self, seconds: int) -> None:
        """Note the time, in seconds since 1970. It never goes back."""
        self.time = max(self.time, seconds)

    def take_lines(self) -> list[str]:
        """Return what is to be printed, and clear it."""
        taken, self._printed = self._printed, []
        return taken

    def take_calls(self) -> list[calls.Call]:
        """Return what is to be done, and clear it."""
        taken, self._calls = self._calls, []
        return taken

    # What commands see: `trionet.chat.person.typed_commands.View`.

    @property
    def room(self) -> str:
        """The room that the person speaks in; empty: none.

        After a `/join`, the person speaks in the new room at once: the server takes one request
        after the other. If it refuses the room, it refuses the text, too.
        """
        return self.wanted_room or self.shown

    @property
    def topic(self) -> str:
        """The topic of the room that the person speaks in."""
        return self.rooms[self.room].topic if self.room in self.rooms else ""

    @property
    def why_mute(self) -> str:
        """Why nothing can be said; empty: it can."""
        return "" if self.room else "you are in no room: write /join ROOM"

    def call(self, call: calls.Call) -> None:
        """Ask for something to be done."""
        if not self.is_up and not isinstance(call, calls.TerminalCall):
            self.tell("not connected: this waits for the connection")
        self._calls.append(call)

    def tell(self, text: str, kind: str = "") -> None:
        """Tell the person something."""
        if text == LEAVE:
            self.print(text)
        else:
            self.print(f"{lines.ERROR if kind == ERROR else lines.NOTICE}{safe_text(text)}")

    def show_room(self, name: str) -> bool:
        """Speak in another room, if the person is in it."""
        if name not in self.rooms:
            return False
        self.shown = name
        self.tell(f"you speak in {name} now ({self.rooms[name].count} here)")
        return True

    def ask_history(self, count: int) -> None:
        """Ask for the newest events of the room."""
        self._ask_history(count, _NEWEST)

    def ask_more(self) -> None:
        """Ask for the events before those that were shown last."""
        room = self._known
        self._ask_history(room.asked, room.oldest or _NEWEST)

    def search(self, text: str) -> None:
        """Ask for messages of the room that have some words."""
        self.call(calls.Search(self.room, text.strip(), _NEWEST, FOUND))

    def tell_status(self) -> None:
        """Tell where the person is, and how the connection is."""
        self.tell(f"{self.link}, lag {self.lag} ms" if self.lag is not None else self.link)
        others = [f"{name} ({one.count} here)" for name, one in self.rooms.items()]
        where = f"you speak in {self.room}" if self.room else "you are in no room"
        rooms = f"; your rooms: {', '.join(others)}" if others else ""
        self.tell(f"you are {self.me}; {where}{rooms}")
        if self.waiting:
            self.tell(f"{lines.many(self.waiting, 'text')} not confirmed yet")

    def tell_unsent(self, count: int) -> None:
        """Tell how many requests have no answer, at the end."""
        self.tell(f"{lines.many(count, 'request')} not answered: perhaps not sent", kind=ERROR)

    def _ask_history(self, count: int, before: int) -> None:
        self._known.asked = count
        self.call(calls.History(self.room, before, count))

    @property
    def _known(self) -> Room:
        return self.rooms.get(self.room) or Room()

    # What is told.

    def put(
        self, room: str, told: list[str], event: Any = None, *, may_mention: bool = False
    ) -> None:
        """Print lines about a room, with the prefixes that they need.

        Args:
            room: the room.
            told: the lines.
            event: the event behind them; ``None``: they have no time.
            may_mention: whether it is a message, which may mention the person.
        """
        if may_mention and self.highlights.are_in(safe_lines(event.text)):
            told[0] = f"{lines.MENTION}{told[0]}" + "\a" * self.has_bell
        if room != self.shown:
            told = [f"[{safe_text(room)}] {line}" for line in told]
        if self.has_times and event is not None:
            told = self.stamped(told, event)
        self.print(*told)

    def print(self, *told: str) -> None:
        """Print lines as they are."""
        self._printed += told

    def stamped(self, told: list[str], event: Any) -> list[str]:
        """Return lines after the time of their event."""
        return lines.stamped(told, event.time, self.time, self._offset)

    def note_count(self, event: Any) -> None:
        """Note how many members a room has now."""
        if (room := self.rooms.get(event.room)) is not None:
            room.count = getattr(event, "count", room.count)

    def is_hidden(self, event: Any) -> bool:
        """Tell whether the person has hidden events of this kind."""
        if event.type in _SPOKEN:
            return event.name in self.ignored
        return event.type in ("joined", "left") and not self.has_joins

    def set_name(self, name: str) -> None:
        """Change the person's name."""
        self.me = name
        self.highlights.set_name(name)
