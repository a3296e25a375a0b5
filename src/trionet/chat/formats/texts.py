"""How long a text may be, and what is made of it before anybody sees it. Pure."""

from __future__ import annotations

from trionet.chat.formats.requests import Misunderstood
from trionet.text.safe import WHITE_SPACE, safe_message, safe_text

# Bytes and lines of a message, an action or a private message in JSON: as many bytes as a plain
# line may have, and as many lines as a screen shows at once.
MAX_TEXT = 4096
MAX_TEXT_LINES = 50

# Bytes of a topic: what IRC servers take.
MAX_TOPIC = 390

# Characters of what a peer sent, in the error about it: as many as a name may have.
MAX_REPEATED = 32


def safe_texts(text: str) -> str:
    """Return a text of one or more lines, each made safe to show and without trailing white space.

    Sizes are of what was sent. Blank lines at the end go too.

    Raises:
        Misunderstood: it is too long, has too many lines, or is blank.
    """
    if size_of(text) > MAX_TEXT:
        raise Misunderstood(f"a text has at most {MAX_TEXT} bytes", code="too-long")
    text = text.replace("\r\n", "\n")
    if text.count("\n") >= MAX_TEXT_LINES:
        raise Misunderstood(f"a text has at most {MAX_TEXT_LINES} lines", code="too-long")
    text = text.rstrip(WHITE_SPACE)
    if not text:
        raise Misunderstood("the text is blank")
    return "\n".join([safe_message(line.rstrip(WHITE_SPACE)) for line in text.split("\n")])


def safe_topic(text: str) -> str:
    """Return a topic made safe to show; an empty one stays empty.

    Raises:
        Misunderstood: it is too long, has more than one line, or is blank.
    """
    if not text:
        return text
    if size_of(text) > MAX_TOPIC:
        raise Misunderstood(f"a topic has at most {MAX_TOPIC} bytes", code="too-long")
    if "\n" in text:
        raise Misunderstood("a topic has one line")
    text = text.rstrip(WHITE_SPACE)
    if not text:
        raise Misunderstood("the topic is blank")
    return safe_message(text)


def size_of(text: str) -> int:
    """Return how many bytes a text has as UTF-8."""
    return len(text) if text.isascii() else len(text.encode())


def repeated(text: str, most: int = MAX_REPEATED) -> str:
    """Return a peer's words as an error repeats them: safe to show, and cut after some characters.

    A name that somebody can have stays as it is.
    """
    # Cut first: a character sequence that is safe as a whole may not be when it is cut.
    return safe_text(text[:most]) + ("…" if len(text) > most else "")
