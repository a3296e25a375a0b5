"""The command line: the only code that prompts, and that exits by itself."""

# And not `signal`: Ctrl-C may come while that is loaded.
import _signal  # type: ignore[import-not-found]
import os
import sys


def end_quietly() -> None:
    """Let Ctrl-C end the process without a word, until a command takes care of signals itself.

    A signal that is handled or ignored already stays so.
    """
    if os.getpid() != 1:
        if _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
            _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
        return
    # The kernel keeps from the first process of a container what it does not handle.
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"):
        number = getattr(_signal, name, None)
        if number and _signal.getsignal(number) in (_signal.SIG_DFL, _signal.default_int_handler):
            _signal.signal(number, lambda number, _frame: os._exit(128 + number))


# The console script and `python -m trionet.cli.main` import this package before anything heavy. In
# other programs, such as pytest, an import must leave signals alone.
if os.path.basename(getattr(sys, "argv", [""])[0]) in ("-m", "trionet"):  # noqa: PTH119
    end_quietly()
