"""A server's log on a console. Each line has its time, and is safe to show on a terminal."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import lru_cache

from trionet.errors import system_reason
from trionet.program.console import Console
from trionet.text.safe import safe_text


def stamped(line: str) -> str:
    """Put the time before a line of the log: UTC, ISO 8601, to the millisecond."""
    second, millisecond = divmod(time.time_ns() // 1_000_000, 1000)
    return f"{_second_as_text(second)}.{millisecond:03d}Z {line}"


# A thousand who join at once are two thousand lines within a second. Formatting the whole time for
# each took 1.7 µs a line instead of 0.4.
@lru_cache(maxsize=1)
def _second_as_text(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def lost_output(error: OSError) -> str:
    """Return the message for standard output that cannot be written."""
    return f"cannot write to standard output: {system_reason(error)}"


def tell_lost_output(tell: Callable[[str], object], error: OSError) -> None:
    """Log that a server's standard output cannot be written. The server goes on."""
    tell(f"warning: {lost_output(error)}")


class ConsoleHandler(logging.Handler):
    """Logs to a console: messages, and tracebacks where there are any. Each line has the time."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        """Print a record. Levels above INFO are named before the message."""
        text = self.format(record)
        if record.levelno > logging.INFO:
            text = f"{record.levelname.lower()}: {text}"
        # Line by line, because a traceback has many. Made safe, because an error may quote a peer.
        for line in text.split("\n"):
            self._console.print(stamped(safe_text(line)))


@contextmanager
def logging_to(console: Console, level: int | None = None) -> Iterator[None]:
    """Send trionet's log to a console for as long as the block runs.

    Args:
        console: prints the log.
        level: the lowest level to log; default: the logger's own.
    """
    handler = ConsoleHandler(console)
    trionet_logger = logging.getLogger("trionet")
    before = trionet_logger.level
    trionet_logger.addHandler(handler)
    if level is not None:
        trionet_logger.setLevel(level)
    try:
        yield
    finally:
        trionet_logger.setLevel(before)
        trionet_logger.removeHandler(handler)


@contextmanager
def logging_if_not_configured(console: Console) -> Iterator[None]:
    """Do what `logging_to` does from level INFO on, unless the program has configured logging."""
    if logging.getLogger("trionet").hasHandlers():
        yield
        return
    with logging_to(console, logging.INFO):
        yield
