"""What each key does: `keys.BINDINGS` names a method here for each key."""

from __future__ import annotations

from trionet.chat.person import calls
from trionet.chat.window import paging
from trionet.chat.window.completion import Completion
from trionet.chat.window.composition import count_help_pages
from trionet.chat.window.editor import Editor
from trionet.chat.window.entries import ERROR
from trionet.chat.window.input_history import InputHistory
from trionet.chat.window.keys import ACTIONS
from trionet.chat.window.search import end_search, search, show_mention
from trionet.chat.window.sidebar import is_over_sidebar, room_at, scroll_members
from trionet.chat.window.state import State
from trionet.chat.window.window_commands import COMMANDS

# How far the wheel scrolls at a time.
WHEEL_ROWS = 3

# Actions that the editor carries out: its methods have the same names.
_EDITING = frozenset(
    (
        *("left", "right", "home", "end", "word_left", "word_right", "backspace", "delete"),
        *("kill_to_start", "kill_to_end", "kill_word", "kill_next_word", "yank"),
    )
)

# All actions that change the text. After one of them, typing adds to a text that was given back
# instead of replacing it.
_CHANGING = _EDITING | {"up", "down", "new_line", "complete"}


class Actions:
    """Carries out what keys ask for.

    Attributes:
        history: what was sent before.
    """

    def __init__(self, window: State) -> None:
        self.history = InputHistory()
        self._window = window
        self._completion = Completion()
        self._is_full = False

    @property
    def _editor(self) -> Editor:
        return self._window.rooms.shown.draft

    def press(self, key: str) -> None:
        """Carry out a key's action; a key that is a single character is inserted."""
        if (action := ACTIONS.get(key)) is not None:
            if action == "nth_room":
                self._window.wanted_room = ""
                self._window.rooms.show_nth(int(key[-1]))
            else:
                if action in _CHANGING:
                    self._editor.is_returned = False
                getattr(self._editor if action in _EDITING else self, action)()
        elif len(key) == 1 and (key.isprintable() or key in "\u200c\u200d"):
            self.insert(key)

    def insert(self, text: str) -> None:
        """Insert typed or pasted text."""
        if self._editor.insert(text):
            self._is_full = False
        elif not self._is_full:
            # Say it once, not for each of a thousand keys.
            self._is_full = True
            self._window.tell("this text is as long as it can be", kind=ERROR)

    def enter(self) -> None:
        """Send the text, or carry out the command in it."""
        # The command may switch rooms, but the text belongs to this one.
        editor = self._editor
        text = editor.text
        if not text.strip():
            return
        if COMMANDS.obey(self._window, text):
            editor.set("")
        else:
            editor.give_back(text)
        self.history.add(text)

    def new_line(self) -> None:
        """Begin another line in the text."""
        self.insert("\n")

    def complete(self) -> None:
        """Complete the word before the cursor."""
        window = self._window
        names = window.rooms.shown.names(window.me)
        rooms = list(dict.fromkeys([*(room.name for room in window.rooms), *window.known_rooms]))
        self._completion.complete(self._editor, names, rooms, list(COMMANDS))

    def up(self) -> None:
        """Move up a line; from the first line, bring back what was sent before."""
        if not self._editor.up() and (text := self.history.older(self._editor.text)) is not None:
            self._editor.set(text)

    def down(self) -> None:
        """Move down a line; from the last line, bring back what was sent after it."""
        if not self._editor.down() and (text := self.history.newer()) is not None:
            self._editor.set(text)

    def page_up(self) -> None:
        """Scroll up by one row less than the log shows."""
        self._scroll(-max(1, self._window.layout.log - 1))

    def page_down(self) -> None:
        """Scroll down by one row less than the log shows."""
        self._scroll(max(1, self._window.layout.log - 1))

    def wheel_up(self) -> None:
        """Scroll up a little."""
        self._turn(-WHEEL_ROWS)

    def wheel_down(self) -> None:
        """Scroll down a little."""
        self._turn(WHEEL_ROWS)

    def click(self) -> None:
        """Show the room that was clicked in the list."""
        if (room := room_at(self._window, *self._window.pointer)) is not None:
            self._window.wanted_room = ""
            self._window.rooms.show(room.name)

    def to_start(self) -> None:
        """Show the oldest messages that are loaded, and ask for older ones."""
        self._window.rooms.shown.log.to_start()
        self._scroll(-1)

    def to_end(self) -> None:
        """Show the newest messages."""
        self._window.rooms.shown.log.to_end()

    def to_mark(self) -> None:
        """Show the first unread message."""
        self._window.rooms.shown.log.to_mark()

    def previous_mention(self) -> None:
        """Show the message above that mentions the person."""
        show_mention(self._window, -1)

    def next_mention(self) -> None:
        """Show the message below that mentions the person."""
        show_mention(self._window, 1)

    def next_unread(self) -> None:
        """Show the next room with something unread."""
        self._window.wanted_room = ""
        self._window.rooms.show_unread()

    def next_room(self) -> None:
        """Show the next room."""
        self._window.wanted_room = ""
        self._window.rooms.step(1)

    def previous_room(self) -> None:
        """Show the room before."""
        self._window.wanted_room = ""
        self._window.rooms.step(-1)

    def search(self) -> None:
        """Search for the typed text; without one, search further up for the last."""
        text = self._editor.take()
        search(self._window, text)

    def bare(self) -> None:
        """Show only messages, so that they can be copied."""
        self._window.show_bare()

    def escape(self) -> None:
        """End a search, or the help."""
        self._window.help_page = 0
        end_search(self._window)

    def help(self) -> None:
        """Show the first page of the keys, then the next one, and at last the log again."""
        pages = count_help_pages(self._window.layout)
        self._window.help_page = (self._window.help_page + 1) % (pages + 1)

    def redraw(self) -> None:
        """Redraw the whole screen."""
        self._window.call(calls.Redraw())

    def interrupt(self) -> None:
        """Clear the text; with no text, leave."""
        if self._editor.cells:
            self._editor.set("")
            self.history.leave()
        else:
            self._window.call(calls.Interrupt())

    def end_of_input(self) -> None:
        """Leave if there is no text; otherwise erase a character, as editors do."""
        if self._editor.cells:
            self._editor.delete()
        else:
            self._window.call(calls.Quit())

    def suspend(self) -> None:
        """Stop the program until the shell continues it."""
        self._window.call(calls.Suspend())

    def _scroll(self, rows: int) -> None:
        paging.scroll(self._window, self._window.rooms.shown, rows)

    def _turn(self, rows: int) -> None:
        """Scroll what the pointer is over: the members or the log."""
        if is_over_sidebar(self._window, *self._window.pointer):
            scroll_members(self._window, rows)
        else:
            self._scroll(rows)
