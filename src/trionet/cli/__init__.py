"""The command line: the only code that prompts, and that decides to exit."""

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


# The console script, `python -m trionet` and `python -m trionet.cli.main` import this package
# before anything slow. In other programs, such as pytest, an import must leave signals alone.
_program = getattr(sys, "argv", [""])[0]
_own_main = __file__.removesuffix("__init__.py").removesuffix("cli" + os.sep) + "__main__.py"
if os.path.basename(_program) in ("-m", "trionet") or _program == _own_main:  # noqa: PTH119
    end_quietly()
