"""The plain wire format, made for `nc` and for people.

| the room sends | as |
|---|---|
| a message | ``Ann: hello`` |
| an action | ``* Ann waves`` |
| a notice, or the answer to a command | ``*** Ann joined (3 here)`` |
| the answer to a mistake | ``error: REASON`` |

| a peer sends | as |
|---|---|
| its name | the first line |
| a message | a line; if the text begins with ``/``, as ``//…`` or ``/say /…`` |
| a command | ``/me TEXT``, ``/say TEXT``, ``/who``, ``/help``, ``/quit`` or ``q`` |

To add a command, add its request to `trionet.chat.events`, its way in to `_COMMANDS_WITH_TEXT` or
`_COMMANDS_ALONE` here, and its line to `_HELP`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, assert_never, cast

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
from trionet.notices import (
    AddressFull,
    IdleTimedOut,
    LineRejected,
    LinesMissed,
    LoginTimedOut,
    Notice,
    ServerClosing,
    ServerFull,
)
from trionet.text.safe import WHITE_SPACE, safe_message, safe_text

NOTICE = "*** "
ERROR = "error: "

# Characters of an unknown command that the error repeats.
_MAX_REPEATED = 32

# How a line that is surely a message neither begins (a command, or a blank line) nor ends (a space
# that must be dropped; a `q`, which some messages end with too).
_NO_MESSAGE_START = frozenset(("/", ""))
_NO_MESSAGE_END = frozenset((" ", "q"))
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
    command, _, argument = text.partition(" ")
    if command in _COMMANDS_WITH_TEXT:
        if not argument.strip(WHITE_SPACE):
            raise Misunderstood(f"{command} needs a text: {command} TEXT")
        return _COMMANDS_WITH_TEXT[command](safe_message(argument))
    if command in _COMMANDS_ALONE:
        if argument:
            raise Misunderstood(f"{command} stands alone")
        return _COMMANDS_ALONE[command]()
    # Cut first: a character sequence that is safe as a whole may not be when it is cut.
    repeated = safe_text(command[:_MAX_REPEATED]) + ("…" if len(command) > _MAX_REPEATED else "")
    raise Misunderstood(f"unknown command {repeated} (try /help)")


def decode_messages(lines: list[Line]) -> list[str] | None:
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
    # To delete the printable bytes and see what is left takes a third as long as `str.isprintable`.
    if not block.isascii() or block.encode().translate(None, _PRINTABLE):
        return None
    return texts


_COMMANDS_WITH_TEXT: dict[str, Callable[[str], Request]] = {"/me": Act, "/say": Say}
_COMMANDS_ALONE: dict[str, Callable[[], Request]] = {
    "/who": AskWho,
    "/help": AskHelp,
    "/quit": Quit,
}


def encode(event: Event) -> bytes:
    """Return the lines that tell an event of the room."""
    if type(event) is Said:
        return f"{event.name}: {event.text}\n".encode()
    return _ENCODERS[type(event)](event).encode()


def encode_notice(notice: Notice) -> bytes:
    """Return the line that tells a notice of the toolkit."""
    match notice:
        case LinesMissed(count):
            return f"{NOTICE}you missed {count} lines\n".encode()
        case (
            LineRejected()
            | LoginTimedOut()
            | IdleTimedOut()
            | ServerFull()
            | AddressFull()
            | ServerClosing()
        ):
            return f"{ERROR}{notice.reason}\n".encode()
        case _:
            assert_never(notice)


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
        # No name contains a space, so the list can be cut at its last commas. Measuring 10,000
        # names one by one would take 3 ms.
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


# A table, because a `match` would try one type after the other.
_ENCODERS: dict[type[Event], Callable[[Any], str]] = {
    Acted: lambda event: f"* {event.name} {event.text}\n",
    Joined: lambda event: f"{NOTICE}{event.name} joined ({event.count} here)\n",
    Left: lambda event: f"{NOTICE}{event.name} left ({event.count} here)\n",
    Welcomed: _welcome,
    Present: _present,
    Helped: lambda _: "".join(f"{NOTICE}{line}\n" for line in _HELP),
    Mistaken: lambda event: f"{ERROR}{event.reason}\n",
    Closing: lambda _: f"{NOTICE}server is closing\n",
}
