"""Heads of HTTP requests: which are read, and what is wrong with the others."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trionet.transport.web.heads import END, MAX_HEAD, BadHead, Head, end_of_head, read_head

GOOD = b"GET /ws?x=1 HTTP/1.1\r\nHost: localhost:8080\r\nUpgrade: WebSocket, h2c\r\nX-A:\r\n\r\n"

tokens = st.text("abcXYZ019!#$%&'*+.^_`|~-", min_size=1, max_size=12)
visible = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=30)
values = st.text(
    st.characters(min_codepoint=0x21, max_codepoint=0xFF, exclude_characters="\x7f\x80\x81"),
    max_size=30,
)


def outcome(data: bytes) -> object:
    """Return what becomes of a head: where it ends with what is in it, or its status."""
    try:
        end = end_of_head(data)
        return (end, read_head(data[:end])) if end else None
    except BadHead as bad:
        return bad.status


def test_a_head_is_read_whole() -> None:
    assert end_of_head(GOOD) == len(GOOD)
    head = read_head(GOOD)
    assert (head.method, head.target, head.path) == ("GET", "/ws?x=1", "/ws")
    assert head.version == (1, 1)
    assert head.all("host") == ["localhost:8080"]
    assert head.words("upgrade") == ["websocket", "h2c"]
    assert head.all("x-a") == [""]
    assert head.words("connection") == []


def test_what_comes_after_a_head_is_not_part_of_it() -> None:
    assert end_of_head(GOOD + b"GET / HTTP/1.1\r\n\r\n\0\n") == len(GOOD)


def test_a_head_that_comes_byte_by_byte_is_the_same_head() -> None:
    for size in range(len(GOOD)):
        assert end_of_head(GOOD[:size]) == 0


@given(st.data())
def test_a_head_in_pieces_is_judged_as_the_whole(data: st.DataObject) -> None:
    pieces = st.sampled_from(
        [b"GET / HTTP/1.1", b"\r\n", b"\r", b"\n", b"A: b", b"\0", b"\r\n\r\n"]
    )
    whole = b"G" + b"".join(data.draw(st.lists(pieces, max_size=8)))
    cuts = sorted(data.draw(st.lists(st.integers(1, len(whole)), max_size=6)))
    seen = 0
    for cut in [*cuts, len(whole)]:
        try:
            end = end_of_head(whole[:cut], seen=seen)
        except BadHead:
            assert outcome(whole[:cut]) == 400
            return
        assert end == end_of_head(whole[:cut])
        if end:
            return
        seen = cut


class Watched(bytearray):
    """Counts the bytes that are searched."""

    searched = 0

    def find(self, sub: Any, begin: Any = 0, end: Any = None) -> int:
        Watched.searched += max(0, min(end or len(self), len(self)) - begin)
        return super().find(sub, begin, end)

    def count(self, sub: Any, begin: Any = 0, end: Any = None) -> int:
        Watched.searched += max(0, min(end or len(self), len(self)) - begin)
        return super().count(sub, begin, end)


def test_each_byte_of_a_head_is_searched_a_few_times_however_it_comes() -> None:
    data = Watched()
    for byte in b"GET / HTTP/1.1\r\nX: " + b"x" * 2000:
        data.append(byte)
        assert end_of_head(data, seen=len(data) - 1) == 0
    assert Watched.searched < 20 * len(data)


@given(tokens, visible, st.lists(st.tuples(tokens, values), max_size=8))
def test_whatever_a_good_client_writes_is_read(
    method: str, target: str, fields: list[tuple[str, str]]
) -> None:
    fields = [("X" + name, value) for name, value in fields]
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields)]
    data = "\r\n".join(lines).encode("latin-1") + END
    head = read_head(data[: end_of_head(data)])
    assert (head.method, head.target) == (method, target)
    assert head.fields == [(name.lower(), value) for name, value in fields]


@given(st.one_of(st.binary(max_size=200), st.binary(max_size=200).map(lambda b: b + END)))
def test_anything_else_is_refused_and_raises_nothing_else(data: bytes) -> None:
    assert isinstance(outcome(data), int | tuple | None)
    assert isinstance(outcome(b"GET / HTTP/1.1\r\n" + data), int | tuple | None)


@given(st.integers(0, len(GOOD) - 1), st.sampled_from([b"\n", b"\r", b"\0", b"\x7f", b"\r\n "]))
def test_a_head_is_never_taken_for_two(at: int, what: bytes) -> None:
    # Whatever is planted in it, no other head comes out than the one that its bytes spell.
    data = GOOD[:at] + what + GOOD[at:]
    read = outcome(data)
    if isinstance(read, tuple):
        end, head = read
        assert isinstance(head, Head)
        again = f"{head.method} {head.target} HTTP/1.1\r\n".encode() + b"".join(
            f"{name}: {value}\r\n".encode("latin-1") for name, value in head.fields
        )
        assert read_head(again + b"\r\n") == head
        assert data[:end].count(END) == 1


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\nHost: a\n\n",  # a lone LF ends no line
        b"GET  / HTTP/1.1\r\n\r\n",
        b"GET / http/1.1\r\n\r\n",
        b"GET /\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost : a\r\n\r\n",  # a space before the colon
        b"GET / HTTP/1.1\r\n folded: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n",
        b"GET / HTTP/1.1\r\nA: b\rX: c\r\n\r\n",
        b"GET / HTTP/1.1\r\n: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: 5\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: 0\r\nContent-Length: 7\r\n\r\n",
        b"\x16\x03\x01\x02\x00",  # TLS
        b"\r\nGET / HTTP/1.1\r\n\r\n",
    ],
)
def test_a_head_that_two_readers_may_take_differently_is_refused(head: bytes) -> None:
    assert outcome(head) == 400


def test_another_http_is_not_spoken() -> None:
    assert outcome(b"PRI * HTTP/2.0\r\n\r\n") == 505
    assert isinstance(outcome(b"GET / HTTP/1.0\r\n\r\n"), tuple)


def test_a_head_has_a_bound() -> None:
    begin = b"GET / HTTP/1.1\r\nX: "
    full = begin + b"x" * (MAX_HEAD - len(begin) - len(END)) + END
    assert len(full) == MAX_HEAD
    assert isinstance(outcome(full), tuple)
    assert outcome(full[:-1]) is None
    longer = begin + b"x" * (MAX_HEAD - len(begin) - len(END) + 1) + END
    assert outcome(longer) == 431
    # It is refused before its end has come.
    assert outcome(longer[:MAX_HEAD]) == 431
