"""A Trio toolkit for line-based network services.

>>> async def echo(connection: Connection) -> None:
...     async for line in connection.lines:
...         await connection.send(line)

``run(echo, "localhost:7000")`` serves it until Ctrl-C.

Each name is loaded when it is first used: ``trionet --version`` needs no Trio, and pytest finds
trionet's fixtures without loading it.
"""

# First, so that Ctrl-C during the start of the command line is no traceback.
from trionet import _start as _start  # isort: split

from trionet._lazy import attach
from trionet._version import __version__ as __version__

__getattr__, __dir__ = attach(__name__)
