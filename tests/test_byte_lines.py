"""Lines as bytes: the same lines as texts, with their ends, and nothing lost."""

from __future__ import annotations

import itertools
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from trionet.byte_lines import ByteLineDecoder
from trionet.errors import BadLine, LineTooLong, LineUnending
from trionet.lines import LineDecoder

# Few different bytes, so that line ends, limits and bytes that are not UTF-8 meet.
BYTES = st.lists(st.sampled_from([b"a", b"\r", b"\n", b"\r\n", b"\xff", b"\x00"])).map(b"".join)
CUTS = st.lists(st.integers(0, 40), max_size=8)


def cut(data: bytes, cuts: list[int]) -> list[bytes]:
    places = [0, *sorted(place for place in cuts if place <= len(data)), len(data)]
    return [data[begin:end] for begin, end in itertools.pairwise(places)]


def fed(decoder: LineDecoder, pieces: list[bytes]) -> list[Any]:
    return [line for piece in pieces for line in decoder.feed(piece)]


@given(BYTES, CUTS)
def test_all_lines_joined_are_what_came(data: bytes, cuts: list[int]) -> None:
    decoder = ByteLineDecoder()
    lines = fed(decoder, cut(data, cuts)) + decoder.finish()
    assert b"".join(lines) == data
    assert all(line.endswith(b"\n") and line.count(b"\n") == 1 for line in lines[:-1])


@given(BYTES, CUTS)
def test_they_are_the_same_lines_as_texts_are(data: bytes, cuts: list[int]) -> None:
    data = data.replace(b"\xff", b"b")
    limits: Any = {"max_line": 3, "max_unending": 8}
    as_bytes = fed(ByteLineDecoder(**limits), cut(data, cuts))
    as_texts = fed(LineDecoder(**limits), [data])
    assert [repr(line) if isinstance(line, BadLine) else line for line in as_texts] == [
        repr(line)
        if isinstance(line, BadLine)
        else line.removesuffix(b"\n").removesuffix(b"\r").decode()
        for line in as_bytes
    ]


@given(BYTES, CUTS, st.integers(1, 3))
def test_parts_hold_at_most_as_many_lines_as_asked_for(
    data: bytes, cuts: list[int], most: int
) -> None:
    decoder, lines = ByteLineDecoder(), []
    for piece in cut(data, cuts):
        part = decoder.begin(piece, most)
        while part or decoder.held:
            assert len(part) <= most
            lines += part
            part = decoder.take(most)
    assert lines == fed(ByteLineDecoder(), [data])


def test_a_line_that_is_too_long_is_reported_in_its_place() -> None:
    decoder = ByteLineDecoder(max_line=3)
    lines: Any = decoder.feed(b"abc\r\nabcd\n\xff\n")
    one, bad, other = lines
    assert (one, other) == (b"abc\r\n", b"\xff\n")
    assert isinstance(bad, LineTooLong)


def test_a_line_without_an_end_ends_it() -> None:
    decoder = ByteLineDecoder(max_line=3, max_unending=8)
    lines = decoder.feed(b"x" * 9)
    assert [type(line) for line in lines] == [LineTooLong, LineUnending]
    assert decoder.gave_up
    assert decoder.finish() == []
