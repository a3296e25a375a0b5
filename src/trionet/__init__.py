"""A Trio toolkit for line-based network services.

>>> async def echo(connection: Connection) -> None:
...     async for line in connection.lines:
...         await connection.send(line)

``trio.run(serve, echo, "localhost:7000")`` serves it.
"""

from trionet._version import __version__
from trionet.addresses import Address, TCPAddress, UnixAddress, parse_address
from trionet.connection import Connection
from trionet.errors import (
    AddressError,
    BadLine,
    ConnectError,
    ConnectionLost,
    LineNotUTF8,
    LineTooLong,
    LineUnending,
    ListenError,
    ReceiveInterrupted,
    TrionetError,
    UnsendableLine,
)
from trionet.hub import Box, Hub
from trionet.limits import Limits
from trionet.lines import (
    MAX_LINE,
    MAX_LINE_TO_CLIENT,
    MAX_UNENDING,
    Line,
    LineDecoder,
    encode_line,
    encode_lines,
    is_http_request,
)
from trionet.network import SYSTEM, Listener, Network, SystemNetwork
from trionet.outbox import Outbox, WhenSlow
from trionet.server import Server, WhenFull, serve
from trionet.sockets import SocketListener, SocketStream
from trionet.stream import (
    InputEnd,
    Interruptible,
    LineReader,
    LineStream,
    SendsNow,
    lingering_close,
)
from trionet.text import safe_text

__all__ = [
    "MAX_LINE",
    "MAX_LINE_TO_CLIENT",
    "MAX_UNENDING",
    "SYSTEM",
    "Address",
    "AddressError",
    "BadLine",
    "Box",
    "ConnectError",
    "Connection",
    "ConnectionLost",
    "Hub",
    "InputEnd",
    "Interruptible",
    "Limits",
    "Line",
    "LineDecoder",
    "LineNotUTF8",
    "LineReader",
    "LineStream",
    "LineTooLong",
    "LineUnending",
    "ListenError",
    "Listener",
    "Network",
    "Outbox",
    "ReceiveInterrupted",
    "SendsNow",
    "Server",
    "SocketListener",
    "SocketStream",
    "SystemNetwork",
    "TCPAddress",
    "TrionetError",
    "UnixAddress",
    "UnsendableLine",
    "WhenFull",
    "WhenSlow",
    "__version__",
    "encode_line",
    "encode_lines",
    "is_http_request",
    "lingering_close",
    "parse_address",
    "safe_text",
    "serve",
]
