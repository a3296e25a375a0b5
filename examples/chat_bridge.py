"""A bridge between two chats: repeats what is said in a room of one in a room of the other.

Run it:  python examples/chat_bridge.py ADDRESS ROOM ADDRESS ROOM
Try it:  trionet chat serve :7001 --forever     (and another one on :7002)
         python examples/chat_bridge.py localhost:7001 lobby localhost:7002 lobby
"""

import sys

import trio

import trionet
from trionet.chat import Client, RequestRefused
from trionet.chat.client.events import Said


async def carry(source: Client, room: str, target: Client, to: str) -> None:
    """Repeat what others say in a room, with their names, in a room of another chat."""
    async for event in source:
        if isinstance(event, Said) and event.room == room and event.name != source.name:
            try:
                await target.say(to, f"<{event.name}> {event.text}")
            except RequestRefused:  # with the name before it, it is too long
                await target.say(to, f"<{event.name}> (a long message)")


async def run(
    one: str, room: str, other: str, to: str, network: trionet.Network = trionet.SYSTEM
) -> None:
    """Bridge two rooms, for ever."""
    async with (
        Client(one, name="bridge", rooms=[room], network=network) as here,
        Client(other, name="bridge", rooms=[to], network=network) as there,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(carry, here, room, there, to)
        nursery.start_soon(carry, there, to, here, room)


if __name__ == "__main__":
    one, room, other, to = sys.argv[1:]
    try:
        trio.run(run, one, room, other, to)
    except* trionet.TrionetError as errors:
        sys.exit(f"error: {errors.exceptions[0]}")
    except* KeyboardInterrupt:
        sys.exit(130)
