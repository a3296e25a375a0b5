"""An echo service: says each line back.

Run it:  python examples/echo.py [ADDRESS]     (default localhost:7000; port 0 picks a free one)
Try it:  nc localhost 7000
"""

import sys

import trio

import trionet


async def echo(connection: trionet.Connection) -> None:
    """Say each line back."""
    async for line in connection.lines:
        await connection.send(line)


async def main(address: str) -> None:
    """Serve until Ctrl-C."""
    async with trio.open_nursery() as nursery:
        server: trionet.Server = await nursery.start(trionet.serve, echo, address)
        for listening in server.addresses:
            print(f"listening on {listening}", flush=True)


if __name__ == "__main__":
    try:
        trio.run(main, sys.argv[1] if sys.argv[1:] else "localhost:7000")
    except* KeyboardInterrupt:
        pass
