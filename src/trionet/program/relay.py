"""Pass on what workers print: whole lines, each line of the log with its worker's number."""

from __future__ import annotations

import re
from collections.abc import Callable

import trio

# A longer line is passed on in pieces: no line of a log should be longer.
MAX_LINE = 1 << 20

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z ")


def numbered(line: str, number: int) -> str:
    """Return a line of a worker's log with its number: after the time, or as a member in JSON.

    A line without a time is for people, and stays as it is.

    Args:
        line: the line, without its end.
        number: the worker's.
    """
    if line.startswith('{"') and line.endswith("}"):
        return f'{{"worker": {number}, {line[1:]}'
    time = _TIME.match(line)
    return line if time is None else f"{time[0]}[{number}] {line[time.end() :]}"


async def relay_lines(
    stream: trio.abc.ReceiveStream, show: Callable[[str], object], *, max_line: int = MAX_LINE
) -> None:
    """Pass the lines of a stream on until it ends. Closes it.

    Args:
        stream: what is read.
        show: called with each line, without its end; at the end with what is left, if anything is.
        max_line: bytes of a line. What is longer is passed on in pieces of this size.

    Cancellation: what has not been passed on is lost.
    """
    waiting = bytearray()
    async with stream:
        while data := await stream.receive_some(65536):
            waiting += data
            if b"\n" in data:
                *lines, rest = waiting.split(b"\n")
                waiting = bytearray(rest)
                for line in lines:
                    show(line.decode("utf-8", "replace"))
            while len(waiting) > max_line:
                show(waiting[:max_line].decode("utf-8", "replace"))
                del waiting[:max_line]
    if waiting:
        show(waiting.decode("utf-8", "replace"))
