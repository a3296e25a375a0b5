"""The command line: the only code that prompts, and that decides to exit."""

# Not `signal`: Ctrl-C could come while that is being loaded.
import _signal  # type: ignore[import-not-found]
import os
import sys


def end_quietly() -> None:
    """Let Ctrl-C end the process silently, until a command handles signals itself.

    If SIGINT is already handled or ignored, nothing changes.
    """
    if _signal.getsignal(_signal.SIGINT) is not _signal.default_int_handler:
        return
    if os.getpid() != 1:
        _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
        return
    # The first process of a container gets only the signals that it handles.
    for number in (_signal.SIGINT, _signal.SIGTERM):
        _signal.signal(number, lambda number, _frame: os._exit(128 + number))


# The console script and `python -m trionet.cli.main` import this package before anything slow. In
# other programs, such as pytest, an import must leave signals alone.
if os.path.basename(getattr(sys, "argv", [""])[0]) in ("-m", "trionet"):  # noqa: PTH119
    end_quietly()
