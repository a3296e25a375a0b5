"""All that a person with lines on a terminal is told, and what the lines they type mean. Pure.

Events come in by `hear`, typed lines by `enter` and `paste`, the state of the link by `link_up` and
`link_down`. `take_lines` gives what is to be printed, `take_calls` what is to be done.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trionet.chat.formats.requests import Misunderstood
from trionet.chat.formats.texts import safe_texts
from trionet.chat.person import calls
from trionet.chat.person.highlights import Highlights
from trionet.chat.person.ignored import Ignored
from trionet.chat.person.times import UtcOffset, parse_time
from trionet.chat.person.typed_commands import ERROR, room_key, say, typed_again
from trionet.chat.person.wording import safe_lines
from trionet.cli.linear import lines
from trionet.cli.linear.hearing import hear
from trionet.cli.linear.linear_commands import COMMANDS
from trionet.cli.linear.room import Room
from trionet.text.farewells import LEAVE
from trionet.text.safe import safe_text

# The messages that a search shows at most.
FOUND = 20

# Greater than any number of an event.
_NEWEST = 2**53

_SPOKEN = ("said", "acted")


class Linear:
    """See the head of this file.

    Args:
        name: the name of the person.
        offset: how far local time is ahead of UTC, in seconds, at a time.
        highlights: words that mention the person as their name does.

    Attributes:
        me: the person's name.
        shown: the room whose lines do not begin with its name; empty: none.
        is_up: whether the connection is up.
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
        # See `View`.
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
        self._link = ""
        self._pasted = ""
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

    # What the person types.

    @property
    def is_asking(self) -> bool:
        """Whether the next line answers a question about what was pasted."""
        return bool(self._pasted)

    def enter(self, line: str) -> str:
        """Take a typed line, and return what should go back into the line to be changed."""
        if self._pasted:
            return self._answer(line)
        if not line.strip() or COMMANDS.obey(self, line):
            return ""
        return line

    def paste(self, pasted: Sequence[str]) -> str:
        """Take a paste, and return what should go back into the line to be changed.

        Before several lines are sent, the person is asked. Nothing in them is a command.
        """
        text = "\n".join([*filter(None, [self._pasted]), *pasted])
        self._pasted = ""
        count = sum(1 for line in text.split("\n") if line.strip())
        if count < 2:
            return "" if say(self, text.strip("\n")) else text
        try:
            safe_texts(text)
        except Misunderstood as error:
            self.tell(str(error), kind=ERROR)
            return text
        self._pasted = text
        self.print(f"send {count} lines as one message? y/n")
        return ""

    def _answer(self, line: str) -> str:
        text, self._pasted = self._pasted, ""
        answer = line.strip().lower()
        if answer in ("", "y", "yes"):
            return "" if say(self, text) else text
        if answer in ("q", "/quit"):
            self.call(calls.Quit())
            return ""
        self.tell("not sent")
        # Anything but an answer was typed to go on with the text.
        return text if answer in ("n", "no") else f"{text}\n{line}"

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
        self.tell(f"{self._link}, lag {self.lag} ms" if self.lag is not None else self._link)
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

    # What the link tells.

    def link_up(self, how: str) -> None:
        """Note that the connection is up."""
        if not self.is_up and self._link:
            self.tell("connected again")
        self.is_up, self._link = True, how

    def link_down(self, how: str) -> None:
        """Note that the connection is down, and for how much longer; print it once."""
        if self.is_up:
            self.tell(f"the connection is lost, {how}")
        self.is_up, self._link, self.lag = False, how, None

    def link_ended(self, why: str) -> None:
        """Note that the connection is gone for good."""
        self.is_up, self.why_ended = False, why

    def loaded(self, name: str, events: Sequence[Any], *, more: bool) -> None:
        """Tell what was said before."""
        room = self.rooms.get(name, Room())
        if events:
            room.oldest = events[0].number
        shown = [event for event in events if not self.is_hidden(event)]
        told = [
            line
            for event in shown
            for line in self.stamped(lines.event_lines(event, self.me), event)
        ]
        if not told:
            self.tell(f"nothing was said in {safe_text(name)} before")
            return
        self.tell(f"{lines.many(len(shown), 'event')} of {safe_text(name)}, oldest first:")
        self.print(*told)
        self.tell("end of the past, /more shows what was before" if more else "end of the past")

    def not_loaded(self, name: str, reason: str = "") -> None:
        """Tell that the history of a room was refused."""
        self.tell(safe_text(reason or f"no history of {name}"), kind=ERROR)

    def refused(self, call: calls.ServerCall, reason: str) -> None:
        """Say that something was refused, and which text: several may be unanswered."""
        text = typed_again(call)
        self.tell(f"{reason}: {text}" if text else reason, kind=ERROR)
        if isinstance(call, calls.Join) and room_key(call.room) == self.wanted_room:
            self.wanted_room = ""

    def hear(self, event: Any) -> None:
        """Tell what an event says. One whose type is unknown here is not told."""
        if (time := getattr(event, "time", None)) is not None:
            self.pass_time(parse_time(time))
        hear(self, event)

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
        """Return lines behind the time of their event."""
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
