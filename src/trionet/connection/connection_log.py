"""The log of a server's connections: each event as a record of Python's ``logging``.

`trionet.program.console_log` says what a record becomes on standard error. In a program of your own
it is a record like any other: its message is the event as text, and its attributes ``event``,
``connection``, ``peer``, ``reason`` and ``fields`` are what a formatter may want.

A connection from which nothing ever came is not logged. Otherwise each health check would leave two
lines. So the line ``opened`` waits for the first byte, and a connection without one has no
``closed`` either.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from time import time
from typing import TYPE_CHECKING

from trionet.events import SAID_NOTHING, Closed, Refused, ServerEvent

if TYPE_CHECKING:
    from trionet.connection.connection import Connection

logger = logging.getLogger("trionet.connections")


class ConnectionLog:
    """Logs what becomes of the connections of one server, with level INFO."""

    __slots__ = ()

    def of_first_input(self, connection: Connection) -> Callable[[], None] | None:
        """Return what to call when the first input comes; ``None``: it would not be logged."""
        if logger.isEnabledFor(logging.INFO):
            return partial(self._log_opened, connection)
        return None

    def _log_opened(self, connection: Connection) -> None:
        peer = connection.peer
        self._log("opened %s", (peer,), "opened", connection.id, peer)

    def log_login(self, connection: Connection, name: str) -> None:
        """Log that a peer was identified."""
        if logger.isEnabledFor(logging.INFO):
            peer, reason = connection.peer, f"is {name}"
            told = (peer, name)
            self._log("%s is %s", told, "login", connection.id, peer, reason, {"name": name})

    def report(self, event: ServerEvent) -> None:
        """Log that a connection was refused or closed. The others have methods of their own."""
        if not logger.isEnabledFor(logging.INFO):
            return
        if isinstance(event, Closed) and event.bytes_in:
            told = event.figures
            self._log(event, (), "closed", event.id, event.peer, event.reason, told)
        elif isinstance(event, Refused) and not event.reason.endswith(SAID_NOTHING):
            self._log(event, (), "refused", event.id, event.peer, event.reason)

    def _log(
        self,
        message: object,
        args: tuple[object, ...],
        name: str,
        connection: int,
        peer: str,
        reason: str | None = None,
        fields: dict[str, object] | None = None,
    ) -> None:
        show = _only_show()
        if show is not None:
            show(time(), name, connection, peer, reason, fields, message)
            return
        record = logging.getLogRecordFactory()(
            logger.name, logging.INFO, __file__, 0, message, args, None
        )
        record.event, record.connection, record.peer = name, connection, peer
        record.reason, record.fields = reason, fields
        logger.handle(record)


def _only_show() -> Callable[..., None] | None:
    """Return a function that shows an event without a record, if no other handler wants records.

    A record and its way to the handlers take 15,000 instructions. With one for each line, a login
    took 6 % more in all.
    """
    if logger.filters:
        return None
    handlers, one = logger.handlers, logger.parent if logger.propagate else None
    while one is not None:
        handlers = handlers + one.handlers if handlers else one.handlers
        one = one.parent if one.propagate else None
    if len(handlers) != 1 or handlers[0].filters:
        return None
    return getattr(handlers[0], "show_event", None)
