"""What workers print is passed on in whole lines, and says whose it is."""

from __future__ import annotations

import json

import pytest
import trio
import trio.testing

from trionet.program.relay import numbered, relay_lines


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "2026-11-29T01:47:51.647Z info opened 7 127.0.0.1:58882",
            "2026-11-29T01:47:51.647Z [2] info opened 7 127.0.0.1:58882",
        ),
        ("warning: no log of its own", "warning: no log of its own"),
        ("", ""),
        ("{not JSON", "{not JSON"),
    ],
)
def test_a_line_of_the_log_has_its_worker_s_number_behind_the_time(
    line: str, expected: str
) -> None:
    assert numbered(line, 2) == expected


def test_a_line_in_json_has_the_number_as_a_member() -> None:
    line = json.dumps({"time": "2026-11-29T01:47:51.647Z", "event": "opened"})
    assert json.loads(numbered(line, 3)) == {**json.loads(line), "worker": 3}


async def relayed(*pieces: bytes, max_line: int = 10) -> list[str]:
    shown: list[str] = []
    stream = trio.testing.MemoryReceiveStream()
    for piece in pieces:
        stream.put_data(piece)
        await trio.lowlevel.checkpoint()
    stream.put_eof()
    await relay_lines(stream, shown.append, max_line=max_line)
    return shown


@pytest.mark.parametrize(
    ("pieces", "lines"),
    [
        ((b"one\ntwo\n",), ["one", "two"]),
        ((b"o", b"ne\nt", b"wo\n"), ["one", "two"]),
        ((b"one\ntwo",), ["one", "two"]),
        ((b"caf\xc3", b"\xa9\n\xff\n"), ["café", "\ufffd"]),
        ((b"x" * 25,), ["x" * 10, "x" * 10, "x" * 5]),
        ((), []),
    ],
)
async def test_lines_are_passed_on_whole(pieces: tuple[bytes, ...], lines: list[str]) -> None:
    assert await relayed(*pieces) == lines
