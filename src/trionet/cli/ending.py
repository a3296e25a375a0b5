"""How the program ends: of a signal, as its parent expects, and never with a traceback for Ctrl-C.

A program that is interrupted should put its things in order and then die *of the signal*: a shell
that runs it in a loop ends the loop only then. What happens before this module is loaded is up to
the package that it is in.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from typing import NoReturn

from trionet.errors import system_reason

# By convention of the shells.
SIGNALLED = 128


class Ended(SystemExit):
    """The program is to end now: of a signal, or else at once with a status.

    Attributes:
        number: the signal, or ``None``.
    """

    def __init__(self, status: int, number: int | None = None) -> None:
        super().__init__(status)
        self.status = status
        self.number = number

    @classmethod
    def by_signal(cls, number: int) -> Ended:
        """Return the end by a signal."""
        return cls(SIGNALLED + number, number)

    def end(self) -> NoReturn:
        """End the process. For the main thread."""
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except (OSError, ValueError, AttributeError):
                # It is closed, or there is none; nothing of consequence goes through these.
                continue
        if self.number is not None:
            die_of(self.number)
        os._exit(self.status)


def die_of(number: int) -> NoReturn:
    """End the process by a signal, or with the status that a shell would show for it.

    For the main thread.
    """
    signal.signal(number, signal.SIG_DFL)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
    os.kill(os.getpid(), number)
    # The first process of a container does not die of signals that it does not handle.
    os._exit(SIGNALLED + number)


def open_missing_streams() -> None:
    """Put something in the place of standard streams that are closed, as by ``>&-``.

    Or the next file that is opened, such as a connection, would be taken for the standard output.
    Reading from and writing to what is put there fail as they do with a closed one.
    """
    for fd in (0, 1, 2):
        try:
            os.fstat(fd)
        except OSError:
            # The lowest number that is free: this one.
            os.open(os.devnull, os.O_RDONLY if fd else os.O_WRONLY)
            os.set_inheritable(fd, True)
    if sys.stdout is None:
        # What is printed there should fail as well, and not vanish.
        sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)


def exit_after_lost_output(error: OSError) -> NoReturn:
    """Exit because something could not be printed, and say so if it was the standard output.

    Args:
        error: why; if it came up while an error of the command line was printed, it is the standard
            error that cannot be written.

    Raises:
        SystemExit: always.
    """
    usage = getattr(error.__context__, "exit_code", None)
    if usage is None:
        with suppress(OSError):
            message = f"error: cannot write to standard output: {system_reason(error)}\n"
            os.write(2, message.encode())
    # The interpreter would try again to write what is left, and complain.
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)
    sys.exit(1 if usage is None else usage)
