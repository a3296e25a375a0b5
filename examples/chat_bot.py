"""A bot for a trionet chat: greets everyone who joins, and answers ``!time``.

Run it:  trionet chat serve     (in one terminal)
         python examples/chat_bot.py [ADDRESS]     (in another; default localhost:22223)
Try it:  nc localhost 22223     (type your name, then !time)
"""

import re
import sys
from contextlib import suppress
from datetime import UTC, datetime

import trio

import trionet

# Names contain no white space and no colon. So no message can look like a notice, and no action
# like a message.
JOINED = re.compile(r"\*\*\* (\S+) joined \(\d+ here\)")
ASKED = re.compile(r"[^\s:]+: !time")


async def run(address: str, network: trionet.Network = trionet.SYSTEM) -> None:
    """Join the room, and stay until it closes."""
    async with trionet.LineStream(await network.connect(address)) as room:
        with suppress(trio.BrokenResourceError):  # the room closed while the bot was sending
            await room.send("greeter")
            async for line in room:
                if line.startswith("error: "):
                    sys.exit(line)
                elif joined := JOINED.fullmatch(line):
                    await room.send(f"hello, {joined[1]}")
                elif ASKED.fullmatch(line):
                    await room.send(f"it is {datetime.now(UTC):%H:%M:%S} UTC")


if __name__ == "__main__":
    try:
        trio.run(run, sys.argv[1] if sys.argv[1:] else "localhost:22223")
    except trionet.ConnectError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
