"""Topics of one hub: each line `TOPIC TEXT` goes to the clients that asked for its topic.

Run it:  python examples/topics.py [ADDRESS]     (default localhost:7002; port 0 picks a free one)
Try it:  nc localhost 7002     (`+news` subscribes to a topic, `-news` unsubscribes, `news hello`
         sends to it)
"""

import sys
from functools import partial

import trionet


def obey(hub: trionet.Hub[str], me: trionet.Outbox, line: str) -> None:
    """Subscribe, unsubscribe or publish; its first use makes a topic."""
    topic, _, text = line.partition(" ")
    if topic.startswith("+"):
        hub.subscribe(me, topic[1:])
    elif topic.startswith("-"):
        hub.unsubscribe(me, topic[1:])
    else:
        hub.publish(f"{topic}: {text}", topic=topic)


async def relay(hub: trionet.Hub[str], peer: trionet.Connection) -> None:
    """Make the client a member of the hub, and do what it asks until it disconnects."""
    me = peer.outbox
    hub.add(me, trionet.encode_line)
    try:
        while lines := await peer.lines.receive_batch():
            await hub.wait_room(len(lines))  # before anything is appended
            for line in lines:
                if isinstance(line, trionet.BadLine):  # answered behind what came before it
                    hub.tell_lines(me, trionet.encode_notice(trionet.LineRejected(line)))
                else:
                    obey(hub, me, line)
        await hub.wait_delivered()  # or the last lines would be lost
    finally:
        hub.discard(me)


def main(address: str) -> None:
    """Serve until Ctrl-C."""
    hub = trionet.Hub[str]()
    trionet.run(partial(relay, hub), address, beside=[hub.run])


if __name__ == "__main__":
    main(sys.argv[1] if sys.argv[1:] else "localhost:7002")
