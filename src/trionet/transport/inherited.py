"""Listening sockets that a supervisor opened before it started the process, as systemd does.

The variables ``LISTEN_PID``, ``LISTEN_FDS`` and ``LISTEN_FDNAMES`` say which descriptors they are
and what they are called (sd_listen_fds(3)). The supervisor keeps its own descriptors of them, so
whoever connects while no server runs waits in the kernel's queue until the next one accepts. For
that a server must leave such a socket as it was: no ``shutdown``, which would end it for the
supervisor too, and no removed file of a Unix socket.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Mapping, MutableMapping
from contextlib import suppress

from trionet.errors import TrionetError, system_reason

# The first descriptor that is passed on: behind standard input, output and error.
_FIRST = 3

# More descriptors than this allows are a mistake in the variable.
_COUNT = re.compile("[0-9]{1,4}")

# What systemd calls a socket that has no name.
_UNNAMED = "unknown"

VARIABLES = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")


def inherited_descriptors(environ: Mapping[str, str] | None = None) -> dict[str, list[int]]:
    """Return the descriptors of the inherited sockets by name, in the supervisor's order.

    Several sockets may have one name. Descriptors that were passed on to another process, as to a
    parent, are none of ours. None of them is passed on to children from now on.

    Args:
        environ: the environment; default: the process's own.
    """
    environ = os.environ if environ is None else environ
    found: dict[str, list[int]] = {}
    if environ.get("LISTEN_PID") != str(os.getpid()):
        return found
    written = environ.get("LISTEN_FDS", "")
    count = int(written) if _COUNT.fullmatch(written) else 0
    names = environ.get("LISTEN_FDNAMES", "").split(":")
    if len(names) != count:
        # No name is better than a wrong one.
        names = [_UNNAMED] * count
    for descriptor, name in enumerate(names, _FIRST):
        with suppress(OSError):
            os.set_inheritable(descriptor, False)
        found.setdefault(name or _UNNAMED, []).append(descriptor)
    return found


def inherited_addresses() -> list[str]:
    """Return an address, ``fd:NAME``, for each name of an inherited socket."""
    return [f"fd:{name}" for name in inherited_descriptors()]


def forget_inherited(environ: MutableMapping[str, str] | None = None) -> None:
    """Remove the variables, so that no child takes the sockets for its own."""
    environ = os.environ if environ is None else environ
    for name in VARIABLES:
        environ.pop(name, None)


def open_inherited(name: str) -> list[socket.socket]:
    """Return the inherited sockets of a name.

    Args:
        name: as in ``fd:NAME``.

    Returns:
        A socket for each; the caller closes them. Each is a duplicate, so closing it leaves the
        process's own descriptor open, and whoever connects later waits in the queue.

    Raises:
        TrionetError: there is no socket of this name, or one is not a listening stream socket.
    """
    descriptors = inherited_descriptors()
    if name not in descriptors:
        names = ", ".join(f"fd:{other}" for other in descriptors)
        what = f"there are {names}" if names else "the supervisor has passed on no socket"
        raise TrionetError(f"no inherited socket has this name: {what}")
    socks: list[socket.socket] = []
    try:
        # One by one: if one cannot be used, those before it are closed.
        for descriptor in descriptors[name]:
            socks += [_adopt(descriptor)]
    except BaseException:
        for sock in socks:
            sock.close()
        raise
    return socks


def _adopt(descriptor: int) -> socket.socket:
    try:
        sock = socket.socket(fileno=os.dup(descriptor))
    except OSError as error:
        reason = system_reason(error)
        raise TrionetError(f"descriptor {descriptor} is not a socket: {reason}") from error
    try:
        is_listening = (
            sock.type == socket.SOCK_STREAM
            and sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 1
        )
    except OSError:
        is_listening = False
    if not is_listening:
        sock.close()
        raise TrionetError(
            "it is not a listening stream socket: the unit needs ListenStream= and Accept=no"
        )
    return sock
