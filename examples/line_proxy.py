"""A transparent proxy for lines: passes them on unchanged, both ways, and logs how many.

Run it:  python examples/line_proxy.py SERVER [ADDRESS]     (default address localhost:7008)
Try it:  nc localhost 7008     (with examples/echo.py running, and localhost:7000 as SERVER)
"""

import logging
import sys
from contextlib import suppress
from functools import partial

import trio

import trionet

MAX_LINE = 1 << 20

logger = logging.getLogger("trionet.line_proxy")


async def there(connection: trionet.Connection[bytes], server: trionet.LineStream[bytes]) -> None:
    """Pass the client's lines on, and then the end of its input."""
    with suppress(trio.BrokenResourceError):  # a server that is gone: its last lines still come
        async for line in connection.lines:
            await server.send(line)
        await server.send_eof()


async def back(connection: trionet.Connection[bytes], server: trionet.LineStream[bytes]) -> None:
    """Pass the server's lines on, and end the connection when the server ends its own."""
    async for line in server:
        await connection.send(line)
    await connection.close("the server has ended the connection")


async def proxy(
    address: str, connection: trionet.Connection[bytes], network: trionet.Network = trionet.SYSTEM
) -> None:
    """Connect to the server for one client, and pass on what both send."""
    connect = trionet.connect(address, network=network, max_line=MAX_LINE, decode=False)
    try:
        async with connect as server, trio.open_nursery() as nursery:
            nursery.start_soon(there, connection, server.lines)
            nursery.start_soon(back, connection, server.lines)
    except trionet.ConnectError as error:
        await connection.close(str(error))
    lines = connection.lines.lines_in, connection.outbox.lines_out
    logger.info("%s: %d lines there, %d back", connection.peer, *lines)


if __name__ == "__main__":
    trionet.run(
        partial(proxy, sys.argv[1]),
        sys.argv[2] if sys.argv[2:] else "localhost:7008",
        decode=False,
        limits=trionet.Limits(max_line=MAX_LINE),
        refuse_http=False,
    )
