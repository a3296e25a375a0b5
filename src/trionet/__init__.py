"""A Trio toolkit for line-based network services.

>>> async def echo(connection: Connection) -> None:
...     async for line in connection.lines:
...         await connection.send(line)

``run(echo, "localhost:7000")`` serves it until Ctrl-C.

Each name is loaded when it is first used: ``trionet --version`` needs no Trio, and pytest finds
trionet's fixtures without loading it.
"""

from importlib import import_module

from trionet._version import __version__

# Type checkers take it for true. From `typing` it would cost the program 5 ms at its start, in
# which Ctrl-C is a traceback.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from trionet.addresses import (
        Address as Address,
    )
    from trionet.addresses import (
        TCPAddress as TCPAddress,
    )
    from trionet.addresses import (
        TLSAddress as TLSAddress,
    )
    from trionet.addresses import (
        UnixAddress as UnixAddress,
    )
    from trionet.addresses import (
        parse_address as parse_address,
    )
    from trionet.audience import Box as Box
    from trionet.connection import Connection as Connection
    from trionet.errors import (
        AddressError as AddressError,
    )
    from trionet.errors import (
        BadLine as BadLine,
    )
    from trionet.errors import (
        ConnectError as ConnectError,
    )
    from trionet.errors import (
        ConnectionLost as ConnectionLost,
    )
    from trionet.errors import (
        LineNotUTF8 as LineNotUTF8,
    )
    from trionet.errors import (
        LineTooLong as LineTooLong,
    )
    from trionet.errors import (
        LineUnending as LineUnending,
    )
    from trionet.errors import (
        ListenError as ListenError,
    )
    from trionet.errors import (
        ReceiveInterrupted as ReceiveInterrupted,
    )
    from trionet.errors import (
        TrionetError as TrionetError,
    )
    from trionet.errors import (
        UnsendableLine as UnsendableLine,
    )
    from trionet.events import Closed as Closed
    from trionet.events import Identified as Identified
    from trionet.events import Opened as Opened
    from trionet.events import Refused as Refused
    from trionet.events import ServerEvent as ServerEvent
    from trionet.hub import Hub as Hub
    from trionet.limits import Limits as Limits
    from trionet.lines import (
        MAX_LINE as MAX_LINE,
    )
    from trionet.lines import (
        MAX_LINE_TO_CLIENT as MAX_LINE_TO_CLIENT,
    )
    from trionet.lines import (
        MAX_UNENDING as MAX_UNENDING,
    )
    from trionet.lines import (
        Line as Line,
    )
    from trionet.lines import (
        LineDecoder as LineDecoder,
    )
    from trionet.lines import (
        encode_line as encode_line,
    )
    from trionet.lines import (
        encode_lines as encode_lines,
    )
    from trionet.lines import (
        is_http_request as is_http_request,
    )
    from trionet.network import (
        SYSTEM as SYSTEM,
    )
    from trionet.network import (
        Listener as Listener,
    )
    from trionet.network import (
        Network as Network,
    )
    from trionet.network import (
        SystemNetwork as SystemNetwork,
    )
    from trionet.outbox import Outbox as Outbox
    from trionet.outbox import WhenSlow as WhenSlow
    from trionet.program import run as run
    from trionet.server import Server as Server
    from trionet.server import WhenFull as WhenFull
    from trionet.server import serve as serve
    from trionet.sockets import SocketListener as SocketListener
    from trionet.sockets import SocketStream as SocketStream
    from trionet.stream import (
        InputEnd as InputEnd,
    )
    from trionet.stream import (
        Interruptible as Interruptible,
    )
    from trionet.stream import (
        LineReader as LineReader,
    )
    from trionet.stream import (
        LineStream as LineStream,
    )
    from trionet.stream import (
        PeeksInput as PeeksInput,
    )
    from trionet.stream import (
        ReceivesNow as ReceivesNow,
    )
    from trionet.stream import (
        SendsDirectly as SendsDirectly,
    )
    from trionet.stream import (
        SendsNow as SendsNow,
    )
    from trionet.stream import (
        TellsDelivery as TellsDelivery,
    )
    from trionet.stream import (
        lingering_close as lingering_close,
    )
    from trionet.text import safe_text as safe_text
    from trionet.tls import TLSListener as TLSListener
    from trionet.tls import TLSStream as TLSStream

_HOMES = {
    "trionet.addresses": (
        "Address",
        "TCPAddress",
        "TLSAddress",
        "UnixAddress",
        "parse_address",
    ),
    "trionet.audience": ("Box",),
    "trionet.connection": ("Connection",),
    "trionet.errors": (
        "AddressError",
        "BadLine",
        "ConnectError",
        "ConnectionLost",
        "LineNotUTF8",
        "LineTooLong",
        "LineUnending",
        "ListenError",
        "ReceiveInterrupted",
        "TrionetError",
        "UnsendableLine",
    ),
    "trionet.events": ("Closed", "Identified", "Opened", "Refused", "ServerEvent"),
    "trionet.hub": ("Hub",),
    "trionet.limits": ("Limits",),
    "trionet.lines": (
        "MAX_LINE",
        "MAX_LINE_TO_CLIENT",
        "MAX_UNENDING",
        "Line",
        "LineDecoder",
        "encode_line",
        "encode_lines",
        "is_http_request",
    ),
    "trionet.network": (
        "SYSTEM",
        "Listener",
        "Network",
        "SystemNetwork",
    ),
    "trionet.outbox": (
        "Outbox",
        "WhenSlow",
    ),
    "trionet.program": ("run",),
    "trionet.server": (
        "Server",
        "WhenFull",
        "serve",
    ),
    "trionet.sockets": (
        "SocketListener",
        "SocketStream",
    ),
    "trionet.stream": (
        "InputEnd",
        "Interruptible",
        "LineReader",
        "LineStream",
        "PeeksInput",
        "ReceivesNow",
        "SendsDirectly",
        "SendsNow",
        "TellsDelivery",
        "lingering_close",
    ),
    "trionet.text": ("safe_text",),
    "trionet.tls": (
        "TLSListener",
        "TLSStream",
    ),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = ["__version__", *_HOME_OF]


if not TYPE_CHECKING:  # To a type checker it would make every name a good one.

    def __getattr__(name: str) -> object:
        if name not in _HOME_OF:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(_HOME_OF[name]), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
