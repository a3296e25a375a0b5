"""How the program ends: by the signal, as its parent expects, and without a traceback for Ctrl-C.

A program that is interrupted should clean up and then die *of the signal*: only then does a shell
that runs it in a loop end the loop. The package's ``__init__`` handles Ctrl-C until this module is
loaded.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from typing import NoReturn

from trionet.errors import system_reason

# Exit statuses. Shells add the number of a signal to the last one, by convention.
DONE = 0
FAILED = 1
USAGE_ERROR = 2
SIGNALLED = 128


class Ended(SystemExit):
    """Ends the program: by a signal, or with a status.

    Attributes:
        status: the exit status; for a signal, the one that a shell shows for it.
        number: the signal, or ``None``.
    """

    def __init__(self, status: int, number: int | None = None) -> None:
        super().__init__(status)
        self.status = status
        self.number = number

    @classmethod
    def by_signal(cls, number: int) -> Ended:
        """Return an end by a signal."""
        return cls(SIGNALLED + number, number)

    def end(self) -> NoReturn:
        """End the process. Call it in the main thread."""
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except (OSError, ValueError, AttributeError):
                # It is closed, or missing. Nothing important goes through these streams.
                continue
        if self.number is not None:
            die_of(self.number)
        os._exit(self.status)


def die_of(number: int) -> NoReturn:
    """End the process by a signal, or else with the status that a shell would show for it.

    Call it in the main thread.
    """
    signal.signal(number, signal.SIG_DFL)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
    os.kill(os.getpid(), number)
    # The first process of a container does not die of a signal that it does not handle.
    os._exit(SIGNALLED + number)


def open_missing_streams() -> None:
    """Open a substitute for each standard stream that is closed, for example by ``>&-``.

    Otherwise the next file that is opened, such as a connection, would be taken for standard
    output. Reading and writing the substitute fail as they would on the closed stream.
    """
    for fd in (0, 1, 2):
        try:
            os.fstat(fd)
        except OSError:
            # The kernel picks the lowest free number, which is this one.
            os.open(os.devnull, os.O_RDONLY if fd else os.O_WRONLY)
            os.set_inheritable(fd, True)
    if sys.stdout is None:
        # Printing should fail there too, rather than vanish.
        sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)


def exit_after_lost_output(error: OSError) -> NoReturn:
    """Exit because something could not be printed, and say so if it was standard output.

    Args:
        error: the reason. If it was raised while a usage error was being printed, standard error is
            what cannot be written.

    Raises:
        SystemExit: always.
    """
    usage = getattr(error.__context__, "exit_code", None)
    if usage is None:
        with suppress(OSError):
            message = f"error: cannot write to standard output: {system_reason(error)}\n"
            os.write(2, message.encode())
    # Otherwise the interpreter would try once more to write what is left, and complain.
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)
    sys.exit(1 if usage is None else usage)
