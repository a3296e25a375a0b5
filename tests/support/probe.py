"""Prints what a program finds when it starts, for the test of `forkserver` to compare."""

from __future__ import annotations

import atexit
import json
import os
import resource
import signal
import sys
import threading
from contextlib import suppress
from io import TextIOWrapper
from typing import Any, cast


def main() -> int:
    """Print what this process finds, and end in a way that can be seen from outside."""
    print(json.dumps(found()))  # noqa: T201
    atexit.register(sys.stdout.write, "ended\n")
    match sys.argv[1:]:
        case ["raise"]:
            raise ValueError("as asked")
        case ["interrupt"]:
            signal.raise_signal(signal.SIGINT)
    return 3


def found() -> dict[str, Any]:
    children = True
    try:
        os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        children = False
    return {
        "arguments": sys.argv[1:],
        "directory": os.getcwd(),  # noqa: PTH109
        "environment": dict(os.environ),
        "descriptors": [fd for fd in range(256) if is_open(fd)],
        "open files": resource.getrlimit(resource.RLIMIT_NOFILE),
        "streams": [
            [
                getattr(stream, "name", None), stream.encoding, stream.errors, stream.isatty(),
                stream.line_buffering, stream.write_through, stream.fileno(),
            ]
            for stream in cast("list[TextIOWrapper]", [sys.stdin, sys.stdout, sys.stderr])
        ],
        "are original": [
            sys.stdin is sys.__stdin__, sys.stdout is sys.__stdout__, sys.stderr is sys.__stderr__
        ],
        "signals": {number: str(handler_of(number)) for number in sorted(signal.valid_signals())},
        "blocked signals": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ())),
        "wakes": signal.set_wakeup_fd(-1),
        "threads": threading.active_count(),
        "children": children,
        "leads its session": os.getsid(0) == os.getpid(),
        "terminal": has_terminal(),
    }  # fmt: skip


def handler_of(number: int) -> object:
    handler = signal.getsignal(number)
    return getattr(handler, "__name__", handler)


def is_open(fd: int) -> bool:
    with suppress(OSError):
        os.fstat(fd)
        return True
    return False


def has_terminal() -> bool:
    with suppress(OSError):
        os.close(os.open("/dev/tty", os.O_RDWR))
        return True
    return False


if __name__ == "__main__":
    sys.exit(main())
