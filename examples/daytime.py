"""A daytime service (RFC 867): sends the time, and closes without reading anything.

Run it:  python examples/daytime.py [ADDRESS]     (default localhost:7013; port 0 picks a free one)
Try it:  nc localhost 7013
End it:  Ctrl-C or SIGTERM. It stops listening, answers what it has received, and exits with status
         0. A second Ctrl-C ends it at once, with status 130.
"""

import sys
from datetime import UTC, datetime

import trionet


async def daytime(connection: trionet.Connection) -> None:
    """Send the time in one of the forms that the RFC proposes. Returning closes the connection."""
    await connection.send(f"{datetime.now(UTC):%A, %B %d, %Y %H:%M:%S-%Z}")


if __name__ == "__main__":
    address = sys.argv[1] if sys.argv[1:] else "localhost:7013"
    trionet.run(daytime, address)
