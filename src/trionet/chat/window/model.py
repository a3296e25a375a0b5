"""The window: everything that is on the screen and behind it.

Events come in by `hear`, keys by `press` and `paste`, the connection's state by `link_up` and
`link_down`. `take_calls` gives what the window wants done, `composition.compose` makes its rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trionet.chat.person import calls
from trionet.chat.person.commands import say, typed_again
from trionet.chat.person.highlights import Highlights
from trionet.chat.person.ignored import Ignored
from trionet.chat.person.times import UtcOffset, parse_time
from trionet.chat.person.wording import safe_lines
from trionet.chat.window import entries, paging
from trionet.chat.window.actions import Actions
from trionet.chat.window.composition import Layout, lay_out
from trionet.chat.window.entries import Entry
from trionet.chat.window.hearing import hear, page_entries
from trionet.chat.window.log import MAX_ENTRIES
from trionet.chat.window.rooms import PRIVATE, Room, Rooms
from trionet.chat.window.search import find_above

# The rooms of the server that Tab knows.
_MAX_KNOWN_ROOMS = 1000

# Beyond this, a paste is refused: no message could hold it.
MAX_PASTED = 16_384


class Window:
    """A chat window.

    Args:
        name: the name of the person.
        offset: how far local time is ahead of UTC, in seconds, at a time.
        room: the room that is shown first.
        max_entries: how many messages and notices each room keeps.
        highlights: the words that the person waits for.

    Attributes:
        me: the person's name.
        rooms: all rooms, and which is shown.
        link: how the connection is, for people.
        is_up: whether it is up.
        lag: how long the server takes to answer, in milliseconds, or ``None``.
        waiting: how many texts have no receipt yet.
        question: what a key must answer first, or an empty text.
        help_page: which page of the keys is shown instead of the log, from 1; 0: none.
        shows_bare: whether nothing but messages is shown, and stands still.
        has_mouse: whether the wheel scrolls.
        has_bell: whether a mention rings.
        ignored: whom the person does not want to hear.
        highlights: which messages are for the person.
        offset: how far local time is ahead of UTC.
        time: the time as it was told last, or that of the newest event, in seconds since 1970.
    """

    me: str
    rooms: Rooms

    def __init__(
        self,
        name: str,
        *,
        offset: UtcOffset = lambda _: 0,
        room: str = "lobby",
        max_entries: int = MAX_ENTRIES,
        highlights: Sequence[str] = (),
    ) -> None:
        self.me = name
        self.rooms = Rooms(room, offset, max_entries)
        self.link = "connecting"
        self.is_up = False
        self._was_up = False
        self.lag: int | None = None
        self.waiting = 0
        self.question = ""
        self.help_page = 0
        self.shows_bare = False
        self.has_mouse = True
        self.has_bell = False
        self.offset = offset
        self.time = 0
        # The room that was asked for, and is shown once it is entered.
        self.wanted_room = ""
        # Who wrote to this person alone last.
        self.correspondent = ""
        self.ignored = Ignored()
        # Numbers of events hold within an epoch of the server.
        self.epoch = ""
        # Rooms of the server that one is not in, for Tab.
        self.known_rooms: dict[str, None] = {}
        # Rooms whose members a person wants listed, and pages of members so far.
        self.asked_who: set[str] = set()
        self.listed: dict[str, list[str]] = {}
        self._calls: list[calls.Call] = []
        self._actions = Actions(self)
        self._pasted = ""
        self._searched = ""
        # Where the server searches for this person.
        self._sought_in: Room | None = None
        self._size = (80, 24)
        self.highlights = Highlights(name, highlights)

    def pass_time(self, seconds: int) -> None:
        """Take note of the time, in seconds since 1970. It never goes back."""
        self.time = max(self.time, seconds)

    # What comes from the server.

    def hear(self, event: Any) -> None:
        """Change as an event says (see `hearing`)."""
        if (time := getattr(event, "time", None)) is not None:
            self.pass_time(parse_time(time))
        hear(self, event)

    def link_up(self, how: str) -> None:
        """Show that the connection is up."""
        if self._was_up and not self.is_up:
            self.tell("connected again")
        self._was_up = True
        self.is_up, self.link = True, how

    def link_down(self, how: str) -> None:
        """Show that the connection is down, and for how long yet: `reconnecting in 4 s`."""
        if self.is_up:
            self.tell("the connection is lost")
        self.is_up, self.link, self.lag = False, how, None

    def link_ended(self, why: str) -> None:
        """Show that the connection is over for good."""
        self.link_down(f"disconnected: {why}")

    def set_name(self, name: str) -> None:
        """Have another name."""
        self.me = name
        self.highlights.set_name(name)

    def note_room(self, name: str) -> None:
        """Remember that there is a room."""
        if len(self.known_rooms) < _MAX_KNOWN_ROOMS:
            self.known_rooms[name] = None

    def mentions(self, text: str) -> bool:
        """Tell whether a text has the person's name in it, or a word that they wait for."""
        return self.highlights.are_in(text)

    def loaded(self, name: str, events: Sequence[Any], *, more: bool) -> None:
        """Put a page of history in: above all, or where a gap is."""
        page = page_entries(self, events)
        paging.loaded(self, self.rooms.get(name), events, page, more=more)

    def not_loaded(self, name: str, reason: str = "") -> None:
        """Take note that history was refused: no more of it is asked for."""
        room = self.rooms.get(name)
        is_first = not room.log.entries
        paging.not_loaded(room)
        if reason and not is_first:
            self.tell(reason, kind=entries.ERROR)

    def found(self, events: Sequence[Any]) -> None:
        """Show what the server has found, unless the person has ended the search meanwhile."""
        room, self._sought_in = self._sought_in, None
        if room is not self.rooms.shown:
            return
        if events:
            paging.show_found(self, room, events[-1].number)
        else:
            self.tell("the server has found nothing")

    def refused(self, call: calls.ServerCall, reason: str) -> None:
        """Tell that the server has refused something. A text comes back, to be changed."""
        self.tell(reason, kind=entries.ERROR)
        if isinstance(call, calls.Join):
            self.wanted_room = ""
        elif isinstance(call, calls.Search):
            self._sought_in = None
        text, room = typed_again(call), self.rooms.shown
        if isinstance(call, calls.Say | calls.Act) and call.room in self.rooms:
            room = self.rooms.get(call.room)
        if text and not room.draft.cells:
            room.draft.set(text)

    # What commands see of it.

    @property
    def room(self) -> str:
        """The room that is shown."""
        return self.rooms.shown.name

    @property
    def topic(self) -> str:
        """The topic of the room that is shown."""
        return self.rooms.shown.topic

    @property
    def why_mute(self) -> str:
        """Why nothing can be said in the room that is shown; empty: it can."""
        return "write /msg NAME TEXT or /reply TEXT here" if self.room == PRIVATE else ""

    def show_room(self, name: str) -> bool:
        """Show a room, if this person is in it."""
        if name not in self.rooms:
            return False
        self.rooms.show(name)
        return True

    def tell(self, text: str, kind: str = entries.LOCAL) -> None:
        """Show a notice of the window itself in the room that is shown."""
        room = self.rooms.shown
        number = max(room.last, room.log.entries[-1].number if room.log.entries else 0)
        room.log.add(Entry(kind, number, self.time, "", text))

    # What the person does.

    def press(self, key: str) -> None:
        """Do what a key asks for (see `keys`)."""
        if self.shows_bare:
            self.shows_bare = False
        elif not self.question:
            self._actions.press(key)
        elif key in ("y", "Y", "enter"):
            self._send_pasted()
        elif key in ("n", "N", "escape", "c-c"):
            text, self._pasted, self.question = self._pasted, "", ""
            self._actions.insert(text)

    def paste(self, text: str) -> None:
        """Take what was pasted: one line into the text; about several, ask first."""
        text = text.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n")
        text = safe_lines(text)
        lines = [line for line in text.split("\n") if line.strip()]
        said = text.strip("\n")
        if len(text) > MAX_PASTED:
            self.tell("what was pasted is too long for a message", kind=entries.ERROR)
        elif self.question or not lines:
            return
        elif len(lines) == 1:
            self._actions.insert(said)
        else:
            self._pasted = said
            self.question = f"send {len(lines)} lines as one message? y/n"

    def scroll(self, rows: int) -> None:
        """Scroll the log, and ask for older events when the oldest are seen."""
        paging.scroll(self, self.rooms.shown, rows)

    def search(self, text: str) -> None:
        """Search up from what was found last, or from the end."""
        log = self.rooms.shown.log
        text = text.strip() or self._searched
        if not text:
            self.tell("type what to look for, then Ctrl-R")
            return
        start = log.found if text == self._searched and log.found is not None else log.end
        self._searched = text
        if (found := find_above(log, text, start)) is None:
            self._search_server(text)
        else:
            log.show_found(found)

    def end_search(self) -> None:
        """Highlight nothing any more; the view stays."""
        self.rooms.shown.log.forget_found()
        self._searched = ""
        self._sought_in = None

    def show_bare(self) -> None:
        """Show nothing but messages, so that long lines can be copied, until a key is pressed."""
        self.shows_bare = True

    # What the terminal's side asks for.

    def resize(self, columns: int, height: int) -> None:
        """Have another size."""
        self._size = (max(columns, 4), max(height, 3))

    @property
    def layout(self) -> Layout:
        """How the screen is shared out now; the room that is shown knows it as well."""
        columns, height = self._size
        typed = len(self.rooms.shown.draft.view(max(1, columns - 2), height)[0])
        shape = lay_out(columns, height, typed)
        self.rooms.shown.log.resize(shape.log_columns, shape.log)
        return shape

    def call(self, call: calls.Call) -> None:
        """Ask for something to be done."""
        self._calls.append(call)

    def take_calls(self) -> list[calls.Call]:
        """Return what is to be done, and forget it."""
        taken, self._calls = self._calls, []
        return taken

    def _send_pasted(self) -> None:
        text, self._pasted, self.question = self._pasted, "", ""
        if not say(self, text):
            self._actions.insert(text)

    def _search_server(self, text: str) -> None:
        room = self.rooms.shown
        if room.is_complete and not room.log.has_dropped:
            self.tell(f"nothing further up has {text!r}")
        elif not room.is_refused:
            self.tell(f"asking the server for {text!r}")
            self._sought_in = room
            self.call(calls.Search(room.name, text, paging.oldest(room), 1))
