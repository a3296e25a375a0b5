"""Which wire format a peer speaks, and how it is told the toolkit's notices meanwhile."""

from __future__ import annotations

from trionet.chat.formats import json_lines, plain
from trionet.chat.formats.formats import format_of
from trionet.chat.formats.wire_format import WireFormat
from trionet.chat.session.session import Session
from trionet.connection.connection import Connection
from trionet.connection.safe_notices import SafeNotices
from trionet.lines import Line


class Door:
    """Which wire format a peer speaks.

    Args:
        only: the format of all peers; ``None``: the first line tells, and browsers speak JSON
            lines.

    Attributes:
        wire: the format of a peer that has not sent a line yet.
        encode_notice: how it is told the toolkit's notices.
        encode_web_notice: how a browser is told them.
    """

    def __init__(self, only: WireFormat | None) -> None:
        self.wire = only or plain
        self.encode_notice = _notices_of(self.wire)
        self._is_only = only is not None
        # One for the whole server and format, so that a fault of the format is logged once.
        self._notices: dict[WireFormat, SafeNotices] = {self.wire: self.encode_notice}
        self.encode_web_notice = self._notices_in(self.wire if self._is_only else json_lines)

    def receive(self, session: Session, connection: Connection) -> None:
        """Have a session speak what is spoken at its door. Call it before the first line."""
        # Lines that travel in frames are those of a WebSocket.
        if not self._is_only and hasattr(connection.stream, "framing"):
            session.speak(json_lines, self.encode_web_notice)

    def enter(self, session: Session, connection: Connection, first_line: Line) -> None:
        """Have a session and its connection speak the format that the first line selects."""
        if self._is_only:
            return
        wire = format_of(first_line)
        if wire is session.wire:
            return
        if session.wire is not self.wire:
            # A WebSocket speaks JSON from the beginning.
            session.turn_away("not a JSON object", "bad-json")
            return
        notices = self._notices_in(wire)
        session.speak(wire, notices)
        connection.speak(notices)

    def _notices_in(self, wire: WireFormat) -> SafeNotices:
        notices = self._notices.get(wire)
        if notices is None:
            notices = self._notices[wire] = _notices_of(wire)
        return notices


def _notices_of(wire: WireFormat) -> SafeNotices:
    return SafeNotices(wire.encode_notice, missing=getattr(wire, "missing", None))
