"""The commands of the plain format: how each is read, and which one somebody may have meant.

To add a command, add its row to `COMMANDS`; the help shows the rows as they stand here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from trionet.chat.requests import (
    Act,
    AskHelp,
    AskPast,
    AskRooms,
    AskTopic,
    AskWho,
    HearAgain,
    Ignore,
    Join,
    Misunderstood,
    Quit,
    Rename,
    Reply,
    Request,
    Say,
    SetTopic,
    Tell,
)
from trionet.chat.texts import repeated, safe_topic
from trionet.text.safe import WHITE_SPACE, safe_message


class Command(NamedTuple):
    """A command.

    Attributes:
        usage: how to write it: its name, then its arguments. A command whose usage is its name
            stands alone.
        help: what it does, for `/help`; empty: the help does not show it.
        read: makes a request of what follows the command and one space.
    """

    usage: str
    help: str
    read: Callable[[str], Request]

    @property
    def name(self) -> str:
        """The command itself."""
        return self.usage.partition(" ")[0]


def _topic(text: str) -> Request:
    return SetTopic(safe_topic(text)) if text.strip(WHITE_SPACE) else AskTopic()


def _message_to(text: str) -> Request:
    name, _, message = text.lstrip(" \t").partition(" ")
    if not message.strip(WHITE_SPACE):
        raise Misunderstood("/msg needs a name and a text: /msg NAME TEXT")
    return Tell(name, safe_message(message))


COMMANDS = (
    Command("/me TEXT", "an action, such as /me waves", lambda text: Act(safe_message(text))),
    Command(
        "/say TEXT",
        "a message that looks like a command, or a q",
        lambda text: Say(safe_message(text)),
    ),
    Command("/msg NAME TEXT", "a message to one member alone", _message_to),
    Command(
        "/reply TEXT", "the same to whoever wrote so to you", lambda text: Reply(safe_message(text))
    ),
    Command("/who", "who is here", lambda _: AskWho()),
    Command("/rooms", "which rooms there are", lambda _: AskRooms()),
    Command(
        "/join ROOM", "go to another room", lambda room: Join(room.removeprefix("#"), moves=True)
    ),
    Command("/topic [TEXT]", "what this room is about, or set it", _topic),
    Command("/nick NAME", "take another name", Rename),
    Command("/ignore NAME", "hide what a member says", Ignore),
    Command("/unignore NAME", "hear it again", HearAgain),
    Command("/history [N]", "", lambda _: AskPast("the history")),
    Command("/help", "this", lambda _: AskHelp()),
    Command("/quit", "leave", lambda _: Quit()),
)

_BY_NAME = {command.name: command for command in COMMANDS}


def read_command(line: str) -> Request:
    """Read a line that begins with a single `/`.

    Args:
        line: the line without trailing white space.

    Raises:
        Misunderstood: there is no such command, or its argument is missing, or is one too many.
    """
    name, _, argument = line.partition(" ")
    command = _BY_NAME.get(name)
    if command is None:
        raise Misunderstood(_unknown(name))
    arguments = command.usage.partition(" ")[2]
    if argument and not arguments:
        raise Misunderstood(f"{name} stands alone")
    if not arguments or arguments.startswith("["):
        return command.read(argument)
    if not argument.strip(WHITE_SPACE):
        what = "a text" if arguments == "TEXT" else f"a {arguments.partition(' ')[0].lower()}"
        if " " in arguments:
            what += " and a text"
        raise Misunderstood(f"{name} needs {what}: {command.usage}")
    return command.read(argument if arguments.endswith("TEXT") else argument.strip(" \t"))


def _unknown(name: str) -> str:
    meant = nearest(name, _BY_NAME)
    return (
        f"unknown command {repeated(name)} ({f'did you mean {meant}?' if meant else 'try /help'})"
    )


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the only known name that somebody may have meant; ``None``: there is none, or several.

    One letter may be wrong, missing, too many, or swapped with the next. A name in another case is
    not near: whoever writes `/WHO` does not mistype, and the help says how it is written.

    >>> nearest("/jion", ["/join", "/who"])
    '/join'
    """
    near = [other for other in known if other != name.lower() and _is_near(name, other)]
    return near[0] if len(near) == 1 else None


def _is_near(one: str, other: str) -> bool:
    if abs(len(one) - len(other)) > 1:
        return False
    at = 0
    while at < min(len(one), len(other)) and one[at] == other[at]:
        at += 1
    here, there = one[at:], other[at:]
    return (
        here[1:] == there[1:]
        or here[1:] == there
        or here == there[1:]
        or (here[2:] == there[2:] and here[:2] == there[1::-1])
    )
