"""What a typed line means: a text for the room, or a command of the window."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from trionet.chat.reading_commands import nearest
from trionet.chat.requests import Misunderstood
from trionet.chat.texts import safe_texts
from trionet.chat.window import calls
from trionet.chat.window.entries import ERROR
from trionet.chat.window.keys import key_help
from trionet.chat.window.rooms import PRIVATE

if TYPE_CHECKING:
    from trionet.chat.window.model import Window

# People type these to leave, and would say them to everyone; in small letters.
_FAREWELLS = frozenset(
    (
        *("q", "quit", "quit()", "exit", "exit()", "logout", ":q", ":q!", ":wq", ":x", "\\q"),
        *("/q", "/exit", "/bye"),
    )
)


class _Command(NamedTuple):
    usage: str
    help: str
    # `False`: it cannot be done, and stays in the editor.
    run: Callable[[Window, str], bool | None]


def obey(window: Window, line: str) -> bool:
    """Carry out what was typed; ``False``: it could not be, and stays in the editor."""
    if line.strip() == "q":
        window.call(calls.Quit())
    elif line.strip().lower() in _FAREWELLS:
        window.tell("leave? (q)")
    elif line.startswith("//"):
        return say(window, line[1:])
    elif line.startswith("/"):
        return _obey_command(window, line)
    else:
        return say(window, line)
    return True


def say(window: Window, text: str) -> bool:
    """Say a text in the room that is shown."""
    room = window.rooms.shown.name
    if room == PRIVATE:
        window.tell("write /msg NAME TEXT or /reply TEXT here", kind=ERROR)
        return False
    return _send(window, text, calls.Say(room, text))


def typed_again(call: calls.Call) -> str:
    """Return what a person would type to say this again; empty: it says nothing."""
    match call:
        case calls.Say(_, text):
            return f"/{text}" if text.startswith("/") else text
        case calls.Act(_, text):
            return f"/me {text}"
        case calls.Tell(to, text):
            return f"/msg {to} {text}"
    return ""


def _send(window: Window, text: str, call: calls.Call) -> bool:
    """Ask for a text to be sent, unless the server would refuse it: then it can be changed."""
    try:
        safe_texts(text)
    except Misunderstood as error:
        window.tell(str(error), kind=ERROR)
        return False
    window.call(call)
    return True


def _obey_command(window: Window, line: str) -> bool:
    name, _, argument = line.partition(" ")
    command = COMMANDS.get(name)
    if command is None:
        near = nearest(name, COMMANDS)
        hint = f"did you mean {near}?" if near else "try /help"
        window.tell(f"unknown command {name[:40]} ({hint})", kind=ERROR)
        return False
    needed = command.usage.partition(" ")[2]
    given = argument.split(maxsplit=1) if needed.startswith("NAME TEXT") else argument.split()
    if needed and not needed.startswith("[") and len(given) < len(needed.split()):
        window.tell(f"write {command.usage}", kind=ERROR)
        return False
    return command.run(window, argument.strip()) is not False


def _say(window: Window, text: str) -> bool:
    return say(window, text)


def _act(window: Window, text: str) -> bool:
    return _send(window, text, calls.Act(window.rooms.shown.name, text))


def _join(window: Window, name: str) -> None:
    name = name.removeprefix("#")
    if name.casefold() in window.rooms:
        window.rooms.show(name.casefold())
    elif name != PRIVATE:
        window.wanted_room = name.casefold()
        window.call(calls.Join(name))


def _leave(window: Window, name: str) -> None:
    window.call(calls.Leave(name.removeprefix("#") or window.rooms.shown.name))


def _tell(window: Window, argument: str) -> bool:
    to, _, text = argument.partition(" ")
    return _send(window, text.strip(), calls.Tell(to, text.strip()))


def _reply(window: Window, text: str) -> bool:
    if window.correspondent:
        return _send(window, text, calls.Tell(window.correspondent, text))
    window.tell("nobody has written to you alone", kind=ERROR)
    return False


def _who(window: Window, _: str) -> None:
    window.asked_who.add(window.rooms.shown.name)
    window.call(calls.Who(window.rooms.shown.name))


def _topic(window: Window, text: str) -> None:
    room = window.rooms.shown
    if text:
        window.call(calls.SetTopic(room.name, text))
    else:
        window.tell(f"topic: {room.topic}" if room.topic else "no topic")


def _mouse(window: Window, what: str) -> None:
    window.has_mouse = what != "off"
    window.call(calls.Mouse(window.has_mouse))
    window.tell("the wheel scrolls" if window.has_mouse else "the terminal selects text")


def _bell(window: Window, what: str) -> None:
    window.has_bell = what != "off"
    window.tell(f"the bell is {'on' if window.has_bell else 'off'}")


def _help(window: Window, _: str) -> None:
    for command in COMMANDS.values():
        window.tell(f"{command.usage}  {command.help}")
    for line in key_help():
        window.tell(line)


COMMANDS = {
    command.usage.partition(" ")[0]: command
    for command in (
        _Command("/join ROOM", "add a room and show it", _join),
        _Command("/leave [ROOM]", "leave a room", _leave),
        _Command("/me TEXT", "say what you do", _act),
        _Command("/msg NAME TEXT", "write to one member alone", _tell),
        _Command("/reply TEXT", "answer whoever wrote to you alone", _reply),
        _Command("/topic [TEXT]", "show or set the topic", _topic),
        _Command("/nick NAME", "take another name", lambda w, name: w.call(calls.Nick(name))),
        _Command("/who", "list everyone in the room", _who),
        _Command("/rooms", "list the rooms", lambda w, _: w.call(calls.AskRooms())),
        _Command("/search TEXT", "find a text further up", lambda w, text: w.search(text)),
        _Command("/say TEXT", "say a text, whatever it is", _say),
        _Command("/mouse [off]", "let the terminal select text, or the wheel scroll", _mouse),
        _Command("/bell [off]", "ring when you are mentioned", _bell),
        _Command("/bare", "show nothing but messages, to copy them", lambda w, _: w.show_bare()),
        _Command("/help", "list commands and keys", _help),
        _Command("/quit", "leave the chat", lambda w, _: w.call(calls.Quit())),
    )
}
