"""Read a secret, such as a password, from a file that only its owner may read."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

from trionet.errors import system_reason


class Unreadable(Exception):
    """The file cannot be read; the message says why."""


class NotPrivate(Exception):
    """Others may read the file."""


def read_private(file: Path, most: int) -> bytes:
    """Return what is in a file, and one byte beyond the most that it may have.

    Raises:
        Unreadable: it cannot be read.
        NotPrivate: others may read it.
    """
    try:
        with file.open("rb") as opened:
            mode = os.fstat(opened.fileno()).st_mode
            content = opened.read(most + 1)
    except OSError as error:
        raise Unreadable(system_reason(error)) from None
    except ValueError:
        raise Unreadable("not a valid name") from None
    if sys.platform != "win32" and mode & (stat.S_IRGRP | stat.S_IROTH):
        raise NotPrivate
    return content
