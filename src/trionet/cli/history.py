"""What was typed, kept between runs: a file in the user's state folder, one entry a line.

The file is the user's own: they may read it, edit it, delete it, or make it a link to /dev/null.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from platformdirs import user_state_path
from prompt_toolkit.history import History

from trionet.errors import system_reason
from trionet.lines import MAX_LINE

# Some 5,000 operations of usual length. (bash keeps 500 lines.) The file is cut to this when it
# has grown to twice as much: so it is seldom written anew.
MAX_BYTES = 65536

# What ends a session or asks for help is typed each time, and nobody looks for it.
_COMMANDS = ("q", "?")


def history_path(name: str) -> Path:
    """Return the path of a history: on Linux ``~/.local/state/trionet/NAME``, or as XDG has it."""
    return user_state_path("trionet", appauthor=False) / name


class KeptHistory(History):
    """A history for a ``PromptSession``; several programs may have the same file at a time.

    Each appends its own entries, and finds those of the others when it is started the next time.
    A file that cannot be read or written is no error: what was typed is then known to this run.

    Args:
        path: the file; it is made, with its folders, when there is something to keep, for its user
            alone.
        on_failure: called with one line when it cannot be kept; once.
    """

    def __init__(self, path: Path, *, on_failure: Callable[[str], object]) -> None:
        super().__init__()
        self._path = path
        self._on_failure = on_failure
        self._failed = False

    def append_string(self, string: str) -> None:
        """Take an entry, unless it is a command."""
        if string.strip() not in _COMMANDS:
            super().append_string(string)

    def load_history_strings(self) -> Iterable[str]:
        """Return the entries in the file, the newest first."""
        try:
            with self._path.open("rb") as file:
                # Longer than this it can only be by another's hand; then half an entry is left out.
                if file.seek(0, os.SEEK_END) > 2 * MAX_BYTES:
                    file.seek(-2 * MAX_BYTES, os.SEEK_END)
                    file.readline()
                else:
                    file.seek(0)
                data = file.read()
        except OSError:
            # None yet; or it cannot be kept either, and that is told then.
            return []
        return [line for line in reversed(data.decode(errors="replace").split("\n")) if line]

    def store_string(self, string: str) -> None:
        """Append an entry to the file; the lines of a paste are one each."""
        lines = [line.encode(errors="replace") for line in string.split("\n") if line.strip()]
        data = b"".join(line + b"\n" for line in lines if len(line) <= MAX_LINE)
        if not data or self._failed:
            return
        try:
            _make_folder(self._path.parent)
            self._append(data)
        except OSError as error:
            self._failed = True
            self._on_failure(f"history is not kept in {self._path}: {system_reason(error)}")

    def _append(self, data: bytes) -> None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        fd = os.open(self._path, flags, 0o600)
        with open(fd, "wb", buffering=0) as file, _locked(fd):  # noqa: PTH123  (it has a mode)
            file.write(data)
            if file.tell() > 2 * MAX_BYTES:
                self._cut()

    def _cut(self) -> None:
        # In place, and not by a new file in place of this: another program may be about to append
        # to this one. When it breaks off in the middle, entries are there twice.
        with self._path.open("r+b") as file:
            file.seek(-MAX_BYTES, os.SEEK_END)
            _, _, kept = file.read().partition(b"\n")
            file.seek(0)
            file.write(kept)
            file.truncate()


def _make_folder(path: Path) -> None:
    """Make a folder and those above it, all for this user alone (as the XDG specification has it).

    ``Path.mkdir(parents=True)`` would make those above it for all to read.
    """
    for folder in reversed((path, *path.parents)):
        if not folder.exists():
            folder.mkdir(mode=0o700, exist_ok=True)


@contextmanager
def _locked(fd: int) -> Iterator[None]:
    """Keep other programs from writing to a file, where the system can."""
    try:
        import fcntl
    except ImportError:
        # On Windows an append is whole without it; two programs that cut at the same time, once in
        # 5,000 entries, may lose a few.
        yield
        return
    fcntl.flock(fd, fcntl.LOCK_EX)
    # Closing the file unlocks it.
    yield
