"""The commands of `chat join --linear`: the common ones, and what is told on demand."""

from __future__ import annotations

from trionet.chat.formats.plain_commands import HISTORY, MAX_HISTORY
from trionet.chat.person import calls
from trionet.chat.person.typed_commands import COMMON, ERROR, QUIT, Command, Commands
from trionet.cli.linear.state import State


def _who(view: State, _: str) -> None:
    view.call(calls.Who(view.room))


def _history(view: State, count: str) -> bool:
    number = int(count) if count.isascii() and count.isdigit() else 0
    if count and not 1 <= number <= MAX_HISTORY:
        view.tell(f"/history takes a number from 1 to {MAX_HISTORY}", kind=ERROR)
        return False
    view.ask_history(number or HISTORY)
    return True


def _times(view: State, what: str) -> None:
    view.has_times = what != "off"
    view.tell(f"each line has {'its time' if view.has_times else 'no time'}")


def _joins(view: State, what: str) -> None:
    view.has_joins = what != "off"
    view.tell(f"joins and leaves are {'told' if view.has_joins else 'not told'}")


def _help(view: State, _: str) -> None:
    view.tell("a line is said to everyone in the room; these are commands:")
    for command in COMMANDS.all():
        view.tell(f"{command.usage}: {command.help}")
    view.tell("//TEXT: say a text that begins with a /")
    view.tell("q: leave the chat")


COMMANDS: Commands[State] = Commands(
    *COMMON,
    Command("/who", "list everyone in the room", _who),
    Command("/history [N]", f"what was said before, the last {HISTORY} or N", _history),
    Command("/more", "what was said before that", lambda view, _: view.ask_more()),
    Command("/search TEXT", "find messages with these words", lambda view, text: view.search(text)),
    Command("/times [off]", "begin each line with its time", _times),
    Command("/joins [off]", "tell who joins and leaves, or not", _joins),
    Command("/status", "where you are, and how the connection is", lambda v, _: v.tell_status()),
    Command("/help", "list the commands", _help),
    QUIT,
)
