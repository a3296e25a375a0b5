"""The state of a window, which events, keys and commands change.

It decides little by itself. The modules above it change it: `paging`, `search`, `hearing`,
`window_commands`, `actions`, and `model.Window`, which brings them together.
"""

from __future__ import annotations

from collections.abc import Sequence

from trionet.chat.person import calls
from trionet.chat.person.highlights import Highlights
from trionet.chat.person.ignored import Ignored
from trionet.chat.person.times import UtcOffset
from trionet.chat.person.wording import safe_lines
from trionet.chat.window import entries
from trionet.chat.window.entries import Entry
from trionet.chat.window.layout import Layout, lay_out
from trionet.chat.window.room_log import MAX_ENTRIES
from trionet.chat.window.rooms import PRIVATE, Room, Rooms
from trionet.text.safe import safe_text

# The most rooms of the server that are remembered for Tab.
_MAX_KNOWN_ROOMS = 1000


class State:
    """The state of a window.

    Args:
        name: the name of the person.
        offset: how far local time is ahead of UTC, in seconds, at a time.
        room: the room that is shown first.
        max_entries: how many messages and notices each room keeps.
        highlights: words that mention the person as their name does.

    Attributes:
        me: the person's name.
        rooms: all rooms, and which is shown.
        link: the state of the connection, in words.
        is_up: whether the connection is up.
        lag: how long the server takes to answer, in milliseconds, or ``None``.
        waiting: how many texts have no receipt yet.
        question: a question that the next key must answer, or an empty text.
        unseen_notice: a notice below the visible part of the log, which the status line shows until
            the next key; empty: none.
        help_page: which page of the keys is shown instead of the log, from 1; 0: none.
        shows_bare: whether the bare view is shown, which stands still.
        has_mouse: whether the window takes the wheel and clicks.
        pointer: the column and row of the last click or turn of the wheel, counted from 0.
        has_bell: whether a mention rings.
        ignored: the members whose messages are hidden.
        highlights: tells which messages mention the person.
        offset: how far local time is ahead of UTC.
        wanted_room: the room that was asked for, to be shown once it is entered; empty: none.
        joining: how many requests to join a room are unanswered.
        correspondent: who sent the last private message; empty: nobody.
        epoch: the server's epoch, within which numbers of events are unique.
        known_rooms: rooms of the server, joined or not, for Tab.
        asked_who: the rooms whose members the person wants listed.
        listed: the first members of lists whose other lines have not come yet.
        searched: the last text that was searched for; empty: none.
        sought_in: the room that the server is searching, or ``None``.
        time: the greatest time known, in seconds since 1970.
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
        self.was_up = False
        self.lag: int | None = None
        self.waiting = 0
        self.question = ""
        self.unseen_notice = ""
        self.help_page = 0
        self.shows_bare = False
        self.has_mouse = True
        self.pointer = (0, 0)
        self.has_bell = False
        self.offset = offset
        self.time = 0
        self.wanted_room = ""
        self.joining = 0
        self.correspondent = ""
        self.ignored = Ignored()
        self.highlights = Highlights(name, highlights)
        self.epoch = ""
        self.known_rooms: dict[str, None] = {}
        self.asked_who: set[str] = set()
        self.listed: dict[str, list[str]] = {}
        self._calls: list[calls.Call] = []
        self.searched = ""
        self.sought_in: Room | None = None
        self._size = (80, 24)

    def pass_time(self, seconds: int) -> None:
        """Note the time, in seconds since 1970. It never goes back."""
        self.time = max(self.time, seconds)

    def set_name(self, name: str) -> None:
        """Change the person's name."""
        self.me = name
        self.highlights.set_name(name)

    def note_room(self, name: str) -> None:
        """Remember that there is a room."""
        if len(self.known_rooms) < _MAX_KNOWN_ROOMS:
            self.known_rooms[name] = None

    def mentions(self, text: str) -> bool:
        """Tell whether a text mentions the person."""
        return self.highlights.are_in(text)

    # What commands use: `trionet.chat.person.typed_commands.View`.

    @property
    def room(self) -> str:
        """The room that the person speaks in: the one that was asked for, or else the shown one.

        After a `/join`, the person speaks in the new room at once: the server takes one request
        after the other. If it refuses the room, it refuses the text, too.
        """
        return self.wanted_room or self.rooms.shown.name

    @property
    def topic(self) -> str:
        """The topic of the room that the person speaks in."""
        return self.rooms.get(self.room).topic if self.room in self.rooms else ""

    @property
    def why_mute(self) -> str:
        """Why nothing can be said in this room; empty: it can."""
        return "write /msg NAME TEXT or /reply TEXT here" if self.room == PRIVATE else ""

    def show_room(self, name: str) -> bool:
        """Show a room; ``False``: the person is not in it."""
        if name not in self.rooms:
            return False
        self.rooms.show(name)
        return True

    def tell(self, text: str, kind: str = entries.LOCAL) -> None:
        """Show a notice of the window itself in the shown room.

        Many notices repeat what the server said, so control characters are replaced.
        """
        room = self.rooms.shown
        number = max(room.last, room.log.entries[-1].number if room.log.entries else 0)
        if not room.log.follows_end or self.help_page:
            self.unseen_notice = safe_text(text)
        room.log.add(Entry(kind, number, self.time, "", safe_lines(text)))

    def show_bare(self) -> None:
        """Show only messages until a key is pressed, so that long lines can be copied."""
        self.shows_bare = True

    def resize(self, columns: int, height: int) -> None:
        """Change the size of the screen."""
        self._size = (max(columns, 4), max(height, 3))

    @property
    def layout(self) -> Layout:
        """How the screen is divided now. Also tells the shown log its size."""
        columns, height = self._size
        typed = len(self.rooms.shown.draft.view(max(1, columns - 2), height)[0])
        shape = lay_out(columns, height, typed)
        self.rooms.shown.log.resize(shape.log_columns, shape.log)
        return shape

    def call(self, call: calls.Call) -> None:
        """Ask for something to be done."""
        self.joining += isinstance(call, calls.Join)
        self._calls.append(call)

    def take_calls(self) -> list[calls.Call]:
        """Return what is to be done, and clear it."""
        taken, self._calls = self._calls, []
        return taken
