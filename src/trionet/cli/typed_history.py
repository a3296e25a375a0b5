"""The history of what was typed, kept between runs in the user's state folder, one entry a line.

The file belongs to the user, who may read it, edit it, delete it, or make it a link to /dev/null.
Anything else in its place, such as a pipe or a device, is left alone: opening it could hang.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path

from platformdirs import user_state_path
from prompt_toolkit.history import History

from trionet.errors import system_reason
from trionet.lines import MAX_LINE

# Some 5,000 operations of usual length. (bash keeps 500 lines.) A file that has grown to twice this
# size is cut to it, so that it is rarely rewritten.
MAX_BYTES = 65536

# How long to wait for another program's lock. A program holds the lock for one write, which takes
# less than a millisecond; if it holds it longer, it is stuck. The user sees nothing meanwhile.
_LOCK_SECONDS = 0.2
_LOCK_PAUSE = 0.01

# Commands are typed in every session, and nobody looks for them in the history.
_COMMANDS = ("q", "?")


def history_path(name: str) -> Path | None:
    """Return the path of a history file: on Linux ``~/.local/state/trionet/NAME``, or as XDG says.

    ``None``: the user's home folder cannot be found.
    """
    try:
        path = user_state_path("trionet", appauthor=False) / name
    except RuntimeError:
        return None
    # Older versions of platformdirs do not expand the `~`.
    return path if path.is_absolute() else None


class KeptHistory(History):
    """A history for a ``PromptSession``; several programs may use the same file at a time.

    Each appends its own entries, and finds those of the others the next time it starts. It is not
    an error if the file cannot be read or written: then only this run knows what was typed.

    Args:
        path: the file. It is made once there is something to keep, with its folders, readable by
            the user alone. ``None``: there is no place for a file.
        on_failure: called once, with one line, if the history cannot be kept.
    """

    def __init__(self, path: Path | None, *, on_failure: Callable[[str], object]) -> None:
        super().__init__()
        self._path = path
        self._on_failure = on_failure
        self._failed = False

    def append_string(self, string: str) -> None:
        """Add an entry, unless it is a command."""
        if string.strip() not in _COMMANDS:
            super().append_string(string)

    def load_history_strings(self) -> Iterable[str]:
        """Return the entries in the file, newest first."""
        if self._path is None:
            return []
        try:
            with _opened(self._path, os.O_RDONLY) as file:
                if file is None:
                    return []
                # Only another program can have made it longer. The first entry, cut in half, is
                # left out then.
                if file.seek(0, os.SEEK_END) > 2 * MAX_BYTES:
                    file.seek(-2 * MAX_BYTES, os.SEEK_END)
                    file.readline()
                else:
                    file.seek(0)
                data = file.read()
        except OSError:
            # There is none yet; or it cannot be written either, and `on_failure` will say so.
            return []
        return [line for line in reversed(data.decode(errors="replace").split("\n")) if line]

    def store_string(self, string: str) -> None:
        """Append an entry to the file, one for each line of a paste. Never blocks for long."""
        lines = [line.encode(errors="replace") for line in string.split("\n") if line.strip()]
        data = b"".join(line + b"\n" for line in lines if len(line) <= MAX_LINE)
        if not data or self._failed:
            return
        if self._path is None:
            self._fail("history is not kept: your home folder cannot be found: set HOME")
            return
        try:
            _make_folder(self._path.parent)
            _append(self._path, data)
        except OSError as error:
            self._fail(f"history is not kept in {self._path}: {system_reason(error)}")

    def _fail(self, reason: str) -> None:
        self._failed = True
        self._on_failure(reason)


def _append(path: Path, data: bytes) -> None:
    with _opened(path, os.O_RDWR | os.O_APPEND | os.O_CREAT) as file:
        if file is None:
            return
        _lock(file.fileno())
        size = file.seek(0, os.SEEK_END)
        if file.write(data) < len(data):
            # The device is full. Do not keep half an entry.
            file.truncate(size)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if size + len(data) > 2 * MAX_BYTES:
            _cut(path, file)


def _cut(path: Path, file: FileIO) -> None:
    # Rewrite the file rather than replace it: another program may be about to append to it. If this
    # is interrupted, some entries are in the file twice.
    file.seek(-MAX_BYTES, os.SEEK_END)
    _, _, kept = file.read().partition(b"\n")
    # `file` itself can only append.
    with _opened(path, os.O_RDWR) as whole:
        if whole is not None:
            whole.write(kept)
            whole.truncate()


@contextmanager
def _opened(path: Path, flags: int) -> Iterator[FileIO | None]:
    """Open a file without waiting for anything; ``None``: it is the null device.

    Raises:
        OSError: it cannot be opened, or is not a regular file.
    """
    with suppress(FileNotFoundError):
        # Look before opening, because a device may do something when it is opened.
        if _is_null_device(path.stat()):
            yield None
            return
    # O_NONBLOCK, because it may have become a pipe just now.
    flags |= getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_BINARY", 0)
    fd = os.open(path, flags, 0o600)
    with FileIO(fd, "rb+" if flags & os.O_RDWR else "rb") as file:
        _is_null_device(os.fstat(fd))
        yield file


def _is_null_device(what: os.stat_result) -> bool:
    """Return whether it is the null device, not a regular file.

    Raises:
        OSError: it is neither.
    """
    if stat.S_ISREG(what.st_mode):
        return False
    if stat.S_ISDIR(what.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if stat.S_ISCHR(what.st_mode) and what.st_rdev == Path(os.devnull).stat().st_rdev:
        return True
    raise OSError(errno.EINVAL, "it is not a regular file")


def _make_folder(path: Path) -> None:
    """Make a folder and its parents, all for this user alone, as the XDG specification demands.

    ``Path.mkdir(parents=True)`` would let everybody read the parents.
    """
    for folder in reversed((path, *path.parents)):
        if not folder.exists():
            folder.mkdir(mode=0o700, exist_ok=True)


def _lock(fd: int) -> None:
    """Keep other programs from writing to a file until it is closed, if the OS can.

    Raises:
        OSError: another program does not release its lock.
    """
    try:
        import fcntl
    except ImportError:
        # On Windows an append is whole without a lock. Two programs that cut the file at the same
        # time, which happens once in 5,000 entries, may lose a few.
        return
    give_up = time.monotonic() + _LOCK_SECONDS
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > give_up:
                raise OSError(errno.EWOULDBLOCK, "another program has locked it") from None
            time.sleep(_LOCK_PAUSE)
        else:
            return
