"""What Ctrl-C does until the command line handles it.

The package imports this file before all else, and this file imports nothing that takes time: until
it has run, Ctrl-C is a traceback.
"""

# Not `signal`: Ctrl-C could come while that is being loaded.
import _signal  # type: ignore[import-not-found]
import os
import sys


def end_quietly() -> None:
    """Let Ctrl-C end the process silently, until a command handles signals itself.

    If SIGINT is already handled or ignored, nothing changes.
    """
    if os.getpid() != 1:
        if _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
            _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
        return
    # The first process of a container gets only the signals that it handles.
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"):
        number = getattr(_signal, name, None)
        if number and _signal.getsignal(number) in (_signal.SIG_DFL, _signal.default_int_handler):
            _signal.signal(number, lambda number, _frame: os._exit(128 + number))


def is_command_line(arguments: list[str], original: list[str]) -> bool:
    """Tell whether the process is the command ``trionet``, and not a program that imports trionet.

    Args:
        arguments: ``sys.argv``.
        original: ``sys.orig_argv``, which begins with the interpreter and its options.
    """
    if not arguments:
        return False
    if arguments[0] != "-m":
        return os.path.basename(arguments[0]) == "trionet"  # noqa: PTH119
    # Python is still looking for the module that it will run. Its name is where "-m" or "-mNAME"
    # has ended, just before the program's own arguments.
    module = original[-len(arguments)].removeprefix("-m")
    return module.partition(".")[0] == "trionet"


if is_command_line(getattr(sys, "argv", []), sys.orig_argv):
    end_quietly()
