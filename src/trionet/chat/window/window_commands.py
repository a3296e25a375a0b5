"""The window's commands: the common ones, and those about what it shows."""

from __future__ import annotations

from trionet.chat.person import calls
from trionet.chat.person.typed_commands import COMMON, QUIT, Command, Commands
from trionet.chat.window.entries import ACTED, ERROR, SAID
from trionet.chat.window.keys import key_help
from trionet.chat.window.search import search
from trionet.chat.window.state import State


def _who(window: State, _: str) -> None:
    window.asked_who.add(window.room)
    window.call(calls.Who(window.room))


def _remove(window: State, _: str) -> bool:
    room = window.rooms.shown
    # While a `/join` is unanswered, the person already speaks in another room than the one shown.
    for entry in reversed(room.log.entries if room.name == window.room else ()):
        if entry.is_own and entry.kind in (SAID, ACTED):
            window.call(calls.Remove(room.name, entry.number))
            return True
    window.tell("you have said nothing here to remove", kind=ERROR)
    return False


def _mouse(window: State, what: str) -> None:
    window.has_mouse = what != "off"
    window.call(calls.Mouse(window.has_mouse))
    window.tell("the wheel scrolls the window" if window.has_mouse else "the terminal selects text")


def _help(window: State, _: str) -> None:
    for line in key_help():
        window.tell(line)
    # The commands come last, where they can be seen. F1 shows the keys, too.
    for command in COMMANDS.all():
        window.tell(f"{command.usage}  {command.help}")


COMMANDS: Commands[State] = Commands(
    *COMMON,
    Command("/who", "list everyone in the room", _who),
    Command("/search TEXT", "find a text further up", search),
    Command("/remove", "remove what you said last in this room", _remove),
    Command("/mouse [off]", "use the mouse here, or let the terminal select text", _mouse),
    Command("/bare", "show only messages, to copy them", lambda one, _: one.show_bare()),
    Command("/help", "list commands and keys", _help),
    QUIT,
)
