"""Pass listening sockets on to a server, as a supervisor such as systemd does."""

from __future__ import annotations

import itertools
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

# Descriptors that no test has open. A block within another has others.
_FREE = itertools.count(700, 10)

# Puts the descriptors where the program expects them, says so, and becomes the program.
_BECOME = """
import fcntl, os, sys
count, names, *rest = sys.argv[1:]
# First out of the way: one may have the number that another is to get.
aside = [fcntl.fcntl(int(fd), fcntl.F_DUPFD, 100) for fd in rest[: int(count)]]
for number, fd in enumerate(aside, 3):
    os.dup2(fd, number)
    os.close(fd)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=count, LISTEN_FDNAMES=names)
os.execv(sys.executable, [sys.executable, *rest[int(count) :]])
"""


@contextmanager
def passed_on(**named: Sequence[socket.socket]) -> Iterator[None]:
    """Make this process one that was started with sockets, for as long as the block runs.

    Args:
        named: the sockets of each name.
    """
    everything = [(name, sock) for name, socks in named.items() for sock in socks]
    variables = {
        "LISTEN_PID": str(os.getpid()),
        "LISTEN_FDS": str(len(everything)),
        "LISTEN_FDNAMES": ":".join(name for name, _ in everything),
    }
    first = next(_FREE)
    with ExitStack() as stack:
        for number, (_, sock) in enumerate(everything, first):
            os.dup2(sock.fileno(), number)
            stack.callback(os.close, number)
        stack.enter_context(mock.patch("trionet.transport.inherited._FIRST", first))
        stack.enter_context(mock.patch.dict(os.environ, variables))
        yield


def start_with(
    named: Mapping[str, socket.socket], *arguments: str, **options: Any
) -> subprocess.Popen[bytes]:
    """Start Python in a process that has been passed sockets.

    Args:
        named: a socket for each name.
        arguments: what Python is started with.
        options: for `subprocess.Popen`.
    """
    descriptors = [sock.fileno() for sock in named.values()]
    command = [sys.executable, "-c", _BECOME, str(len(named)), ":".join(named)]
    command += [*map(str, descriptors), *arguments]
    return subprocess.Popen(command, pass_fds=descriptors, **options)
