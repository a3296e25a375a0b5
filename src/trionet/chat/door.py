"""Which wire format a peer speaks, and how it is told the toolkit's notices meanwhile."""

from __future__ import annotations

from trionet.chat import plain
from trionet.chat.formats import format_of
from trionet.chat.session import Session
from trionet.chat.wire_format import WireFormat
from trionet.connection.connection import Connection
from trionet.connection.safe_notices import SafeNotices
from trionet.lines import Line


class Door:
    """Which wire format a peer speaks.

    Args:
        only: the format of all peers; ``None``: the first line tells.

    Attributes:
        wire: the format of a peer that has not sent a line yet.
        encode_notice: how it is told the toolkit's notices.
    """

    def __init__(self, only: WireFormat | None) -> None:
        self.wire = only or plain
        self.encode_notice = _notices_of(self.wire)
        self._is_only = only is not None
        # One for the whole server and format, so that a fault of the format is logged once.
        self._notices: dict[WireFormat, SafeNotices] = {}

    def enter(self, session: Session, connection: Connection, first_line: Line) -> None:
        """Make a session and its connection speak the format that the first line selects."""
        wire = self.wire if self._is_only else format_of(first_line)
        if wire is self.wire:
            return
        notices = self._notices.get(wire)
        if notices is None:
            notices = self._notices[wire] = _notices_of(wire)
        session.speak(wire, notices)
        connection.speak(notices)


def _notices_of(wire: WireFormat) -> SafeNotices:
    return SafeNotices(wire.encode_notice, missing=getattr(wire, "missing", None))
