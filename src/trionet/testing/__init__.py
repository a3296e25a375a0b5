"""A network held in memory, on virtual time: the same servers and clients, with no socket.

>>> async def handler(connection):
...     async for line in connection.lines:
...         await connection.send(line.upper())

>>> async def test_it_shouts(autojump_clock):
...     async with run_handler(handler) as connect:
...         client = await connect()
...         await client.send("hello")
...         await client.expect("HELLO")
"""

from trionet.testing.client import LineClient
from trionet.testing.clock import clock_stands_still
from trionet.testing.network import MemoryListener, MemoryNetwork
from trionet.testing.running import Handler, RunningHandler, run_handler, start_handler
from trionet.testing.scripted import ScriptedServer
from trionet.testing.streams import (
    DEFAULT_CAPACITY,
    Cut,
    Link,
    MemoryStream,
    SendingNowMemoryStream,
    cut_at,
    cut_at_random,
    cut_bytes,
    cut_whole,
    memory_stream_pair,
)

__all__ = [
    "DEFAULT_CAPACITY",
    "Cut",
    "Handler",
    "LineClient",
    "Link",
    "MemoryListener",
    "MemoryNetwork",
    "MemoryStream",
    "RunningHandler",
    "ScriptedServer",
    "SendingNowMemoryStream",
    "clock_stands_still",
    "cut_at",
    "cut_at_random",
    "cut_bytes",
    "cut_whole",
    "memory_stream_pair",
    "run_handler",
    "start_handler",
]
