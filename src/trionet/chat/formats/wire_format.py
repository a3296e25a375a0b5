"""What a wire format of the chat has to provide.

A wire format turns lines into requests and events into bytes, and does nothing else: it is pure,
and knows neither rooms nor connections. Everything that a peer of `trionet.chat.serve` is sent
comes from its format, the toolkit's own notices included.

`trionet.chat.formats.plain` and `trionet.chat.formats.json_lines` are modules with these functions.
An object with these methods works just as well.
"""

from __future__ import annotations

from typing import Protocol

from trionet.argument_checks import shown
from trionet.chat.formats.answers import Event
from trionet.chat.formats.requests import Request, SayAll
from trionet.lines import Line
from trionet.notices import Notice


class WireFormat(Protocol):
    """How requests and events are written.

    `trionet.chat.formats.plain` implements it; `trionet.chat.Session` and `trionet.chat.serve` use
    it.

    A decoding function rejects a line by raising `trionet.chat.Misunderstood`; the peer then gets a
    `answers.Mistaken`. An encoding function returns whole lines, each with its LF.
    `encode` may also return ``b""``, which leaves the event out.

    A format may also have a function `missing`, which returns a `trionet.abc.Missing`. Then a
    slow reader is told what it missed; otherwise a `trionet.LinesMissed` tells it how much.

    For speed alone, it may have a function `encode_all`, which returns the lines of some events
    together, as `encode` has them of each.

    Whatever a format does wrong harms only its own members. If `encode` fails, the event is left
    out; if `encode_notice` fails, the peer gets the notice in the toolkit's own words; both are
    logged once. If a decoding function fails, the connection is closed and the error is logged.
    """

    @property
    def receipts(self) -> bool:
        """Whether a member gets its own messages back, as receipts.

        If so, a request's answer shows its id: an `Own` of the event comes in place of the event.
        And a login is answered by a `Welcomed`, before an `Entered` for each room.
        """

    @property
    def names_first(self) -> bool:
        """Whether each line before login is a try at a name; otherwise only a `LogIn` is."""

    def decode_login(self, line: str, /) -> Request | None:
        """Return what a line asks for before a login; ``None``: nothing."""

    def decode(self, line: str, /) -> Request | None:
        """Return what a member's line asks for; ``None``: nothing. Texts are made safe to show."""

    def decode_messages(self, lines: list[Line], /) -> SayAll | None:
        """Read lines that are all messages to one room; ``None`` if `decode` must read each.

        This is for speed alone: a format may always return ``None``.
        """

    def encode(self, event: Event, /) -> bytes:
        """Return the lines that tell an event, or answer a peer."""

    def encode_notice(self, notice: Notice, /) -> bytes:
        """Return the lines, at least one, that tell a notice of the toolkit."""


_FUNCTIONS = ("decode_login", "decode", "decode_messages", "encode", "encode_notice")


def check_format(format: object) -> None:  # noqa: A002  named as the argument that it checks
    """Refuse what lacks a function of `WireFormat`, or is the class of a format.

    Raises:
        TypeError: it is not a wire format; the message says what is missing.
    """
    if isinstance(format, type):
        raise TypeError(f"format must be a wire format, not a class: write {format.__name__}()")
    for name in _FUNCTIONS:
        if not callable(getattr(format, name, None)):
            raise TypeError(
                f"format must be a wire format, such as trionet.chat.formats.plain: "
                f"{shown(format)} has no function {name}"
            )
    for name in ("receipts", "names_first"):
        if not isinstance(getattr(format, name, None), bool):
            raise TypeError(f"format must be a wire format: {shown(format)} lacks a bool {name}")
