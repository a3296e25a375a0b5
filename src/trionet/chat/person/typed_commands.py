"""What a typed line means: a text for the room, or a command.

Each client has a table of its own (`Commands`), which begins with the commands that mean the same
everywhere (`COMMON`). What a command acts on is a `View`: the window, or the lines of a terminal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Generic, NamedTuple, Protocol, TypeVar, assert_never

from trionet.chat.formats.command_syntax import nearest
from trionet.chat.formats.requests import Misunderstood
from trionet.chat.formats.texts import repeated, safe_texts
from trionet.chat.names.names import NameRefused
from trionet.chat.names.room_names import parse_room
from trionet.chat.person import calls
from trionet.chat.person.highlights import Highlights
from trionet.chat.person.ignored import Ignored
from trionet.text.farewells import LEAVE, may_mean_to_leave
from trionet.text.safe import safe_text

# How `View.tell` is told that something cannot be done.
ERROR = "error"

# What people who come from other programs type, and the command that they mean.
_ALSO = {
    "/j": "/join",
    "/part": "/leave",
    "/close": "/leave",
    "/names": "/who",
    "/list": "/rooms",
    "/query": "/msg",
    "/r": "/reply",
    "/find": "/search",
    "/hilight": "/highlight",
}

# Commands of other programs that would be taken for unknown ones here.
_FAREWELL_COMMANDS = frozenset(("/exit", "/bye", "/q"))


class View(Protocol):
    """What a person has before them."""

    me: str
    ignored: Ignored
    highlights: Highlights
    has_bell: bool
    # Who wrote to this person alone last; empty: nobody.
    correspondent: str
    # The room that was asked for, and is shown once it is entered.
    wanted_room: str

    @property
    def room(self) -> str:
        """The room that a text is said in."""

    @property
    def topic(self) -> str:
        """Its topic; empty: none."""

    @property
    def why_mute(self) -> str:
        """Why nothing can be said there; empty: it can."""

    def call(self, call: calls.Call) -> None:
        """Ask for something to be done."""

    def tell(self, text: str, kind: str = ...) -> None:
        """Tell the person something."""

    def show_room(self, name: str) -> bool:
        """Show a room that this person is in; ``False``: they are not in it."""


V = TypeVar("V", bound=View)


class Command(NamedTuple):
    """A command.

    Attributes:
        usage: how to write it: its name, then its arguments.
        help: what it does.
        run: does it, given a view of the kind that the table is for and what follows the command;
            ``False``: it cannot be done, and what was typed should come back.
    """

    usage: str
    help: str
    run: Callable[[Any, str], bool | None]

    @property
    def name(self) -> str:
        """The command itself."""
        return self.usage.partition(" ")[0]


class Commands(Generic[V]):
    """All commands of a kind of view, in the order of the help."""

    def __init__(self, *commands: Command) -> None:
        self._by_name = {command.name: command for command in commands}

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_name)

    def all(self) -> list[Command]:
        """Return the commands."""
        return [*self._by_name.values()]

    def obey(self, view: V, line: str) -> bool:
        """Carry out what was typed; ``False``: it could not be, and should come back."""
        word = line.strip()
        if word == "q":
            view.call(calls.Quit())
        elif may_mean_to_leave(word) or word in _FAREWELL_COMMANDS:
            view.tell(LEAVE)
        elif line.startswith("//"):
            return say(view, line[1:])
        elif line.startswith("/"):
            return self._obey_command(view, line)
        else:
            return say(view, line)
        return True

    def _obey_command(self, view: V, line: str) -> bool:
        name, _, argument = line.rstrip().partition(" ")
        command = self._by_name.get(_ALSO.get(name, name))
        if command is None:
            near = nearest(name, self._by_name)
            hint = f"did you mean {near}?" if near else "try /help"
            view.tell(f"unknown command {repeated(name)} ({hint})", kind=ERROR)
            return False
        needed = command.usage.partition(" ")[2]
        given = argument.split(maxsplit=1) if needed.startswith("NAME TEXT") else argument.split()
        if needed and not needed.startswith("[") and len(given) < len(needed.split()):
            view.tell(f"write {command.usage}", kind=ERROR)
            return False
        if "TEXT" not in needed:
            argument = argument.strip()
        return command.run(view, argument) is not False


def say(view: View, text: str) -> bool:
    """Say a text in the room that is shown."""
    if view.why_mute:
        view.tell(view.why_mute, kind=ERROR)
        return False
    return _send(view, text, calls.Say(view.room, text))


def typed_again(call: calls.Call) -> str:
    """Return what a person would type to say this again; empty: it says nothing."""
    match call:
        case calls.Say(_, text):
            return f"/{text}" if text.startswith("/") else text
        case calls.Act(_, text):
            return f"/me {text}"
        case calls.Tell(to, text):
            return f"/msg {to} {text}"
        case (
            calls.Join()
            | calls.Leave()
            | calls.Remove()
            | calls.SetTopic()
            | calls.Nick()
            | calls.Who()
            | calls.AskRooms()
            | calls.History()
            | calls.Search()
            | calls.Bell()
            | calls.Mouse()
            | calls.Redraw()
            | calls.Suspend()
            | calls.Quit()
            | calls.Interrupt()
        ):
            return ""
        case _:
            assert_never(call)


def _send(view: View, text: str, call: calls.Call) -> bool:
    """Ask for a text to be sent, unless the server would refuse it: then it can be changed."""
    try:
        safe_texts(text)
    except Misunderstood as error:
        view.tell(str(error), kind=ERROR)
        return False
    view.call(call)
    return True


def _act(view: View, text: str) -> bool:
    if view.why_mute:
        view.tell(view.why_mute, kind=ERROR)
        return False
    return _send(view, text, calls.Act(view.room, text))


def _join(view: View, name: str) -> None:
    name = name.removeprefix("#")
    key = room_key(name)
    if view.show_room(key):
        view.wanted_room = ""
    else:
        view.wanted_room = key
        view.call(calls.Join(name))


def room_key(name: str) -> str:
    """Return what the server calls a room."""
    try:
        return parse_room(name).key
    except NameRefused:
        # There is no such room: the server says why.
        return name


def _leave(view: View, name: str) -> None:
    view.call(calls.Leave(name.removeprefix("#") or view.room))


def _tell(view: View, argument: str) -> bool:
    to, _, text = argument.lstrip().partition(" ")
    return _send(view, text, calls.Tell(to, text))


def _reply(view: View, text: str) -> bool:
    if view.correspondent:
        return _send(view, text, calls.Tell(view.correspondent, text))
    view.tell("nobody has written to you alone", kind=ERROR)
    return False


def _topic(view: View, text: str) -> None:
    if text.strip():
        view.call(calls.SetTopic(view.room, text))
    else:
        view.tell(f"topic: {view.topic}" if view.topic else "no topic")


def _ignore(view: View, name: str) -> bool:
    if not name:
        names = safe_text(", ".join(view.ignored.names))
        view.tell(f"you ignore {names}" if names else "you ignore nobody")
    elif name.casefold() == view.me.casefold():
        view.tell("you cannot ignore yourself", kind=ERROR)
        return False
    elif view.ignored.add(name):
        view.tell(f"you ignore {safe_text(name)}")
    else:
        view.tell("you ignore too many members: /unignore one first", kind=ERROR)
        return False
    return True


def _unignore(view: View, name: str) -> bool:
    if view.ignored.discard(name):
        view.tell(f"you hear {safe_text(name)} again")
        return True
    view.tell(f"you do not ignore {safe_text(name)}", kind=ERROR)
    return False


def _highlight(view: View, word: str) -> bool:
    if not word:
        words = safe_text(", ".join(view.highlights.words))
        view.tell(
            f"your name mentions you, and {words}" if words else "only your name mentions you"
        )
    elif view.highlights.add(word):
        view.tell(f"{safe_text(word)} mentions you now")
    else:
        view.tell("too many words mention you already: /unhighlight one", kind=ERROR)
        return False
    return True


def _unhighlight(view: View, word: str) -> bool:
    if view.highlights.discard(word):
        view.tell(f"{safe_text(word)} mentions you no longer")
        return True
    view.tell(f"{safe_text(word)} does not mention you", kind=ERROR)
    return False


def _bell(view: View, what: str) -> None:
    view.has_bell = what != "off"
    view.tell(f"the bell is {'on' if view.has_bell else 'off'}")


COMMON = (
    Command("/join ROOM", "join another room, and speak there", _join),
    Command("/leave [ROOM]", "leave a room", _leave),
    Command("/me TEXT", "say what you do", _act),
    Command("/msg NAME TEXT", "write to one member alone", _tell),
    Command("/reply TEXT", "answer whoever wrote to you alone", _reply),
    Command("/topic [TEXT]", "show or set the topic", _topic),
    Command("/nick NAME", "take another name", lambda view, name: view.call(calls.Nick(name))),
    Command("/rooms", "list the rooms", lambda view, _: view.call(calls.AskRooms())),
    Command("/ignore [NAME]", "hide what a member says, or list whom you ignore", _ignore),
    Command("/unignore NAME", "show it again", _unignore),
    Command("/say TEXT", "say a text, even if it looks like a command", say),
    Command(
        "/highlight [WORD]",
        "let a word mention you, as your name does, or list these words",
        _highlight,
    ),
    Command("/unhighlight WORD", "let it mention you no longer", _unhighlight),
    Command("/bell [off]", "ring when you are mentioned", _bell),
)
QUIT = Command("/quit", "leave the chat", lambda view, _: view.call(calls.Quit()))
