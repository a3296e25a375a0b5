"""A logger: appends every event of a room to a file, one JSON object a line, without a gap.

Run it:  python examples/chat_logger.py ADDRESS ROOM FILE
Try it:  stop it, say something, and start it again: it goes on where it stopped.
"""

import sys
from pathlib import Path

import msgspec
import trio

from trionet import SYSTEM, Network, TrionetError
from trionet.chat import Client
from trionet.chat.client.events import Entered, Missed, RoomEvent, Told, Welcome


def end_of(log: Path) -> tuple[str, int]:
    """Return the epoch and the number of the last event in a log."""
    lines = log.read_bytes().splitlines() if log.exists() else []
    last = msgspec.json.decode(lines[-1]) if lines else {}
    return last.get("epoch", ""), last.get("number", 0)


def append(log: Path, epoch: str, event: RoomEvent | Told) -> int:
    """Append an event to a log, and return its number."""
    with log.open("ab") as file:
        file.write(msgspec.json.encode({**msgspec.to_builtins(event), "epoch": epoch}) + b"\n")
    return event.number


async def run(address: str, room: str, file: str, network: Network = SYSTEM) -> None:
    """Log a room, for ever."""
    epoch, last = end_of(log := Path(file))
    async with Client(address, name="logger", rooms=[room], network=network) as chat:
        async for event in chat:
            if isinstance(event, Welcome) and event.epoch != epoch:
                epoch, last = event.epoch, 0  # numbers of another epoch say nothing here
            elif isinstance(event, Entered | Missed):
                async for past in chat.history(room, after=last):
                    last = append(log, epoch, past)
            elif isinstance(event, RoomEvent) and event.number > last:
                last = append(log, epoch, event)


if __name__ == "__main__":
    try:
        trio.run(run, sys.argv[1], sys.argv[2], sys.argv[3])
    except* TrionetError as errors:
        sys.exit(f"error: {errors.exceptions[0]}")
    except* KeyboardInterrupt:
        sys.exit(130)
