"""What can go wrong with a history file, and how it is told."""

from __future__ import annotations

import sqlite3

import msgspec

from trionet.errors import TrionetError, system_reason

# What SQLite and the disk raise, and what reading a damaged file raises. An error of msgspec is a
# ``ValueError`` only in its newer versions.
FAULTS = (sqlite3.Error, OSError, ValueError, msgspec.MsgspecError)


class HistoryError(TrionetError):
    """A history file cannot be used; the message has its path and the reason."""


def reason_of(error: Exception) -> str:
    """Return why a history cannot be written or read, to end a message with.

    Args:
        error: one of `FAULTS`.
    """
    if isinstance(error, OSError):
        return system_reason(error)
    return str(error).lower() if isinstance(error, sqlite3.Error) else "it is damaged"
