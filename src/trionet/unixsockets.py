"""Listening on Unix sockets: whose the file is, who may connect, and nothing left behind."""

from __future__ import annotations

import socket
import stat
from contextlib import suppress
from functools import partial
from pathlib import Path

import trio

from trionet.addresses import UnixAddress
from trionet.sockets import SocketListener


async def listen_unix(
    where: UnixAddress, *, backlog: int, mode: int | None = None
) -> SocketListener:
    """Listen on a Unix socket; a file that a dead server left is replaced, any other never.

    Args:
        where: the path.
        backlog: connections that the system holds ready before they are accepted.
        mode: the file's permissions; default: what the umask leaves.

    Raises:
        OSError: the system's reason why not.
        UnicodeError: the path is none.

    Resource handling: the file is removed when the listener is closed, if it is still its own.
    """
    if _is_socket(where.path) and not await _answers(where.path):
        _remove(where.path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.bind(where.path)
        made = _identity(where.path)
    except BaseException:
        sock.close()
        raise
    try:
        if mode is not None:
            # Nobody can connect before `listen`, whatever the mode was until here.
            _set_mode(where.path, mode)
        sock.listen(backlog)
    except BaseException:
        sock.close()
        _remove_own(where.path, made)
        raise
    return SocketListener(sock, on_close=partial(_remove_own, where.path, made))


def _is_socket(path: str) -> bool:
    try:
        return stat.S_ISSOCK(Path(path).stat().st_mode)
    except OSError:
        return False


async def _answers(path: str) -> bool:
    try:
        await (await trio.open_unix_socket(path)).aclose()
    except ConnectionRefusedError:
        return False
    except OSError:
        # Such as one that this user may not connect to: somebody's, as far as can be told.
        return True
    return True


def _remove(path: str) -> None:
    Path(path).unlink(missing_ok=True)


def _set_mode(path: str, mode: int) -> None:
    Path(path).chmod(mode)


def _identity(path: str) -> tuple[int, int]:
    status = Path(path).stat()
    return status.st_dev, status.st_ino


def _remove_own(path: str, made: tuple[int, int]) -> None:
    """Remove a socket file, unless another server has put its own there since."""
    with suppress(OSError):
        if _identity(path) == made:
            Path(path).unlink()
