"""File descriptors: room for thousands, and writes to those that somebody made non-blocking."""

from __future__ import annotations

import os
import select
from contextlib import suppress
from pathlib import Path

# How many descriptors to make room for in advance: 128 KiB. A server that grows beyond it has the
# worst pauses behind it.
_ROOM = 16384


def prepare_many_descriptors() -> None:
    """Let this process have as many connections as its user may have, without pauses.

    The soft limit is 1,024 on many systems, for the sake of programs that use ``select``; it is
    raised to the hard limit.

    Room for many descriptors is made now. When a process's table of descriptors is full, Linux
    doubles it, and if there are threads it waits until all processors have noticed
    (``synchronize_rcu`` in fs/file.c). At 256, 512 and 1,024 connections that took 10 to 20 ms, in
    which nobody was served. A table never shrinks.
    """
    try:
        import fcntl
        import resource
    except ImportError:
        # Windows has neither module and no such limit.
        return
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # macOS says that there is no limit, but refuses one above its own. Then the limit stays.
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
    # Slices of the bytes themselves would be copied once for each pipe's fill.
    rest = memoryview(data)
    while rest:
        rest = rest[write_some(fd, rest) :]


def write_some(fd: int, data: memoryview) -> int:
    """Write at least a part of `data`, however long that takes, and return how many bytes.

    Raises:
        OSError: nobody reads it any more, or there is no room for it.
    """
    while True:
        try:
            return os.write(fd, data)
        except BlockingIOError:
            # Another program shares the terminal and has made it non-blocking.
            select.select([], [fd], [])
