"""An echo service: sends each line back.

Run it:  python examples/echo.py [ADDRESS]     (default localhost:7000; port 0 picks a free one)
Try it:  nc localhost 7000
End it:  Ctrl-C or SIGTERM. It stops listening, answers what it has received, and exits with status
         0. A second Ctrl-C ends it at once, with status 130.
"""

import sys

import trionet


async def echo(connection: trionet.Connection) -> None:
    """Send each line back."""
    # The loop ends when the client stops sending, and when the server drains.
    async for line in connection.lines:
        await connection.send(line)


if __name__ == "__main__":
    trionet.run(echo, sys.argv[1] if sys.argv[1:] else "localhost:7000")
