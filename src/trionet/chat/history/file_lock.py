"""Who writes a history file: one server at a time.

It holds a lock on `FILE-lock` beside the file, which the kernel releases however the server ends.
Programs that only read need no lock.
"""

from __future__ import annotations

import os
from pathlib import Path

from trionet.chat.history.faults import HistoryError
from trionet.errors import system_reason


class FileLock:
    """The mark that a server holds a history file.

    Raises:
        HistoryError: another server holds it, or the mark cannot be made.
    """

    def __init__(self, file: Path) -> None:
        # Beside the file itself, whatever link leads to it, as SQLite has its log.
        real = Path(os.path.realpath(file))
        self._path = real.with_name(f"{real.name}-lock")
        while True:
            try:
                self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
            except OSError as error:
                raise HistoryError(f"cannot write beside {file}: {system_reason(error)}") from None
            try:
                _lock(self._descriptor)
            except OSError:
                os.close(self._descriptor)
                raise HistoryError(f"another server holds {file}") from None
            if self._is_in_place():
                return
            # The server that held it has removed it meanwhile.
            os.close(self._descriptor)

    def release(self) -> None:
        """Let another server have the file."""
        self._path.unlink(missing_ok=True)
        os.close(self._descriptor)

    def _is_in_place(self) -> bool:
        try:
            return os.path.samestat(os.fstat(self._descriptor), self._path.stat())
        except FileNotFoundError:
            return False


def _lock(descriptor: int) -> None:
    try:
        import fcntl
    except ImportError:  # Windows
        import msvcrt

        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
    else:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
