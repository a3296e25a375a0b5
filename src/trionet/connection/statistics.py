"""What a server has done so far, in numbers.

A connection counts its own lines and bytes. `Totals` adds them up when it has ended, so that a
server needs no more memory for a million connections than for one.
"""

from __future__ import annotations

from collections import Counter
from copy import copy
from dataclasses import dataclass

from trionet.connection.connection import Connection

# The `trionet.Refused.code` where a handshake has failed.
NO_HANDSHAKE = "no-handshake"


@dataclass(frozen=True, kw_only=True, slots=True)
class Statistics:
    """What a server has done since it began: `Server.statistics` returns it.

    Attributes:
        connections: connections that are being served now.
        opened: connections that were served so far, with these.
        refused: connections that were answered and closed without being served.
        lines_in: lines received, including bad ones.
        lines_out: lines put into outboxes, without those that were dropped, and notices of them.
        bytes_in: bytes received.
        bytes_out: bytes sent.
    """

    connections: int
    opened: int
    refused: int
    lines_in: int
    lines_out: int
    bytes_in: int
    bytes_out: int


class Totals:
    """Adds up what the ended connections of one server have counted.

    Attributes:
        opened: connections that were served.
        refused: connections that were refused.
        refusals: how many of these for which reason, by `trionet.Refused.code`.
        ends: how many connections have ended in which way, by `trionet.connection.end_report.ENDS`.
        missed: lines that were dropped because their peer read too slowly.
    """

    __slots__ = (
        "_bytes_in",
        "_bytes_out",
        "_lines_in",
        "_lines_out",
        "ends",
        "missed",
        "opened",
        "refusals",
        "refused",
    )

    def __init__(self) -> None:
        self.opened = self.refused = self.missed = 0
        self.refusals: Counter[str] = Counter()
        self.ends: Counter[str] = Counter()
        self._lines_in = self._lines_out = self._bytes_in = self._bytes_out = 0

    def copy(self) -> Totals:
        """Return what there is so far, for adding more. Never a checkpoint."""
        totals = copy(self)
        totals.refusals, totals.ends = self.refusals.copy(), self.ends.copy()
        return totals

    def add(self, connection: Connection) -> None:
        """Add a connection that has ended. Never a checkpoint."""
        lines, outbox = connection.lines, connection.outbox
        self._lines_in += lines.lines_in
        self._lines_out += outbox.lines_sent
        self._bytes_in += lines.bytes_in
        self._bytes_out += outbox.bytes_out
        self.missed += outbox.missed

    def refuse(self, code: str) -> None:
        """Count a connection that was refused. Never a checkpoint."""
        self.refused += 1
        self.refusals[code] += 1

    def statistics(self, served: int) -> Statistics:
        """Return the totals, with how many connections are being served."""
        return Statistics(
            connections=served,
            opened=self.opened,
            refused=self.refused,
            lines_in=self._lines_in,
            lines_out=self._lines_out,
            bytes_in=self._bytes_in,
            bytes_out=self._bytes_out,
        )
