"""The whole window: what is on the screen and what is behind it.

Events come in through `hear`, keys through `press` and `paste`, the state of the connection through
`link_up` and `link_down`. `take_calls` returns what the window wants done, and
`composition.compose` its rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trionet.chat.person import calls
from trionet.chat.person.times import UtcOffset, parse_time
from trionet.chat.person.typed_commands import room_key, say, typed_again
from trionet.chat.person.wording import safe_lines
from trionet.chat.window import entries, paging
from trionet.chat.window.actions import Actions
from trionet.chat.window.hearing import hear, load
from trionet.chat.window.room_log import MAX_ENTRIES
from trionet.chat.window.state import State
from trionet.text.safe import safe_text

# A longer paste is refused: no message could hold it.
MAX_PASTED = 16_384
# The keys that answer the question about a paste.
_YES = frozenset({"y", "Y", "enter"})
_NO = frozenset({"n", "N", "escape", "c-c"})

# The most keys that are kept while a question waits for its answer.
_MAX_WAITING = 1_000


class Window(State):
    """A chat window, with the arguments and attributes of `State`."""

    def __init__(
        self,
        name: str,
        *,
        offset: UtcOffset = lambda _: 0,
        room: str = "lobby",
        max_entries: int = MAX_ENTRIES,
        highlights: Sequence[str] = (),
    ) -> None:
        super().__init__(
            name, offset=offset, room=room, max_entries=max_entries, highlights=highlights
        )
        self._actions = Actions(self)
        self._pasted = ""
        # The keys that came before the answer.
        self._waiting: list[str] = []

    # What comes from the server.

    def hear(self, event: Any) -> None:
        """Update the window with an event (see `hearing`)."""
        if (time := getattr(event, "time", None)) is not None:
            self.pass_time(parse_time(time))
        hear(self, event)

    def link_up(self, how: str) -> None:
        """Show that the connection is up."""
        if self.was_up and not self.is_up:
            self.tell("connected again")
        self.was_up = True
        self.is_up, self.link = True, safe_text(how)

    def link_down(self, how: str) -> None:
        """Show that the connection is down, and for how much longer: `reconnecting in 4 s`."""
        if self.is_up:
            self.tell("the connection is lost")
        self.is_up, self.link, self.lag = False, safe_text(how), None

    def link_ended(self, why: str) -> None:
        """Show that the connection is gone for good."""
        self.link_down(f"disconnected: {why}")

    def loaded(self, name: str, events: Sequence[Any], *, more: bool) -> None:
        """Put a page of history in: above all, or where a gap is."""
        load(self, name, events, more=more)

    def not_loaded(self, name: str, reason: str = "") -> None:
        """Note that history was refused, and ask for no more."""
        room = self.rooms.get(name)
        is_first = not room.log.entries
        paging.not_loaded(room)
        if reason and not is_first:
            self.tell(reason, kind=entries.ERROR)

    def refused(self, call: calls.ServerCall, reason: str) -> None:
        """Say that something was refused, and give its text back.

        The text goes back into the editor. If the editor is in use, the text is shown with the
        reason instead, and the Up key brings it back.
        """
        if isinstance(call, calls.Join):
            self.joining = max(self.joining - 1, 0)
            if room_key(call.room) == self.wanted_room:
                self.wanted_room = ""
        elif isinstance(call, calls.Search):
            self.sought_in = None
        text, room = safe_lines(typed_again(call)), self.rooms.shown
        if isinstance(call, calls.Say | calls.Act) and call.room in self.rooms:
            room = self.rooms.get(call.room)
        if text:
            self._actions.history.keep(text)
            if room.draft.cells:
                reason = f"{reason}: {text}"
            else:
                room.draft.give_back(text)
                if room is not self.rooms.shown:
                    reason = f"{reason} (the text is in {room.name} again)"
        self.tell(reason, kind=entries.ERROR)

    # What the person does.

    def press(self, key: str) -> None:
        """Carry out a key's action (see `keys`)."""
        self.unseen_notice = ""
        if self.shows_bare:
            self.shows_bare = False
        elif not self.question:
            self._actions.press(key)
        elif key in _YES | _NO:
            text, self._pasted, self.question = self._pasted, "", ""
            if key in _YES and say(self, text):
                self._actions.history.add(text)
            else:
                self._actions.insert(text)
            keys, self._waiting = self._waiting, []
            for waiting in keys:
                self._actions.press(waiting)
        elif len(self._waiting) < _MAX_WAITING:
            # They type on because they have not seen the question yet. Their text is not lost.
            self._waiting.append(key)

    def point(self, column: int, row: int, *, is_click: bool) -> None:
        """Note a click, or where the wheel is turned.

        Args:
            column: the column of the screen, counted from 0.
            row: the row, counted from 0.
            is_click: whether it is a click of the first button.
        """
        self.pointer = (column, row)
        if is_click and not self.question and not self.shows_bare:
            self._actions.click()

    def paste(self, text: str) -> None:
        """Take a paste. One line goes into the text; before several are sent, ask."""
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
