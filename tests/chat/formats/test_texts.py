"""How long a text may be, and what is made of it."""

from __future__ import annotations

import pytest

from trionet.chat.formats.requests import Misunderstood
from trionet.chat.formats.texts import safe_texts, safe_topic


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("hello", "hello"),
        ("a \r\nb\t\n", "a\nb"),
        ("\n\nx", "\n\nx"),
        ("a\rb\x00", "a�b�"),
        ("x\n" * 49 + "x", "x\n" * 49 + "x"),
        ("é" * 2048, "é" * 2048),
    ],
)
def test_each_line_of_a_text_is_made_safe(text: str, safe: str) -> None:
    assert safe_texts(text) == safe


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("é" * 2048 + "x", "too-long"),
        ("x\n" * 50 + "x", "too-long"),
        ("", "bad-request"),
        (" \n\t\r\n", "bad-request"),
    ],
)
def test_a_text_that_is_too_long_or_blank_is_refused(text: str, code: str) -> None:
    with pytest.raises(Misunderstood) as caught:
        safe_texts(text)
    assert caught.value.code == code


def test_a_topic_is_one_line_and_may_be_empty() -> None:
    assert safe_topic("") == ""
    assert safe_topic(" green\t ") == " green"
    assert safe_topic("é" * 195) == "é" * 195
    for text, code in (
        ("é" * 195 + "x", "too-long"),
        ("a\nb", "bad-request"),
        (" ", "bad-request"),
    ):
        with pytest.raises(Misunderstood) as caught:
            safe_topic(text)
        assert caught.value.code == code
