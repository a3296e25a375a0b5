"""A text as a line: it decodes to itself, or is refused."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trionet.encoding import encode_line, encode_lines
from trionet.errors import UnsendableLine
from trionet.lines import LineDecoder


@settings(deadline=None)
@given(texts=st.lists(st.text(st.characters(), max_size=20), max_size=6))
def test_a_text_decodes_to_itself_or_is_refused(texts: list[str]) -> None:
    if any("\n" in text or any("\ud800" <= c <= "\udfff" for c in text) for text in texts):
        with pytest.raises(UnsendableLine, match=r"\A[^\n]+\Z"):
            encode_lines(texts)
    else:
        encoded = encode_lines(texts)
        assert LineDecoder().feed(encoded) == texts
        assert encoded == b"".join(map(encode_line, texts))


@pytest.mark.parametrize("text", ["", " ", "54", "a\rb", "\r a", "é…😀", "\0", "\u2028"])
def test_a_line_is_encoded_as_its_bytes_and_lf(text: str) -> None:
    assert encode_line(text) == text.encode() + b"\n"


@pytest.mark.parametrize("text", ["a\r", "\r", "a\r\r"])
def test_a_text_that_ends_with_cr_gets_a_second_one_that_the_decoder_drops(text: str) -> None:
    assert encode_line(text) == text.encode() + b"\r\n"
    assert LineDecoder().feed(encode_line(text)) == [text]


@pytest.mark.parametrize("text", ["a\nb", "\n", "a\r\n", "\ud800", "a\udcff"])
def test_a_text_that_would_arrive_changed_is_refused(text: str) -> None:
    with pytest.raises(UnsendableLine):
        encode_line(text)
    for texts in ([text], ["good", text]):
        with pytest.raises(ValueError, match="line"):
            encode_lines(texts)
