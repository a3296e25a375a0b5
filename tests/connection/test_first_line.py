"""A first line that makes a peer's lines longer."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from trionet import LineReader, Opening
from trionet.errors import BadLine, LineTooLong
from trionet.lines import Line
from trionet.testing import memory_stream_pair

# A short first line, and one of 40 bytes.
IS_MET = {"{}", "{" + "x" * 38 + "}"}
WIDE = Opening(begins=b"{", max_line=40, is_met=IS_MET.__contains__)


async def read_all(
    data: bytes, *, pieces: list[bytes] | None = None, opening: Opening | None = WIDE
) -> list[Line]:
    ours, theirs = memory_stream_pair()
    reader = LineReader(theirs, max_line=10, opening=opening)
    lines: list[Line] = []

    async def read() -> None:
        while batch := await reader.receive_batch():
            lines.extend(batch)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(read)
        for piece in pieces or [data]:
            await ours.send_all(piece)
            # Otherwise it would come together with the next one.
            await trio.testing.wait_all_tasks_blocked()
        await ours.send_eof()
    return lines


def shape(lines: list[Line]) -> list[str | int]:
    """Return good lines as they are, and of a line that is too long its limit."""
    return [
        int(str(line).split()[4]) if isinstance(line, LineTooLong) else str(line) for line in lines
    ]


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        # Met: the first line and all others may be as long.
        (b"{}\n" + b"y" * 40 + b"\n" + b"z" * 41 + b"\n", ["{}", "y" * 40, 40]),
        (b"{" + b"x" * 38 + b"}\n" + b"y" * 40 + b"\n", ["{" + "x" * 38 + "}", "y" * 40]),
        # Begins like it, and is not: only the first line may be as long.
        (b"{" + b"x" * 30 + b"\n" + b"y" * 11 + b"\nz\n", ["{" + "x" * 30, 10, "z"]),
        (b"{" + b"x" * 40 + b"\n" + b"y" * 11 + b"\nz\n", [40, 10, "z"]),
        # Does not begin like it.
        (b"x" * 11 + b"\n{}\n" + b"y" * 11 + b"\n", [10, "{}", 10]),
        (b"\n{}\n" + b"y" * 11 + b"\n", ["", "{}", 10]),
        (b"a{" + b"x" * 20 + b"\n{}\n", [10, "{}"]),
        (b"{", []),
        (b"", []),
    ],
)
async def test_the_first_line_decides_how_long_lines_may_be(
    sent: bytes, expected: list[str | int]
) -> None:
    assert shape(await read_all(sent)) == expected
    for pieces in ([bytes([one]) for one in sent], [sent[:1], sent[1:]], [sent[:7], sent[7:]]):
        assert shape(await read_all(sent, pieces=[piece for piece in pieces if piece])) == expected


async def test_without_an_opening_nothing_changes() -> None:
    assert shape(await read_all(b"{}\n" + b"y" * 11 + b"\n", opening=None)) == ["{}", 10]


async def test_a_bad_first_line_is_shown_to_the_judge_too() -> None:
    seen: list[Line] = []

    def judge(line: Line) -> bool:
        seen.append(line)
        return False

    opening = Opening(begins=b"{", max_line=40, is_met=judge)
    lines = await read_all(b"{\xff\nnext\n", opening=opening)
    assert len(lines) == 2
    assert len(seen) == 1
    assert isinstance(seen[0], BadLine)
