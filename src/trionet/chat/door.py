"""Which wire format a peer speaks."""

from __future__ import annotations

from trionet.chat import json_lines, plain
from trionet.chat.formats import format_of, is_json
from trionet.chat.session import Session
from trionet.chat.wire_format import WireFormat
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
        # One for the whole server and format, so that a fault of the format is logged once.
        self.encode_notice = _notices_of(self.wire)
        self._is_only = only is not None
        self._json_notices = _notices_of(json_lines)
        self.encode_web_notice = self.encode_notice if self._is_only else self._json_notices

    def receive(self, session: Session, connection: Connection) -> None:
        """Have a session speak what is spoken at its door. Call it before the first line."""
        if self._is_json_alone(connection):
            session.speak(json_lines, self._json_notices)

    def enter(self, session: Session, connection: Connection, first_line: Line) -> None:
        """Have a session and its connection speak the format that the first line shows."""
        if self._is_json_alone(connection):
            # Its notices are JSON from the beginning.
            if not is_json(first_line):
                session.turn_away("not a JSON object", "bad-json")
        elif not self._is_only and format_of(first_line) is json_lines:
            session.speak(json_lines, self._json_notices)
            connection.speak(self._json_notices)

    def _is_json_alone(self, connection: Connection) -> bool:
        # Lines travel in frames: it is a WebSocket.
        return not self._is_only and hasattr(connection.stream, "framing")


def _notices_of(wire: WireFormat) -> SafeNotices:
    return SafeNotices(wire.encode_notice, missing=getattr(wire, "missing", None))
