"""What the `health` command does: ask a server whether it is well.

It sends nothing and asks for nothing. To a service that speaks lines, it is a client that has come
and gone: it ends its sending, and a server that is well ends the connection too.
"""

from __future__ import annotations

import re
from typing import cast

import trio

from trionet.abc import Network
from trionet.cli.running import Runtime
from trionet.cli.urls import is_url, parse_url
from trionet.connection.input_end import InputEnd, end_of_broken, why_lost
from trionet.errors import TrionetError

_PIECE = 4096

# RFC 9112, 4.
_STATUS_LINE = re.compile(rb"HTTP/1\.[0-9] ([0-9]{3})(?: [^\r\n]*)?\r?\n")

# Bytes in which the answer's first line must end.
_LONGEST_LINE = 4096


class Unwell(TrionetError):
    """A server is not well; the message says why."""


async def check_health(
    where: str,
    _runtime: Runtime,
    *,
    seconds: float,
    network: Network,
) -> None:
    """Ask a server, which must answer in time.

    Args:
        where: an address, or a URL.
        seconds: how long all of it may take.
        network: where the server is.

    Raises:
        Unwell: it is not well.
        ConnectError: it cannot be connected to.
    """
    with trio.move_on_after(seconds):
        try:
            if is_url(where):
                await _ask(where, network)
            else:
                await _see_end(where, network)
        except trio.BrokenResourceError as error:
            end = end_of_broken(error)
            why = "the server broke the connection" if end is InputEnd.RESET else why_lost(end)
            raise Unwell(f"{where}: {why}") from None
        return
    raise Unwell(f"{where}: no answer within {seconds:g} seconds")


async def _see_end(address: str, network: Network) -> None:
    async with await network.connect(address) as stream:
        await cast(trio.abc.HalfCloseableStream, stream).send_eof()
        # It may say something first, such as that it is full. It is there, and that is enough.
        while await stream.receive_some(_PIECE):
            pass


async def _ask(where: str, network: Network) -> None:
    url = parse_url(where)
    async with await network.connect(url.address) as stream:
        request = f"GET {url.target} HTTP/1.1\r\nHost: {url.host}\r\nConnection: close\r\n\r\n"
        await stream.send_all(request.encode())
        received = bytearray()
        while b"\n" not in received and len(received) <= _LONGEST_LINE:
            piece = await stream.receive_some(_PIECE)
            if not piece:
                break
            received += piece
    status = _STATUS_LINE.match(received)
    if status is None:
        raise Unwell(f"{where}: the answer is not HTTP")
    if status[1] != b"200":
        raise Unwell(f"{where}: answered {status[1].decode()}, not 200")
