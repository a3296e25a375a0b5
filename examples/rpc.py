"""Calls in lines of JSON, each with an id: `{"id": 1, "call": "add", "with": [1, 2]}`.

Run it:  python examples/rpc.py [ADDRESS]     (default localhost:7006; port 0 picks a free one)
Call it: python examples/rpc_client.py
"""

import json
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import trio

import trionet

SECONDS = 5  # that a call may take
AT_A_TIME = 10  # calls of one client


async def add(one: float, other: float) -> float:
    """Return the sum of two numbers."""
    return one + other


async def wait(seconds: float) -> str:
    """Return after some seconds."""
    await trio.sleep(seconds)
    return "waited"


CALLS: dict[str, Callable[..., Awaitable[object]]] = {"add": add, "wait": wait}


async def answer(line: str) -> str:
    """Carry a call out, and return its answer: a result or an error, with the id of the call."""
    number: object = None
    try:
        asked: Any = json.loads(line)
        number = asked["id"]
        with trio.fail_after(SECONDS):
            result = await CALLS[asked["call"]](*asked["with"])
    except trio.TooSlowError:
        return json.dumps({"id": number, "error": f"no result within {SECONDS} seconds"})
    except (ValueError, LookupError, TypeError) as error:
        return json.dumps({"id": number, "error": f"this cannot be called: {error!r}"})
    return json.dumps({"id": number, "result": result})


async def serve(connection: trionet.Connection) -> None:
    """Answer a client's calls, several at a time, each as soon as it has its result."""
    await trionet.respond(connection, answer, concurrent=AT_A_TIME, in_order=False)


def encode_notice(notice: trionet.Notice) -> bytes:
    """Write what the toolkit tells a client, such as that a line is too long, in JSON too."""
    return trionet.encode_line(json.dumps({"id": None, "error": notice.reason}))


if __name__ == "__main__":
    address = sys.argv[1] if sys.argv[1:] else "localhost:7006"
    trionet.run(serve, address, encode_notice=encode_notice)
