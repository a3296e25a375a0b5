"""A ticker: one clock, whose ticks go to every connected client.

Run it:  python examples/ticker.py [ADDRESS]     (default localhost:7001; port 0 picks a free one)
Try it:  nc localhost 7001     (in as many terminals as you like)
"""

import itertools
import sys
from functools import partial

import trio

import trionet


async def tick(hub: trionet.Hub[str]) -> None:
    """Publish a tick each second."""
    for number in itertools.count(1):
        await trio.sleep(1)
        hub.publish(f"tick {number}")


async def watch(hub: trionet.Hub[str], connection: trionet.Connection) -> None:
    """Make the client a member of the hub until it disconnects, and ignore what it sends."""
    hub.add(connection.outbox, trionet.encode_line)
    try:
        async for _ in connection.lines:
            pass
    finally:
        hub.discard(connection.outbox)


def main(address: str) -> None:
    """Serve until Ctrl-C."""
    hub = trionet.Hub[str]()
    trionet.run(partial(watch, hub), address, beside=[hub.run, partial(tick, hub)])


if __name__ == "__main__":
    main(sys.argv[1] if sys.argv[1:] else "localhost:7001")
