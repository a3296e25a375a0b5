"""The log of a server's connections: each event as a record of Python's ``logging``.

`trionet.program.log` says what a record becomes on standard error. In a program of your own it is a
record like any other: its message is the event as text, and its attributes ``event``,
``connection``, ``peer``, ``reason`` and ``fields`` are what a formatter may want.

A connection from which nothing ever came has no lines, since a health check leaves none. So the
line ``opened`` waits for the first byte, and a connection without one has no ``closed`` either.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from trionet.events import Closed, Identified, Opened, Refused, ServerEvent

if TYPE_CHECKING:
    from trionet.connection.connection import Connection

logger = logging.getLogger("trionet.connections")


class ConnectionLog:
    """Logs what becomes of the connections of one server, with level INFO."""

    __slots__ = ()

    def of_first_input(self, connection: Connection) -> Callable[[], None] | None:
        """Return what to call when the first input comes; ``None``: it would not be logged."""
        if not logger.isEnabledFor(logging.INFO):
            return None

        def log_opened() -> None:
            _log(Opened(id=connection.id, peer=connection.peer), "opened")

        return log_opened

    def report(self, event: ServerEvent) -> None:
        """Log an event, unless it is `Opened`, which waits for the first input."""
        if not logger.isEnabledFor(logging.INFO):
            return
        match event:
            case Identified():
                _log(event, "login", f"is {event.name}", {"name": event.name})
            case Closed() if event.bytes_in:
                _log(event, "closed", event.reason, event.figures)
            case Refused():
                _log(event, "refused", event.reason)


def _log(
    event: ServerEvent,
    name: str,
    reason: str | None = None,
    fields: dict[str, object] | None = None,
) -> None:
    # Not `logger.info`: it looks for its caller, which took as long as all the rest.
    record = logging.getLogRecordFactory()(logger.name, logging.INFO, __file__, 0, event, (), None)
    record.event = name
    record.connection = event.id
    record.peer = event.peer
    record.reason = reason
    record.fields = fields
    logger.handle(record)
