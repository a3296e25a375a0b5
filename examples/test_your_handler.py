"""How to test your own handler: in memory, on virtual time, without a socket.

Run it:  pytest examples/test_your_handler.py     (needs pytest-trio; waiting takes no time)
"""
# ruff: noqa: ARG001, D103  (a test gets virtual time by having an argument autojump_clock)

from functools import partial

import pytest
import trio

from trionet import Connection
from trionet.testing import run_handler

pytestmark = pytest.mark.trio


async def key_value(store: dict[str, str], connection: Connection) -> None:
    """Serve ``set KEY VALUE`` and ``get KEY`` until half a minute passes without a line."""
    with trio.move_on_after(30) as idle:
        async for line in connection.lines:
            idle.deadline = trio.current_time() + 30
            match line.split(maxsplit=2):
                case ["set", key, value]:
                    store[key] = value
                case ["get", key]:
                    await connection.send(store.get(key, "error: no such key"))
                case _:
                    await connection.send("error: write set KEY VALUE, or get KEY")


async def test_one_client_gets_what_another_set(autojump_clock: trio.abc.Clock) -> None:
    async with run_handler(partial(key_value, {})) as connect:
        ann, bob = await connect("ann"), await connect("bob")
        await ann.send("set colour dark blue", "get colour")
        await ann.expect("dark blue")
        await bob.send("get colour")
        await bob.expect("dark blue")


async def test_a_mistake_does_not_end_the_session(autojump_clock: trio.abc.Clock) -> None:
    async with run_handler(partial(key_value, {})) as connect:
        client = await connect()
        await client.send("set colour", "get colour")
        await client.expect("error: write set KEY VALUE, or get KEY", "error: no such key")


async def test_half_a_minute_of_silence_ends_the_session(autojump_clock: trio.abc.Clock) -> None:
    async with run_handler(partial(key_value, {})) as connect:
        client = await connect()
        await client.expect_silence(29)
        await client.expect_end()
