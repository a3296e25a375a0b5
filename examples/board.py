"""A board of values: clients set and get them, and everyone is told of each change.

Run it:  python examples/board.py [ADDRESS]     (default localhost:7003; port 0 picks a free one)
Try it:  nc localhost 7003     (in two terminals: set colour dark blue, then get colour)
"""

import sys
from functools import partial

import trionet


def obey(hub: trionet.Hub[str], values: dict[str, str], me: trionet.Outbox, line: str) -> None:
    """Do what a line asks. All answers go through the hub, so they come in order with the rest."""
    match line.split(maxsplit=2):
        case ["set", key, value]:
            values[key] = value
            hub.publish(f"changed {key}")
            hub.tell(me, "ok")
        case ["get", key]:
            hub.tell(me, values.get(key, "error: no such key"))
        case _:
            hub.tell(me, "error: write set KEY VALUE, or get KEY")


async def serve(hub: trionet.Hub[str], values: dict[str, str], peer: trionet.Connection) -> None:
    """Make the client a member of the hub, and do what it asks until it disconnects."""
    me = peer.outbox
    hub.add(me, trionet.encode_line)
    try:
        while lines := await peer.lines.receive_batch():
            await hub.wait_room(len(lines))  # before anything is appended
            for line in lines:
                if isinstance(line, trionet.BadLine):
                    hub.tell_lines(me, trionet.encode_notice(trionet.LineRejected(line)))
                else:
                    obey(hub, values, me, line)
        await hub.wait_delivered()  # or the last answers would be lost
    finally:
        hub.discard(me)


def main(address: str) -> None:
    """Serve until Ctrl-C."""
    hub = trionet.Hub[str]()
    trionet.run(partial(serve, hub, {}), address, beside=[hub.run])


if __name__ == "__main__":
    main(sys.argv[1] if sys.argv[1:] else "localhost:7003")
