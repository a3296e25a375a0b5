"""A Trio toolkit for line-based network services.

>>> async def echo(connection: Connection) -> None:
...     async for line in connection.lines:
...         await connection.send(line)

``run(echo, "localhost:7000")`` serves it until Ctrl-C.

Each name is loaded when it is first used: ``trionet --version`` needs no Trio, and pytest finds
trionet's fixtures without loading it.
"""

# In the command `trionet`, Ctrl-C ends the process without a traceback from the first moment. In
# other programs, an import leaves signals alone. Nothing is loaded for it, since that takes time;
# `trionet.cli` does the rest.
import sys as _sys

_program = getattr(_sys, "argv", [""])[0].replace("\\", "/").rpartition("/")[2]
_options = getattr(_sys, "orig_argv", [])
_module = _options[_options.index("-m") + 1] if _program == "-m" and "-m" in _options else ""
if "trionet" in (_program, _module.partition(".")[0]):
    import _signal  # type: ignore[import-not-found]

    if _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
        _signal.signal(_signal.SIGINT, _signal.SIG_DFL)

from trionet._lazy import attach  # noqa: E402
from trionet._version import __version__ as __version__  # noqa: E402

__getattr__, __dir__ = attach(__name__)
