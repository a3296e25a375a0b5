"""A server's log on a console: where the records of ``logging`` go, and from which level on.

What a line looks like is in `log_format.py`. The console never blocks the server, whoever reads the
log; see `console.py`.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from time import time

import trio

from trionet.errors import system_reason
from trionet.program.console import Console
from trionet.program.log_format import (
    LEVELS,
    LogFormat,
    LogOptions,
    as_json,
    as_text,
    encoded,
    json_of_event,
    text_of_event,
)

logger = logging.getLogger("trionet.program")


def lost_output(error: OSError) -> str:
    """Return the message for standard output that cannot be written."""
    return f"cannot write to standard output: {system_reason(error)}"


def log_lost_output(error: OSError) -> None:
    """Log that a server's standard output cannot be written. The server goes on."""
    logger.warning("%s", lost_output(error), extra={"event": "output"})


class ConsoleHandler(logging.Handler):
    """Logs to a console. It is made inside Trio; records may come from any thread.

    Args:
        show: prints a line.
        format: the log's format.
    """

    def __init__(self, show: Callable[[str], object], format: LogFormat = "text") -> None:  # noqa: A002
        super().__init__()
        self._show = show
        self._is_json = format == "json"
        self._line_of = as_json if self._is_json else as_text
        self._line_of_event = json_of_event if self._is_json else text_of_event
        self._thread = threading.get_ident()
        self._token = trio.lowlevel.current_trio_token()

    def handle(self, record: logging.LogRecord) -> bool:
        """Print a record, unless a filter takes it out."""
        # Without a lock: only lines that are finished pass from thread to thread. (With it, a line
        # took 0.5 µs more.)
        if self.filters and not self.filter(record):
            return False
        self.emit(record)
        return True

    def show_event(
        self,
        created: float,
        name: str,
        connection: int | None,
        peer: str | None,
        reason: str | None,
        fields: Mapping[str, object] | None,
        subject: object,
    ) -> None:
        """Print an event of level INFO without a record; see `trionet.connection.connection_log`.

        Args:
            created: when it happened, in seconds since 1970.
            name: the event's name, such as ``opened``.
            connection: the connection's number.
            peer: its peer.
            reason: why, in words.
            fields: more for the JSON format.
            subject: the event as a `trionet.ServerEvent`, or anything else.
        """
        self._print(self._line_of_event(created, name, connection, peer, reason, fields, subject))

    def show_state(self, state: Mapping[str, object]) -> None:
        """Print the state of the process, whatever the log's level.

        Args:
            state: see `trionet.program.process_state`.
        """
        fields = {"state": state}
        line = self._line_of_event(time(), "state", None, None, None, fields, None)
        self._print(line if self._is_json else f"{line} {encoded(state)}")

    def emit(self, record: logging.LogRecord) -> None:
        """Print a record. Never blocks."""
        try:
            line = self._line_of(record)
        except Exception:
            self.handleError(record)
        else:
            self._print(line)

    def _print(self, line: str) -> None:
        if threading.get_ident() == self._thread:
            self._show(line)
            return
        with suppress(trio.RunFinishedError):
            self._token.run_sync_soon(self._show, line)


@contextmanager
def logging_to(
    console: Console,
    options: LogOptions | None = None,
    *,
    show: Callable[[str], object] | None = None,
) -> Iterator[ConsoleHandler]:
    """Send trionet's log to a console for as long as the block runs.

    Args:
        console: prints the log.
        options: its format and level; default: as text, from the logger's own level on.
        show: prints a line on the console; default: as it is.
    """
    handler = ConsoleHandler(show or console.print, "text" if options is None else options.format)
    trionet_logger = logging.getLogger("trionet")
    before = trionet_logger.level
    trionet_logger.addHandler(handler)
    if options is not None:
        trionet_logger.setLevel(LEVELS[options.level])
        console.tell_dropped = partial(_tell_dropped, options.format)
    try:
        yield handler
    finally:
        trionet_logger.setLevel(before)
        trionet_logger.removeHandler(handler)


def _tell_dropped(format: LogFormat, count: int) -> str:  # noqa: A002
    """Return the line of the log that stands in place of lines that were dropped."""
    told = "%d lines of the log are not shown"
    record = logger.makeRecord(logger.name, logging.WARNING, __file__, 0, told, (count,), None)
    record.event = "dropped"
    return (as_json if format == "json" else as_text)(record)


def queues_of(out: Console, err: Console) -> dict[str, Callable[[], object]]:
    """Return functions that tell how many bytes wait for the program's outputs."""
    return {"standard output": lambda: out.waiting, "standard error": lambda: err.waiting}


@contextmanager
def logging_if_not_configured(
    console: Console, options: LogOptions | None = None
) -> Iterator[ConsoleHandler]:
    """Do what `logging_to` does from level INFO on, unless the program has configured logging.

    Args:
        console: prints the log.
        options: its format and level. If they are given, the log goes to the console in any case,
            and nowhere else.
    """
    trionet_logger = logging.getLogger("trionet")
    if options is None and trionet_logger.hasHandlers():
        # It gets no records, but shows the state of the process.
        yield ConsoleHandler(console.print)
        return
    propagates, trionet_logger.propagate = trionet_logger.propagate, options is None
    try:
        with logging_to(console, options or LogOptions()) as handler:
            yield handler
    finally:
        trionet_logger.propagate = propagates
