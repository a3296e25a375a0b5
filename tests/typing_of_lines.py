"""What a type checker must see of lines. `test_types.py` has mypy check this file; nobody runs it.

mypy is strict about unused ``type: ignore`` comments, so each of them is a mistake it must see.
"""

from __future__ import annotations

from typing import assert_type

import trionet
from trionet import BadLine


async def texts(connection: trionet.Connection) -> None:
    assert_type(connection.lines, trionet.LineReader[str])
    async for line in connection.lines:
        assert_type(line, str)
        await connection.send(line)
        await connection.send(line.encode())  # type: ignore[arg-type]
    assert_type(await connection.lines.receive(), str)
    assert_type(await connection.lines.receive_batch(), list[str | BadLine])


async def lines_as_bytes(connection: trionet.Connection[bytes]) -> None:
    async for line in connection.lines:
        assert_type(line, bytes)
        await connection.send(line)
        await connection.send("text")  # type: ignore[arg-type]
    assert_type(await connection.lines.receive(), bytes)
    assert_type(await connection.lines.receive_batch(), list[bytes | BadLine])


async def clients() -> None:
    async with trionet.connect("localhost:7000") as connections:
        assert_type(connections.lines, trionet.LineStream[str])
        async for lines in connections:
            assert_type(await lines.receive(), str)
    async with trionet.connect("localhost:7000", decode=False) as upstream:
        async for raw in upstream:
            assert_type(raw, trionet.LineStream[bytes])
            assert_type(await raw.receive(), bytes)
            await raw.send("text")  # type: ignore[arg-type]
            stream = raw.stream
            assert_type(trionet.LineStream(stream), trionet.LineStream[str])
            assert_type(trionet.LineReader(stream), trionet.LineReader[str])
            assert_type(trionet.LineStream(stream, decode=False), trionet.LineStream[bytes])
            assert_type(trionet.LineReader(stream, decode=False), trionet.LineReader[bytes])


async def servers() -> None:
    await trionet.serve(texts, "localhost:7000")
    await trionet.serve(lines_as_bytes, "localhost:7000", decode=False)
    trionet.Service(lines_as_bytes, "localhost:7000", decode=False)
    trionet.run(lines_as_bytes, "localhost:7000", decode=False)
