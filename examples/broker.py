"""A broker: subscribers of a topic get what is published to it, and slow readers lose lines.

Run it:  python examples/broker.py [ADDRESS]     (default localhost:7005; port 0 picks a free one)
Try it:  nc localhost 7005     (subscribe news; in another terminal: publish news hello)
"""

import sys
from functools import partial

import trionet

MAX_TOPICS = 100  # of one client


def obey(hub: trionet.Hub[str], me: trionet.Outbox, topics: set[str], line: str) -> str:
    """Do what a line asks, and return the answer."""
    match line.split(maxsplit=2):
        case ["subscribe", topic] if topic in topics or len(topics) < MAX_TOPICS:
            topics.add(topic)
            hub.subscribe(me, topic)
        case ["subscribe", _]:
            return f"error: at most {MAX_TOPICS} topics"
        case ["unsubscribe", topic]:
            topics.discard(topic)
            hub.unsubscribe(me, topic)
        case ["publish", topic, text]:
            hub.publish(f"{topic}: {text}", topic=topic)
        case _:
            return "error: write subscribe TOPIC, unsubscribe TOPIC or publish TOPIC TEXT"
    return "ok"


async def serve(hub: trionet.Hub[str], connection: trionet.Connection) -> None:
    """Make the client a member of the hub, and do what it asks until it disconnects."""
    me, topics = connection.outbox, set[str]()
    hub.add(me, trionet.encode_line)
    try:
        while lines := await connection.lines.receive_batch():
            await hub.wait_room(len(lines))  # before anything is appended
            for line in lines:
                if isinstance(line, trionet.BadLine):  # answered behind what came before it
                    hub.tell_lines(me, connection.encoded(trionet.LineRejected(line)))
                else:
                    hub.tell(me, obey(hub, me, topics, line))
        await hub.wait_delivered()  # or the last answers would be lost
    finally:
        hub.discard(me)


def main(address: str) -> None:
    """Serve until Ctrl-C. Who reads too slowly is told `error: missed 37 lines` in their place."""
    hub = trionet.Hub[str]()
    trionet.run(
        partial(serve, hub), address, beside=[hub.run], when_slow=trionet.WhenSlow.DROP_OLDEST
    )


if __name__ == "__main__":
    main(sys.argv[1] if sys.argv[1:] else "localhost:7005")
