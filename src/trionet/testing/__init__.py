"""A network held in memory, on virtual time: real servers and clients, without sockets.

>>> async def handler(connection):
...     async for line in connection.lines:
...         await connection.send(line.upper())

>>> async def test_it_shouts(autojump_clock):
...     async with run_handler(handler) as connect:
...         client = await connect()
...         await client.send("hello")
...         await client.expect("HELLO")
"""

from trionet._lazy import attach

__getattr__, __dir__ = attach(__name__)
