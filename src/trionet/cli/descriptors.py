"""Reading and writing file descriptors that others may have made non-blocking."""

from __future__ import annotations

import os
import select


def write_all(fd: int, data: bytes) -> None:
    """Write all of `data`, however long it takes.

    Raises:
        OSError: nobody reads it any more.
    """
    while data:
        try:
            data = data[os.write(fd, data) :]
        except BlockingIOError:
            # Somebody who shares the terminal has made it non-blocking.
            select.select([], [fd], [])
