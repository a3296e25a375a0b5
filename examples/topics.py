"""Topics of one hub: each line `TOPIC TEXT` goes to the clients that asked for its topic.

Run it:  python examples/topics.py [ADDRESS]     (default localhost:7002; port 0 picks a free one)
Try it:  nc localhost 7002     (`+news` asks for a topic, `-news` does not any more, `news hello`
         sends to it)
"""

import sys
from functools import partial

import trionet


async def relay(hub: trionet.Hub[str], connection: trionet.Connection) -> None:
    """Subscribe, unsubscribe and publish as the client asks; a topic is made by its first use."""
    hub.add(connection.outbox, trionet.encode_line)
    try:
        async for line in connection.lines:
            topic, _, text = line.partition(" ")
            if topic.startswith("+"):
                hub.subscribe(connection.outbox, topic[1:])
            elif topic.startswith("-"):
                hub.unsubscribe(connection.outbox, topic[1:])
            else:
                await hub.wait_room()
                hub.publish(f"{topic}: {text}", topic=topic)
    finally:
        hub.discard(connection.outbox)


def main(address: str) -> None:
    """Serve until Ctrl-C."""
    hub = trionet.Hub[str]()
    trionet.run(partial(relay, hub), address, beside=[hub.run])


if __name__ == "__main__":
    main(sys.argv[1] if sys.argv[1:] else "localhost:7002")
