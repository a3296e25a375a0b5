"""File descriptors: having thousands, and writing to those that others have made non-blocking."""

from __future__ import annotations

import os
import select
from contextlib import suppress
from pathlib import Path

# For which room is made at once: 128 KiB. A server with more clients than that has its pauses
# behind it.
_ROOM = 16384


def prepare_many_descriptors() -> None:
    """Let this process have as many connections as the system lets its user have, without a pause.

    The soft limit is 1,024 on many systems for the sake of programs that use ``select``.

    Room for many is made now: Linux doubles a process's table of descriptors when it is full, and
    where there are threads it waits until all processors have taken notice (``synchronize_rcu`` in
    fs/file.c). That was 10 to 20 ms in which nobody was served, at 256, 512 and 1,024 connections.
    A table never shrinks.
    """
    try:
        import fcntl
        import resource
    except ImportError:
        # Windows has neither, nor such a limit.
        return
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # macOS tells that there is no limit and takes none above its own; then all stays as it is.
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = min(_ROOM, soft) - 1 if soft > 0 else _ROOM - 1
    with suppress(OSError), Path(os.devnull).open("rb") as null:
        os.close(fcntl.fcntl(null, fcntl.F_DUPFD_CLOEXEC, highest))


def write_all(fd: int, data: bytes) -> None:
    """Write all of `data`, however long it takes.

    Raises:
        OSError: nobody reads it any more, or there is no room for it.
    """
    # Not slices of the bytes: they would be copied once for each pipe's fill.
    rest = memoryview(data)
    while rest:
        rest = rest[write_some(fd, rest) :]


def write_some(fd: int, data: memoryview) -> int:
    """Write what can be written of `data`, however long that takes, and return how much it was.

    Raises:
        OSError: nobody reads it any more, or there is no room for it.
    """
    while True:
        try:
            return os.write(fd, data)
        except BlockingIOError:
            # Somebody who shares the terminal has made it non-blocking.
            select.select([], [fd], [])
