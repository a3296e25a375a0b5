"""The decoder, against a model: the same lines however the bytes are cut."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trionet.errors import BadLine, LineNotUTF8, LineTooLong, LineUnending
from trionet.lines import (
    MAX_LINE,
    MAX_LINE_TO_CLIENT,
    MAX_UNENDING,
    PART_BYTES,
    PART_LINES,
    Line,
    LineDecoder,
)

Seen = str | tuple[str, str, bytes]


def seen(lines: list[Line]) -> list[Seen]:
    """Lines as values that can be compared."""
    return [
        line if isinstance(line, str) else (type(line).__name__, str(line), line.start)
        for line in lines
    ]


class Model:
    """The rules of the wire as a person would put them: one byte at a time, nothing clever."""

    def __init__(self, max_line: int, max_unending: int) -> None:
        self.max_line = max_line
        self.max_unending = max(max_unending, max_line + 2)
        self.content = b""
        self.carriage_returns = 0
        self.size = 0
        self.told = False
        self.gave_up = False

    def step(self, byte: bytes) -> Iterator[Seen]:
        if self.gave_up:
            return
        if byte == b"\n":
            # One CR before the LF belongs to the line end.
            self.content += b"\r" * (self.carriage_returns - 1)
            yield from self._judge()
            if not self.told:
                yield self._text()
            self.content, self.carriage_returns, self.size, self.told = b"", 0, 0, False
            return
        self.size += 1
        if byte == b"\r":
            # Of several CRs all but the last are content: only one can belong to the line end.
            if self.carriage_returns:
                self.content += b"\r"
            self.carriage_returns = 1
        else:
            self.content += b"\r" * self.carriage_returns + byte
            self.carriage_returns = 0
        yield from self._judge()
        if self.size == self.max_unending:
            self.gave_up = True
            yield ("LineUnending", f"no end of line within {self.max_unending} bytes", b"")

    def _judge(self) -> Iterator[Seen]:
        if not self.told and len(self.content) > self.max_line:
            self.told = True
            start = self.content[: self.max_line][:256]
            yield ("LineTooLong", f"line is longer than {self.max_line} bytes", start)

    def _text(self) -> Seen:
        try:
            return self.content.decode()
        except UnicodeDecodeError:
            return ("LineNotUTF8", "line is not UTF-8", self.content[:256])

    @property
    def rest(self) -> bytes:
        return b"" if self.told else self.content + b"\r" * self.carriage_returns


PIECES = st.sampled_from(
    [
        *(
            b"\n",
            b"\r",
            b"\r\n",
            b"\n\n",
            b"a",
            b" ",
            b"bc",
            b"defgh",
            b"ijklmnopqrstuvwxyz",
            b"\0",
        ),
        *("é".encode(), "…".encode(), "\u2028".encode(), b"\xff", b"\xe2\x82", b"\xc3", b"\x85"),
    ]
)
INPUT = st.lists(PIECES, max_size=30).map(b"".join)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(edges)]


def agree(data: list[bytes], max_line: int, max_unending: int) -> None:
    """Check that each feed returns just what the model does, no sooner and no later."""
    decoder = LineDecoder(max_line=max_line, max_unending=max_unending)
    model = Model(max_line, max_unending)
    for piece in data:
        expected = [line for byte in piece for line in model.step(bytes([byte]))]
        assert seen(decoder.feed(piece)) == expected
        assert decoder.rest == model.rest
        assert decoder.gave_up == model.gave_up


@settings(deadline=None, max_examples=400)
@given(
    data=INPUT,
    places=st.lists(st.integers(0, 500), max_size=12),
    max_line=st.integers(1, 12),
    max_unending=st.integers(1, 40),
)
def test_every_cut_agrees_with_the_model(
    data: bytes, places: list[int], max_line: int, max_unending: int
) -> None:
    agree(cut(data, places), max_line, max_unending)


@settings(deadline=None, max_examples=200)
@given(data=INPUT, places=st.lists(st.integers(0, 500), max_size=12), limit=st.integers(1, 12))
def test_every_cut_gives_the_lines_of_the_whole(data: bytes, places: list[int], limit: int) -> None:
    def read(pieces: list[bytes]) -> list[Seen]:
        decoder = LineDecoder(max_line=limit, max_unending=3 * limit)
        return seen([line for piece in pieces for line in decoder.feed(piece)])

    whole = read([data])
    assert read(cut(data, places)) == whole
    assert read([data[place : place + 1] for place in range(len(data))]) == whole


def test_every_cut_of_every_short_input_agrees_with_the_model() -> None:
    for data in itertools.product([b"a", b"\r", b"\n", b"\xff"], repeat=5):
        for cuts in itertools.product([b"", b"|"], repeat=4):
            joined = b"".join(map(b"".join, zip(data, (*cuts, b""), strict=True)))
            agree(joined.split(b"|"), 2, 4)


@settings(deadline=None, max_examples=100)
@given(
    lead=st.integers(200, 320),
    ending=st.sampled_from([b"", b"\n", b"\r\n", b"\xff\n"]),
    places=st.lists(st.integers(0, 400), max_size=4),
    max_line=st.integers(240, 300),
)
def test_the_start_of_a_bad_line_does_not_depend_on_the_cuts(
    lead: int, ending: bytes, places: list[int], max_line: int
) -> None:
    data = bytes(33 + place % 90 for place in range(lead)) + ending
    agree(cut(data, places), max_line, 400)


@settings(deadline=None)
@given(data=st.binary(max_size=200), places=st.lists(st.integers(0, 200), max_size=6))
def test_any_bytes_at_all_agree_with_the_model(data: bytes, places: list[int]) -> None:
    agree(cut(data, places), 20, 50)


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_a_line_of_exactly_the_limit_is_good_with_either_end(end: bytes) -> None:
    assert LineDecoder().feed(b"a" * MAX_LINE + end) == ["a" * MAX_LINE]


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_one_byte_over_the_limit_is_too_long_and_the_next_line_is_good(end: bytes) -> None:
    bad, good = LineDecoder().feed(b"a" * (MAX_LINE + 1) + end + b"next" + end)
    assert isinstance(bad, LineTooLong)
    assert str(bad) == "line is longer than 4096 bytes"
    assert good == "next"


def test_the_limit_counts_bytes_not_characters() -> None:
    decoder = LineDecoder(max_line=4)
    assert decoder.feed("éé\n".encode()) == ["éé"]
    assert isinstance(decoder.feed("ééé\n".encode())[0], LineTooLong)


def test_an_over_long_line_is_reported_before_its_end_and_only_once() -> None:
    decoder = LineDecoder(max_line=4)
    assert decoder.feed(b"abcd") == []
    (bad,) = decoder.feed(b"e")
    assert isinstance(bad, LineTooLong)
    assert bad.start == b"abcd"
    assert decoder.feed(b"f" * 100) == []
    assert decoder.feed(b"g\r\nnext\n") == ["next"]


def test_a_cr_at_the_limit_may_still_be_half_of_the_line_end() -> None:
    decoder = LineDecoder(max_line=4)
    assert decoder.feed(b"abcd\r") == []
    assert decoder.feed(b"\n") == ["abcd"]
    assert decoder.feed(b"abcd\r") == []
    assert isinstance(decoder.feed(b"e")[0], LineTooLong)


def test_no_part_of_an_over_long_line_is_kept() -> None:
    decoder = LineDecoder(max_line=4)
    decoder.feed(b"a" * 1000)
    decoder.feed(b"a" * 1000)
    assert decoder.rest == b""
    assert decoder.finish() == []


def test_only_lf_ends_a_line() -> None:
    text = "a\rb\x0bc\x0cd\x1ce\x85f\u2028g\u2029h"
    assert LineDecoder().feed(text.encode() + b"\n") == [text]


def test_only_one_cr_is_dropped_before_lf() -> None:
    assert LineDecoder().feed(b"a\r\r\n\r\n\n") == ["a\r", "", ""]


def test_bytes_that_are_not_utf_8_spoil_only_their_own_line() -> None:
    before, bad, after = LineDecoder().feed("grüße\n".encode() + b"caf\xe9\r\n" + b"after\n")
    assert (before, after) == ("grüße", "after")
    assert isinstance(bad, LineNotUTF8)
    assert bad.start == b"caf\xe9"
    assert str(bad) == "line is not UTF-8"


@pytest.mark.parametrize("raw", [b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82"])
def test_bytes_that_only_resemble_utf_8_are_refused(raw: bytes) -> None:
    assert isinstance(LineDecoder().feed(raw + b"\n")[0], LineNotUTF8)


def test_a_character_cut_between_two_reads_is_whole() -> None:
    decoder = LineDecoder()
    assert decoder.feed(b"\xe2\x82") == []
    assert decoder.feed(b"\xac\n") == ["€"]


def test_a_peer_that_sends_no_end_is_given_up_at_one_mib() -> None:
    decoder = LineDecoder()
    told = [line for _ in range(15) for line in decoder.feed(b"a" * 65536)]
    assert [type(line) for line in told] == [LineTooLong]
    assert decoder.feed(b"a" * 65535) == []
    assert not decoder.gave_up
    (last,) = decoder.feed(b"a")
    assert isinstance(last, LineUnending)
    assert str(last) == "no end of line within 1048576 bytes"
    assert decoder.gave_up


def test_an_end_just_before_one_mib_saves_the_session() -> None:
    decoder = LineDecoder()
    decoder.feed(b"a" * (MAX_UNENDING - 1))
    assert decoder.feed(b"\nnext\n") == ["next"]


def test_what_follows_an_unending_line_is_dropped_even_in_the_same_read() -> None:
    decoder = LineDecoder(max_line=4, max_unending=8)
    first, *bad = decoder.feed(b"1st\n" + b"a" * 8 + b"\nq\n")
    assert first == "1st"
    assert [type(line) for line in bad] == [LineTooLong, LineUnending]
    assert decoder.feed(b"q\n") == []
    assert decoder.rest == b""
    assert decoder.finish() == []


def test_a_line_within_the_limit_is_never_unending() -> None:
    decoder = LineDecoder(max_line=10, max_unending=3)
    assert decoder.feed(b"0123456789") == []
    assert decoder.feed(b"\r\n") == ["0123456789"]


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_any_bytes_like_object_is_accepted_and_none_is_kept(
    kind: type[bytes] | type[bytearray] | type[memoryview],
) -> None:
    received = bytearray(b"a\nrest")
    decoder = LineDecoder()
    assert decoder.feed(kind(received)) == ["a"]
    received[:] = b"xxxxxx"
    assert decoder.rest == b"rest"


def test_finish_counts_an_unfinished_line_as_a_line() -> None:
    decoder = LineDecoder()
    assert decoder.feed(b"q") == []
    assert decoder.finish() == ["q"]
    assert decoder.finish() == []
    assert decoder.feed(b"\xff\r") == []
    assert isinstance(decoder.finish()[0], LineNotUTF8)


def test_finish_after_a_line_end_adds_no_blank_line() -> None:
    decoder = LineDecoder()
    decoder.feed(b"q\n")
    assert decoder.finish() == []


class Counted(bytes):
    """Bytes that count how many of them are copied by slicing."""

    copied = 0

    def __getitem__(self, key):  # type: ignore[no-untyped-def]
        part = super().__getitem__(key)
        if isinstance(key, slice):
            Counted.copied += len(part)
        return part


@settings(deadline=None, max_examples=400)
@given(
    data=INPUT,
    places=st.lists(st.integers(0, 500), max_size=6),
    limit=st.integers(1, 12),
    parts=st.lists(st.tuples(st.integers(1, 5), st.integers(1, 30)), min_size=1, max_size=5),
)
def test_lines_taken_in_parts_are_the_same_and_no_part_is_too_large(
    data: bytes, places: list[int], limit: int, parts: list[tuple[int, int]]
) -> None:
    whole = LineDecoder(max_line=limit, max_unending=3 * limit)
    parted = LineDecoder(max_line=limit, max_unending=3 * limit)
    bounds = itertools.cycle(parts)
    for piece in cut(data, places):
        max_lines, max_bytes = next(bounds)
        lines = parted.begin(piece, max_lines, max_bytes)
        taken = [(lines, max_lines)]
        while parted.held:
            assert not parted.gave_up
            max_lines, max_bytes = next(bounds)
            taken.append((parted.take(max_lines, max_bytes), max_lines))
        for lines, bound in taken:
            counted = [line for line in lines if not isinstance(line, LineUnending)]
            assert len(counted) <= bound
        # Whatever remains is an unfinished line.
        assert all(lines for lines, _ in taken[:-1])
        assert seen([line for lines, _ in taken for line in lines]) == seen(whole.feed(piece))
        assert parted.rest == whole.rest
        assert parted.gave_up == whole.gave_up
        assert parted.held_lines == 0


def test_a_part_is_bounded_in_bytes_too() -> None:
    line = b"x" * 199 + b"\n"
    decoder = LineDecoder()
    assert len(decoder.begin(line * 300, PART_LINES)) == PART_BYTES // 200
    assert len(decoder.take(PART_LINES, 1000)) == 5
    assert len(decoder.take(PART_LINES, 1)) == 1
    assert decoder.held_lines == 300 - PART_BYTES // 200 - 6


def test_few_bad_lines_are_decoded_at_a_time() -> None:
    decoder = LineDecoder()
    parts = [decoder.begin(b"\xff\n" * 32_700, PART_LINES)]
    while decoder.held:
        parts.append(decoder.take(PART_LINES))
    assert max(map(len, parts)) <= 64
    assert sum(map(len, parts)) == 32_700


@pytest.mark.parametrize(
    "line",
    [b"", b"x", b"\xff", "é".encode(), b"\xff\n" + b"x\n" * 63, b"x\n" * 63 + b"\xff", b"y" * 5000],
    ids=["blank", "short", "bad", "not ascii", "bad first", "bad last", "too long"],
)
def test_taking_parts_copies_no_more_than_a_few_parts_for_each(line: bytes) -> None:
    data = (line + b"\n") * (500_000 // (len(line) + 1))
    Counted.copied = 0
    decoder = LineDecoder()
    decoder.hold(Counted(data))
    parts = 0
    while decoder.held:
        decoder.take(PART_LINES)
        parts += 1
    # Each part begins with one slice, and no peer can make that longer.
    assert Counted.copied <= parts * PART_BYTES


@pytest.mark.parametrize("size", [1, 7])
def test_a_line_in_many_pieces_is_kept_without_copying_it_for_each(size: int) -> None:
    decoder = LineDecoder(max_line=1 << 20)
    kept = None
    moves = 0
    for _ in range(0, 100_000, size):
        decoder.feed(b"x" * size)
        if kept is not decoder._rest:
            kept = decoder._rest
            moves += 1
    assert moves == 1
    assert decoder.feed(b"\n") == ["x" * (-(-100_000 // size) * size)]


def test_held_bytes_can_be_dropped_and_the_unfinished_line_stays() -> None:
    decoder = LineDecoder()
    assert decoder.feed(b"half a ") == []
    decoder.hold(b"line\n2\n3\n")
    assert decoder.held_lines == 3
    assert decoder.take(1) == ["half a line"]
    decoder.discard()
    assert decoder.held_lines == 0
    assert decoder.feed(b"4\n") == ["4"]


def test_the_limits_are_those_of_the_protocol() -> None:
    assert (MAX_LINE, MAX_LINE_TO_CLIENT, MAX_UNENDING) == (4096, 65536, 1048576)


def test_bad_lines_are_values_and_harm_no_other_line() -> None:
    lines = LineDecoder(max_line=4).feed(b"1\n\xff\n22222\n3\n")
    assert [isinstance(line, BadLine) for line in lines] == [False, True, True, False]
