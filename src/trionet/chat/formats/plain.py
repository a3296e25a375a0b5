"""The plain wire format, made for `nc` and for people.

| the server sends | as |
|---|---|
| a message | ``Ann: hello`` |
| an action | ``* Ann waves`` |
| a message to one member alone | ``[Ann to you] hello`` |
| a notice, or the answer to a command | ``*** Ann joined (3 here)`` |
| the answer to a mistake | ``error: REASON`` |

| a peer sends | as |
|---|---|
| its name | the first line |
| a message | a line; if the text begins with ``/``, as ``//…`` or ``/say /…`` |
| a command | ``/me TEXT`` and the others of `plain_commands.COMMANDS`, or ``q`` |

A peer of this format is in one room at a time, so no line needs to name it. The commands, with
their answers, are in `plain_commands.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, assert_never, cast

from trionet.chat.formats import answers
from trionet.chat.formats.answers import MAX_WELCOME_NAMES, Event
from trionet.chat.formats.command_syntax import read_command
from trionet.chat.formats.local_time import stamp
from trionet.chat.formats.plain_commands import ANSWERS, BY_NAME, NOTICE, more, notice_line
from trionet.chat.formats.requests import LogIn, Quit, Request, Say, SayAll
from trionet.chat.state import events
from trionet.lines import Line
from trionet.notices import (
    AddressFull,
    ConnectingTooFast,
    IdleTimedOut,
    LineRejected,
    LinesMissed,
    LoginTimedOut,
    Notice,
    RequestTimedOut,
    ServerClosing,
    ServerFull,
)
from trionet.text.safe import WHITE_SPACE, safe_message

# See `trionet.chat.WireFormat`: nobody gets their own messages back, and each line
# before login is a try at a name.
receipts = False
names_first = True

ERROR = "error: "

# What a chat with a password asks whoever may have the name.
PASSWORD_QUESTION = f"{NOTICE}password?"

# A line that is surely a message does not begin like this (a command, or a blank line), nor end
# like this (a space that must be dropped; a `q`, although some messages end with it).
_NO_MESSAGE_START = frozenset(("/", ""))
_NO_MESSAGE_END = frozenset((" ", "q"))
_PRINTABLE = bytes(range(0x20, 0x7F))


def is_quit(line: str) -> bool:
    """Tell whether a line asks to leave. The same before login and after."""
    return line.strip(" \t") == "q" or line.rstrip(WHITE_SPACE) == "/quit"


def decode_login(line: str) -> Request:
    """Read a line from a peer that has not logged in."""
    return Quit() if is_quit(line) else LogIn(line)


def decode(line: str) -> Request | None:
    """Read a line from a member; ``None`` if it is blank, which means nothing.

    The texts in the result and in the error are safe to show.

    Raises:
        Misunderstood: there is no such command, or it lacks its text, or has one that it cannot
            take.
    """
    text = line.rstrip(WHITE_SPACE)
    if not text:
        return None
    # Two checks of one character each come first, because nearly every line is a message.
    if text[-1] in "qt" and is_quit(line):
        return Quit()
    if text[0] != "/":
        return Say(safe_message(text))
    if text.startswith("//"):
        return Say(safe_message(text[1:]))
    return read_command(text, BY_NAME)


def decode_messages(lines: list[Line]) -> SayAll | None:
    """Read lines from a member in one go, if they are surely all messages of printable ASCII.

    Returns:
        The texts, as `decode` would return them; ``None`` if some line may be something else or
        needs more care. Then `decode` must read them one by one, at twice the cost.
    """
    texts = cast(list[str], lines)
    try:
        block = "".join(texts)
    except TypeError:
        # One of them is a bad line, which is not a string.
        return None
    if not _NO_MESSAGE_START.isdisjoint([text[:1] for text in texts]):
        return None
    if not _NO_MESSAGE_END.isdisjoint([text[-1:] for text in texts]):
        return None
    # Deleting the printable bytes and looking at what is left takes a third of the time of
    # `str.isprintable`.
    if not block.isascii() or block.encode().translate(None, _PRINTABLE):
        return None
    return SayAll(texts)


def encode(event: Event) -> bytes:
    """Return the lines that tell an event, or answer a peer."""
    if type(event) is events.Said:
        begin = f"{event.name}: "
        if len(event.texts) == 1:
            return f"{begin}{_each_line(begin, event.texts[0])}\n".encode()
        block = f"\n{begin}".join(event.texts)
        if block.count("\n") != len(event.texts) - 1:
            block = f"\n{begin}".join([_each_line(begin, text) for text in event.texts])
        return f"{begin}{block}\n".encode()
    lines = _ENCODERS[type(event)](event)
    return lines if isinstance(lines, bytes) else lines.encode()


def _each_line(begin: str, text: str) -> str:
    """Return a text of several lines with a beginning before each but the first."""
    return text.replace("\n", f"\n{begin}") if "\n" in text else text


def encode_notice(notice: Notice) -> bytes:
    """Return the line that tells a notice of the toolkit."""
    match notice:
        case LinesMissed(count):
            return f"{NOTICE}you missed {count} lines\n".encode()
        case (
            LineRejected()
            | LoginTimedOut()
            | IdleTimedOut()
            | RequestTimedOut()
            | ServerFull()
            | AddressFull()
            | ConnectingTooFast()
            | ServerClosing()
        ):
            return f"{ERROR}{notice.reason}\n".encode()
        case _:
            assert_never(notice)


def _entered(event: answers.Entered) -> bytes:
    names, count = event.names, event.count
    begin = f"{NOTICE}welcome, {event.name} ({count} here: ".encode()
    others = more(count - min(len(names), MAX_WELCOME_NAMES))
    return b"%b%b%b)\n" % (begin, _first_names(names), others.encode())


# Whoever comes to a full room is told the same names.
@lru_cache(maxsize=64)
def _first_names(names: tuple[str, ...]) -> bytes:
    return ", ".join(names[:MAX_WELCOME_NAMES]).encode()


def _lines(begin: str, text: str) -> str:
    return f"{begin}{_each_line(begin, text)}\n"


def _topic_set(event: events.TopicSet) -> str:
    if not event.text:
        return notice_line(f"{event.name} removed the topic")
    return notice_line(f"{event.name} set the topic: {event.text}")


def _own(event: answers.Own) -> str:
    own = event.event
    if type(own) is not events.Told:
        return ""
    sent = _lines(f"[you to {own.to}] ", own.text)
    # Whoever writes to themselves is the receiver too.
    return sent + _told(own) if own.member == own.receiver else sent


def _told(event: events.Told) -> str:
    return _lines(f"[{event.name} to you] ", event.text)


def _past(event: answers.Past) -> str:
    return "".join(
        [
            f"[{stamp(one.time, event.now)}] {line}\n"
            for one in event.events
            for line in encode(one).decode().split("\n")[:-1]
        ]
    )


# A table, because a `match` would try one type after the other. What is not in it is for the
# switchboard and never encoded.
_ENCODERS: dict[type[Any], Callable[[Any], str | bytes]] = {
    events.Acted: lambda event: _lines(f"* {event.name} ", event.text),
    events.Joined: lambda event: notice_line(f"{event.name} joined ({event.count} here)"),
    events.Left: lambda event: notice_line(f"{event.name} left ({event.count} here)"),
    events.Renamed: lambda event: notice_line(f"{event.name} is now {event.to}"),
    events.TopicSet: _topic_set,
    events.Told: _told,
    **ANSWERS,
    answers.Own: _own,
    answers.Welcomed: lambda _: "",
    # Nothing that a terminal has shown can be taken back.
    events.Removed: lambda _: "",
    answers.Entered: _entered,
    answers.PasswordAsked: lambda _: f"{PASSWORD_QUESTION}\n",
    answers.Mistaken: lambda event: f"{ERROR}{event.reason}\n",
    answers.Missed: lambda event: notice_line(f"you missed {event.before - event.after - 1} lines"),
    answers.Past: _past,
    answers.Found: lambda _: "",
    answers.EpochChanged: lambda _: "",
    answers.LogState: lambda event: notice_line(
        "the log is back" if event.available else "messages wait: the log is out of reach"
    ),
    answers.Closing: lambda event: notice_line(event.reason),
}
