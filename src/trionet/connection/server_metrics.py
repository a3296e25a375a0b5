"""What a server tells of its connections in numbers: readings for `trionet.Metrics`.

All of it is counted anyway, by the connections and by what ends them. So serving costs nothing
more, and a reading takes some 2 to 5 µs for each connection that is being served.
"""

from __future__ import annotations

from collections.abc import Iterator

from trionet.connection.connection_places import Places
from trionet.connection.deadlines import Deadlines
from trionet.connection.end_report import CLOSED, ENDS
from trionet.connection.statistics import NO_HANDSHAKE, Totals
from trionet.metrics import Reading
from trionet.notices import AddressFull, ConnectingTooFast, ServerClosing, ServerFull

# A value that has never been seen stands at 0 from the beginning: otherwise its first event would
# not be an increase, and no alert would notice it.
_ENDS = dict.fromkeys([*ENDS.values(), CLOSED], 0)
_NOTICES = (ServerFull, AddressFull, ConnectingTooFast, ServerClosing)
_REFUSALS = dict.fromkeys([*(notice.code for notice in _NOTICES), NO_HANDSHAKE], 0)
_DEADLINES = dict.fromkeys(["handshake", "login", "idle", "write", "request"], 0)

# Connections that are added up between two turns of other tasks: some 1 ms. Those of 10,000 took
# 30 to 60 ms in one go, in which nobody was served.
_AT_ONCE = 256


class ServerReadings:
    """The readings of one server.

    Args:
        totals: what has ended, and what was refused.
        places: what is being served.
        deadlines: which have passed.
    """

    __slots__ = ("_deadlines", "_places", "_totals")

    def __init__(self, totals: Totals, places: Places, deadlines: Deadlines) -> None:
        self._totals = totals
        self._places = places
        self._deadlines = deadlines

    def read(self) -> Iterator[Reading | None]:
        """Yield the readings, and before them `None` wherever other tasks may run.

        Connections that begin or end meanwhile are read as if they had not. (So what only grows
        never shrinks: the counts of a connection stay when it has ended.)
        """
        served = [*self._places.connections]
        totals, passed = self._totals.copy(), {**self._deadlines.passed}
        waiting = 0
        for number, connection in enumerate(served, 1):
            totals.add(connection)
            waiting += connection.outbox.waiting
            if not number % _AT_ONCE:
                yield None
        now = totals.statistics(len(served))
        yield from [
            Reading.gauge(
                "trionet_connections_open", "Connections that are being served.", now.connections
            ),
            Reading.counter(
                "trionet_connections_opened_total",
                "Connections that were served so far, with those that still are.",
                now.opened,
            ),
            Reading.counter(
                "trionet_connections_total",
                "Connections that have ended, by the way in which they did.",
                _ENDS | totals.ends,
                label="end",
            ),
            Reading.counter(
                "trionet_refusals_total",
                "Connections that were answered and closed without being served, by the reason.",
                _REFUSALS | totals.refusals,
                label="reason",
            ),
            Reading.counter(
                "trionet_lines_total",
                "Lines received, with bad ones, and lines sent or about to be.",
                {"in": now.lines_in, "out": now.lines_out},
                label="direction",
            ),
            Reading.counter(
                "trionet_bytes_total",
                "Bytes received and sent, without those of TLS.",
                {"in": now.bytes_in, "out": now.bytes_out},
                label="direction",
            ),
            Reading.counter(
                "trionet_deadlines_total",
                "Deadlines that peers have missed, by the deadline.",
                _DEADLINES | passed,
                label="deadline",
            ),
            Reading.counter(
                "trionet_lines_dropped_total",
                "Lines that peers have missed because they read too slowly.",
                totals.missed,
            ),
            Reading.gauge(
                "trionet_waiting_bytes",
                "Bytes that wait for peers that read slowly.",
                waiting,
            ),
        ]
