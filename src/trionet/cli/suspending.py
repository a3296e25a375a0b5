"""Stop the program until a shell continues it, as Ctrl-Z does."""

from __future__ import annotations

import os
import signal
from contextlib import suppress


def job_signals() -> list[int]:
    """Return the signals by which a shell stops and continues the program.

    If SIGTSTP is ignored, it stays so: whoever started the program wants it never to stop.
    """
    if signal.getsignal(signal.SIGTSTP) == signal.SIG_IGN:
        return [signal.SIGCONT]
    return [signal.SIGTSTP, signal.SIGCONT]


def stop() -> None:
    """Stop here until SIGCONT, unless nobody could send it.

    The kernel does not stop a program whose session has no shell. SIGSTOP would stop it for ever.
    """
    ours = signal.signal(signal.SIGTSTP, signal.SIG_DFL)
    signal.raise_signal(signal.SIGTSTP)
    signal.signal(signal.SIGTSTP, ours)


def stop_in_background() -> None:
    """Stop until the next SIGCONT, like any program that reads a terminal that is not its own."""
    signal.raise_signal(signal.SIGTTIN)


def send_to_job(number: int) -> None:
    """Send a signal as a key of the terminal would: to every process in the foreground."""
    with suppress(OSError):
        if os.tcgetpgrp(0) == os.getpgrp():
            os.killpg(os.getpgrp(), number)
            return
    # This is not our controlling terminal, so it has no job control for us.
    if number != signal.SIGTSTP:
        os.kill(os.getpid(), number)
