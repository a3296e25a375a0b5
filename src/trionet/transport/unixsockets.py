"""Unix sockets: connect to one, or listen and replace what a dead server left.

Of several servers that start at the same time on one path, exactly one wins. A server finds out
whether a socket belongs to a living server by connecting to it. Between that and `listen` another
server could do the same, so all of it happens under a lock, `PATH.lock`:

- The lock is an `flock` on that file. It ends with its process, however the process ends, so a file
  left by a dead process keeps nobody out.
- The lock is held from the first look until `listen`, about a millisecond, and not for the life of
  the server: the socket itself shows whether the server is alive. So the question whose lock file
  it is never comes up: the holder removes the file before it releases the lock.
- A server may wait for a lock file that is removed meanwhile. Its lock is then on nothing, and it
  starts over.
- Symbolic links are never followed or removed, neither for the lock nor for the socket.
- In a directory that is not writable there is no lock, but no socket can be made there either.
"""

from __future__ import annotations

import os
import socket
import stat
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

import trio

from trionet.errors import TrionetError, system_reason
from trionet.transport.addresses import UnixAddress
from trionet.transport.listener import SocketListener
from trionet.transport.sockets import SocketStream, adopt

if sys.platform != "win32":
    import fcntl

# Bytes of a path, or of an abstract name after its `@`: what struct sockaddr_un holds, minus one.
MAX_PATH = (108 if sys.platform == "linux" else 104) - 1

# A server holds the lock for a millisecond. This much time is for an overloaded machine.
_LOCK_SECONDS = 5.0
_TRY_AGAIN_SECONDS = 0.01


def socket_name(where: UnixAddress) -> str:
    """Return a Unix socket's address as the socket module takes it.

    Raises:
        TrionetError: no socket can have this path or name here.
        UnicodeError: it is not a valid path.
    """
    size = len(os.fsencode(where.path))
    if where.is_abstract:
        if sys.platform != "linux":
            raise TrionetError(
                f"only Linux has abstract sockets; a file of this name is unix:./{where.path}"
            )
        if size - 1 > MAX_PATH:
            raise TrionetError(
                f"the name has {size - 1} bytes, and an abstract socket's at most {MAX_PATH}"
            )
        return "\0" + where.path[1:]
    if size > MAX_PATH:
        raise TrionetError(f"the path has {size} bytes, and a Unix socket's at most {MAX_PATH}")
    return where.path


async def connect_unix(where: UnixAddress) -> SocketStream:
    """Connect to a Unix socket.

    Args:
        where: the path, or the name of an abstract socket.

    Returns:
        The stream; the caller closes it.

    Raises what `listen_unix` does.

    Cancellation: leaves nothing behind.
    """
    return adopt(await trio.open_unix_socket(socket_name(where)))


async def listen_unix(
    where: UnixAddress, *, backlog: int, mode: int | None = None
) -> SocketListener:
    """Listen on a Unix socket. Replaces a file that a dead server left, and never any other file.

    Args:
        where: the path, or the name of an abstract socket.
        backlog: connections that the kernel holds ready before they are accepted.
        mode: the file's permissions; default: what the umask leaves.

    Raises:
        OSError: the kernel's reason why not.
        TrionetError: another reason.
        UnicodeError: it is not a valid path.

    Cancellation: leaves nothing behind.

    Resource handling: closing the listener removes the file, if it is still its own.
    """
    name = socket_name(where)
    if where.is_abstract:
        if mode is not None:
            raise TrionetError("an abstract socket has no mode: everybody may connect to it")
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.bind(name)
            sock.listen(backlog)
        except BaseException:
            sock.close()
            raise
        return SocketListener(sock)
    async with _locked(name):
        if _is_link(name):
            raise TrionetError("a symbolic link is there, which is never replaced")
        if _is_socket(name) and not await _answers(name):
            _remove(name)
        return _listen(name, backlog=backlog, mode=mode)


def _listen(path: str, *, backlog: int, mode: int | None) -> SocketListener:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.bind(path)
        made = _identity(path)
    except BaseException:
        sock.close()
        raise
    try:
        if mode is not None:
            # Nobody can connect before `listen`, whatever the mode is until then.
            _set_mode(path, mode)
        sock.listen(backlog)
    except BaseException:
        sock.close()
        _remove_own(path, made)
        raise
    # The file is removed while the socket still answers. Otherwise another server could take it for
    # a dead server's, put its own file in its place, and lose that to our removal.
    return SocketListener(sock, on_close=partial(_remove_own, path, made))


@asynccontextmanager
async def _locked(path: str) -> AsyncIterator[None]:
    """Let nobody else make a socket at a path for as long as the block runs.

    Raises:
        OSError: the kernel's reason why it cannot be locked.
        TrionetError: somebody else holds the lock for too long, or its file cannot be used.
    """
    lock = f"{path}.lock"
    deadline = trio.current_time() + _LOCK_SECONDS
    while (descriptor := _try_to_lock(lock)) is None:
        if trio.current_time() >= deadline:
            raise TrionetError(f"another server is starting there: it holds {lock}")
        await trio.sleep(_TRY_AGAIN_SECONDS)
    try:
        yield
    finally:
        _unlock(descriptor, lock)


def _try_to_lock(lock: str) -> int | None:
    """Return a descriptor that holds the lock; ``None``: somebody else holds it."""
    try:
        # Anybody who may read the file could lock it, so nobody else may.
        descriptor = os.open(
            lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600
        )
    except OSError as error:
        if not os.path.lexists(lock):
            # The directory is not writable: then no socket can be made there either.
            raise
        raise TrionetError(f"cannot lock {lock}: {system_reason(error)}") from error
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise TrionetError(f"cannot lock {lock}: it is not a regular file")
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _is_still_there(descriptor, lock):
            return descriptor
    except BlockingIOError:
        pass
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None


def _unlock(descriptor: int, lock: str) -> None:
    # Remove first and release second: a server that waits for the lock then sees that the file is
    # gone. A file with something in it is somebody's own, and stays.
    with suppress(OSError):
        if os.fstat(descriptor).st_size == 0:
            _remove(lock)
    os.close(descriptor)


def _is_still_there(descriptor: int, path: str) -> bool:
    """Return whether a path still names an open file: it may have been removed meanwhile."""
    try:
        there = Path(path).lstat()
    except FileNotFoundError:
        return False
    return os.path.samestat(os.fstat(descriptor), there)


def _is_link(path: str) -> bool:
    return Path(path).is_symlink()


def _is_socket(path: str) -> bool:
    try:
        return stat.S_ISSOCK(Path(path).lstat().st_mode)
    except OSError:
        return False


async def _answers(path: str) -> bool:
    try:
        await (await trio.open_unix_socket(path)).aclose()
    except ConnectionRefusedError:
        return False
    except OSError:
        # For example, this user may not connect to it: then somebody probably serves on it.
        return True
    return True


def _remove(path: str) -> None:
    Path(path).unlink(missing_ok=True)


def _set_mode(path: str, mode: int) -> None:
    Path(path).chmod(mode)


def _identity(path: str) -> tuple[int, int]:
    status = Path(path).lstat()
    return status.st_dev, status.st_ino


def _remove_own(path: str, made: tuple[int, int]) -> None:
    """Remove a socket file, unless another server has put its own there meanwhile."""
    with suppress(OSError):
        if _identity(path) == made:
            Path(path).unlink()
