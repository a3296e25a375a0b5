"""A daytime service (RFC 867): says the time, whatever it is sent, and closes.

Run it:  python examples/daytime.py [ADDRESS]     (default localhost:7013; port 0 picks a free one)
Try it:  nc localhost 7013
End it:  Ctrl-C, or SIGTERM: it stops listening, finishes what has been received, and exits with
         status 0. A second Ctrl-C ends it at once, with status 130.
"""

import sys
from datetime import UTC, datetime

import trionet


async def daytime(connection: trionet.Connection) -> None:
    """Say the time in one of the forms that the RFC proposes. The return closes."""
    await connection.send(f"{datetime.now(UTC):%A, %B %d, %Y %H:%M:%S-%Z}")


if __name__ == "__main__":
    address = sys.argv[1] if sys.argv[1:] else "localhost:7013"
    trionet.run(daytime, address)
