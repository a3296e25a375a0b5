"""A chat bot with commands, which reconnects by itself when its connection is lost.

Run it:  python examples/chat_commands.py ADDRESS [ROOM]...
Try it:  trionet chat join     (and say !help)
"""

import random
import sys
from datetime import UTC, datetime

import trio

from trionet import SYSTEM, Network, TrionetError
from trionet.chat import Client, RequestRefused
from trionet.chat.client.events import Said


async def answer(chat: Client, asked: Said) -> str:
    """Return what to say to a command."""
    match asked.text.split():
        case ["!time"]:
            return f"it is {datetime.now(UTC):%H:%M:%S} UTC"
        case ["!roll", sides] if sides.isdecimal() and 0 < int(sides) < 1_000_000:
            return f"{asked.name} rolls {random.randint(1, int(sides))}"
        case ["!find", *words] if words:
            found = await chat.search(" ".join(words), room=asked.room, limit=4)
            past = [f"{one.name}: {one.text}" for one in found.events if isinstance(one, Said)]
            return "\n".join(past[:-1]) or "nobody has said that"  # the last one is the question
    return "commands: !time, !roll SIDES, !find WORDS"


async def run(address: str, rooms: list[str], network: Network = SYSTEM) -> None:
    """Answer commands, for ever."""
    async with Client(address, name="bot", rooms=rooms, network=network) as chat:
        async for event in chat:
            if isinstance(event, Said) and event.text[0] == "!" and event.name != chat.name:
                try:
                    await chat.say(event.room, await answer(chat, event))
                except RequestRefused as error:
                    await chat.say(event.room, f"sorry: {error}")


if __name__ == "__main__":
    try:
        trio.run(run, sys.argv[1], sys.argv[2:] or ["lobby"])
    except* TrionetError as errors:
        sys.exit(f"error: {errors.exceptions[0]}")
    except* KeyboardInterrupt:
        sys.exit(130)
