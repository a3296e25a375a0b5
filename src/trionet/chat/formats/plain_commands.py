"""The commands of the plain format: how each is written, and how it is answered.

To add a command, add its row to `COMMANDS`; `/help` and the hint at a mistyped command follow. If
it has an answer of its own, add to `ANSWERS` how that is written.

`command_syntax.py` reads the lines. Commands that only a client knows, such as the window's
`/search`, are in `trionet.chat.person.typed_commands`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from trionet.chat.formats import answers
from trionet.chat.formats.command_syntax import Command
from trionet.chat.formats.requests import (
    Act,
    AskHelp,
    AskHistory,
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
from trionet.chat.formats.texts import safe_topic
from trionet.lines import MAX_LINE_TO_CLIENT
from trionet.text.safe import WHITE_SPACE, safe_message

NOTICE = "*** "

# How many events `/history` shows unless told, and at most.
HISTORY = 20
MAX_HISTORY = 200


def _topic(text: str) -> Request:
    return SetTopic(safe_topic(text)) if text.strip(WHITE_SPACE) else AskTopic()


def _history(text: str) -> Request:
    text = text.strip(WHITE_SPACE)
    if not text:
        return AskHistory(limit=HISTORY)
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= MAX_HISTORY):
        raise Misunderstood(f"/history takes a number from 1 to {MAX_HISTORY}")
    return AskHistory(limit=int(text))


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
    Command("/history [N]", "what was said before", _history),
    Command("/help", "this", lambda _: AskHelp()),
    Command("/quit", "leave", lambda _: Quit()),
)

BY_NAME = {command.name: command for command in COMMANDS}

_HELP = (
    "a line is sent to everyone else in the room; these are commands:",
    *(
        f"{command.usage:<15} {command.help}"
        for command in COMMANDS
        if command.help and command.name != "/quit"
    ),
    "//TEXT          a message that begins with a /",
    "/quit or q      leave",
)


def notice_line(text: str) -> str:
    """Return the line of a notice."""
    return f"{NOTICE}{text}\n"


def more(count: int) -> str:
    """Return how many items a list does not show; empty: it shows all."""
    return f" … and {count} more" if count > 0 else ""


def _present(event: answers.Present) -> str:
    return _list(f"{NOTICE}{len(event.names)} here: ", event.names)


def _rooms(event: answers.RoomList) -> str:
    return _list(f"{NOTICE}rooms: ", [f"{room.room} ({room.count})" for room in event.rooms])


def _list(begin: str, items: Iterable[str]) -> str:
    """Return a line with as many items as fit, and how many do not."""
    items = tuple(items)
    line = begin + ", ".join(items)
    encoded = line.encode()
    if len(encoded) > MAX_LINE_TO_CLIENT:
        # No item contains a comma, so the list can be cut at its last commas. Measuring 10,000
        # names one by one would take 3 ms.
        end = MAX_LINE_TO_CLIENT + 1
        while True:
            end = encoded.rindex(b", ", 0, end)
            others = more(len(items) - encoded.count(b", ", 0, end) - 1)
            if end + len(others.encode()) <= MAX_LINE_TO_CLIENT:
                break
        line = encoded[:end].decode() + others
    return f"{line}\n"


# How the answers to commands are written. The past that `/history` shows consists of events, and is
# with them in `plain.py`.
ANSWERS: dict[type[Any], Callable[[Any], str]] = {
    answers.Present: _present,
    answers.RoomList: _rooms,
    answers.TopicIs: lambda event: notice_line(
        f"topic: {event.text}" if event.text else "no topic"
    ),
    answers.Ignored: lambda event: notice_line(
        f"you hear {event.name} again" if event.again else f"you ignore {event.name}"
    ),
    answers.Helped: lambda _: "".join(map(notice_line, _HELP)),
    answers.Ponged: lambda _: notice_line("pong"),
    answers.Done: lambda event: notice_line(f"you are {event.name}"),
}
