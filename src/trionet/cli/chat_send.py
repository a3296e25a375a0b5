"""What `chat send` does: say something in a room, and wait until the server has confirmed it."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import trio

from trionet import chat
from trionet.chat.client.events import Error
from trionet.cli.address_options import ClientSettings
from trionet.cli.client_leaving import until_interrupted
from trionet.cli.password import given_password
from trionet.cli.running import Runtime
from trionet.cli.standard_input import StandardInput
from trionet.errors import BadLine, ConnectionLost, TrionetError
from trionet.text.safe import WHITE_SPACE
from trionet.transport.network import SystemNetwork


async def send(
    address: str,
    runtime: Runtime,
    *,
    name: str,
    room: str,
    text: str | None,
    timeout: float,
    network: ClientSettings,
    password_file: Path | None = None,
) -> None:
    """Say a text, or each line of the standard input, until all is confirmed or a signal comes."""
    say_all = partial(
        _send,
        address,
        runtime,
        name=name,
        room=room,
        text=text,
        timeout=timeout,
        password=given_password(password_file, address),
    )
    await until_interrupted(partial(say_all, network=SystemNetwork(**network)), runtime)


async def _send(
    address: str,
    runtime: Runtime,
    *,
    name: str,
    room: str,
    text: str | None,
    timeout: float,
    password: str | None,
    network: SystemNetwork,
) -> None:
    late = f"no answer from {address} within {timeout:g} seconds"
    entering = chat.Client(address, name=name, network=network, rooms=(room,), password=password)
    with trio.CancelScope() as scope:
        scope.deadline = trio.current_time() + timeout
        async with entering as client:
            await _check_entered(client)
            scope.deadline = math.inf
            late = f"no receipt from {address} within {timeout:g} seconds"
            async for message in _messages(runtime, text):
                scope.deadline = trio.current_time() + timeout
                await client.say(room, message)
                scope.deadline = math.inf
    if scope.cancelled_caught:
        raise ConnectionLost(late)


async def _check_entered(client: chat.Client) -> None:
    """Raise what keeps the client out of its room."""
    # All that has come with the login is there already.
    while not client.rooms:
        event = await anext(client)
        if isinstance(event, Error):
            raise chat.RequestRefused(event.code, event.reason)


async def _messages(runtime: Runtime, text: str | None) -> AsyncIterator[str]:
    if text is not None:
        yield text
        return
    number = 0
    async for line in StandardInput(runtime.err):
        number += 1
        if isinstance(line, BadLine):
            raise TrionetError(f"line {number} of the input cannot be sent: {line}")
        if line.strip(WHITE_SPACE):
            yield line
