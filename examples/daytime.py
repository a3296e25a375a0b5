"""A daytime service (RFC 867): says the time, whatever it is sent, and closes.

Run it:  python examples/daytime.py [ADDRESS]     (default localhost:7013; port 0 picks a free one)
Try it:  nc localhost 7013
"""

import sys
from datetime import UTC, datetime

import trio

import trionet


async def daytime(connection: trionet.Connection) -> None:
    """Say the time in one of the forms that the RFC proposes. The return closes."""
    await connection.send(f"{datetime.now(UTC):%A, %B %d, %Y %H:%M:%S-%Z}")


async def main(address: str) -> None:
    """Serve until Ctrl-C."""
    async with trio.open_nursery() as nursery:
        server: trionet.Server = await nursery.start(trionet.serve, daytime, address)
        for listening in server.addresses:
            print(f"listening on {listening}", flush=True)


if __name__ == "__main__":
    try:
        trio.run(main, sys.argv[1] if sys.argv[1:] else "localhost:7013")
    except* KeyboardInterrupt:
        pass
