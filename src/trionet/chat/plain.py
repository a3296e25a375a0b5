"""The plain wire format: made for `nc`, and for eyes.

| from the room | as |
|---|---|
| a message | ``Ann: hello`` |
| an action | ``* Ann waves`` |
| a notice | ``*** Ann joined (3 here)`` |
| an answer to a mistake | ``error: REASON`` |

| to the room | as |
|---|---|
| the name | the first line |
| a message | a line; one that begins with ``/`` as ``//…`` or ``/say /…`` |
| a command | ``/me TEXT``, ``/say TEXT``, ``/who``, ``/help``, ``/quit`` or ``q`` |
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from trionet.chat.events import (
    MAX_WELCOME_NAMES,
    Act,
    Acted,
    AskHelp,
    AskWho,
    Closing,
    Event,
    Helped,
    Joined,
    Left,
    LogIn,
    Missed,
    Mistaken,
    Misunderstood,
    Present,
    Quit,
    Request,
    Said,
    Say,
    Welcomed,
)
from trionet.lines import MAX_LINE_TO_CLIENT, Line
from trionet.notices import LinesMissed, Notice
from trionet.text.safe import WHITE_SPACE, safe_message, safe_text

NOTICE = "*** "
ERROR = "error: "

# What is repeated of a command that nobody knows.
_MAX_REPEATED = 32

_NO_PLAIN_START = frozenset(("/", ""))
_NO_PLAIN_END = frozenset((" ", "q"))
_PRINTABLE = bytes(range(0x20, 0x7F))

_HELP = (
    "a line is sent to everyone else; these are commands:",
    "/me TEXT    an action, such as /me waves",
    "/say TEXT   a message that looks like a command, or a q",
    "//TEXT      a message that begins with a /",
    "/who        who is here",
    "/help       this",
    "/quit or q  leave",
)


def is_quit(line: str) -> bool:
    """Tell whether a line means to leave, before and after the name alike."""
    return line.strip(" \t") == "q" or line.rstrip(WHITE_SPACE) == "/quit"


def decode_login(line: str) -> Request:
    """Read a line from somebody who is no member yet."""
    return Quit() if is_quit(line) else LogIn(line)


def decode(line: str) -> Request | None:
    """Read a line from a member; ``None``: it is blank, and means nothing.

    The texts in what is returned or raised are safe to show.

    Raises:
        Misunderstood: it is no command that there is, or one with too little or too much to it.
    """
    text = line.rstrip(WHITE_SPACE)
    if not text:
        return None
    # Two looks at one character each, because nearly every line is a message.
    if text[-1] in "qt" and is_quit(line):
        return Quit()
    if text[0] != "/":
        return Say(safe_message(text))
    if text.startswith("//"):
        return Say(safe_message(text[1:]))
    command, _, argument = text.partition(" ")
    if command in _WITH_TEXT:
        if not argument.strip(WHITE_SPACE):
            raise Misunderstood(f"{command} needs a text: {command} TEXT")
        return _WITH_TEXT[command](safe_message(argument))
    if command in _ALONE:
        if argument:
            raise Misunderstood(f"{command} stands alone")
        return _ALONE[command]()
    # Cut first: what a cut leaves of a sequence may be safe no more.
    repeated = safe_text(command[:_MAX_REPEATED]) + ("…" if len(command) > _MAX_REPEATED else "")
    raise Misunderstood(f"unknown command {repeated} (try /help)")


def decode_messages(lines: list[Line]) -> list[str] | None:
    """Read what a member said in one go, if it is nothing but messages, and plain ones.

    Returns:
        The texts, as `decode` finds them; ``None``: some line may be something else, or needs more
        care. Then `decode` takes them one by one, which costs twice as much.
    """
    texts = cast(list[str], lines)
    try:
        block = "".join(texts)
    except TypeError:
        # A bad line is no string.
        return None
    # A command, a blank line, a space to be dropped; a q, and other words that end in one.
    if not _NO_PLAIN_START.isdisjoint([text[:1] for text in texts]):
        return None
    if not _NO_PLAIN_END.isdisjoint([text[-1:] for text in texts]):
        return None
    # In C: what is left without all that is printable takes a third as long as `str.isprintable`.
    if not block.isascii() or block.encode().translate(None, _PRINTABLE):
        return None
    return texts


_WITH_TEXT: dict[str, Callable[[str], Request]] = {"/me": Act, "/say": Say}
_ALONE: dict[str, Callable[[], Request]] = {"/who": AskWho, "/help": AskHelp, "/quit": Quit}


def encode(event: Event) -> bytes:
    """Return the lines that tell an event."""
    if type(event) is Said:
        return f"{event.name}: {event.text}\n".encode()
    return _ENCODERS[type(event)](event).encode()


def encode_notice(notice: Notice) -> bytes:
    """Return the line that tells what the toolkit itself has to say."""
    match notice:
        case LinesMissed(count):
            return encode(Missed(count))
        case _:
            return encode(Mistaken(notice.reason))


def _welcome(event: Welcomed) -> str:
    names = event.names[:MAX_WELCOME_NAMES]
    count = len(event.names) + event.more
    more = _more(count - len(names))
    return f"{NOTICE}welcome, {event.name} ({count} here: {', '.join(names)}{more})\n"


def _present(event: Present) -> str:
    names = event.names
    line = f"{NOTICE}{len(names)} here: {', '.join(names)}"
    encoded = line.encode()
    if len(encoded) > MAX_LINE_TO_CLIENT:
        # No name holds a space. To measure 10,000 names one by one would take 3 ms.
        end = MAX_LINE_TO_CLIENT + 1
        while True:
            end = encoded.rindex(b", ", 0, end)
            more = _more(len(names) - encoded.count(b", ", 0, end) - 1)
            if end + len(more.encode()) <= MAX_LINE_TO_CLIENT:
                break
        line = encoded[:end].decode() + more
    return f"{line}\n"


def _more(count: int) -> str:
    return f" … and {count} more" if count > 0 else ""


# By type: a `match` tries them in turn.
_ENCODERS: dict[type[Event], Callable[[Any], str]] = {
    Acted: lambda event: f"* {event.name} {event.text}\n",
    Joined: lambda event: f"{NOTICE}{event.name} joined ({event.count} here)\n",
    Left: lambda event: f"{NOTICE}{event.name} left ({event.count} here)\n",
    Welcomed: _welcome,
    Present: _present,
    Helped: lambda _: "".join(f"{NOTICE}{line}\n" for line in _HELP),
    Mistaken: lambda event: f"{ERROR}{event.reason}\n",
    Missed: lambda event: f"{NOTICE}you missed {event.count} lines\n",
    Closing: lambda _: f"{NOTICE}server is closing\n",
}
