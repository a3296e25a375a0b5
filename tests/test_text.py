from __future__ import annotations

import sys
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trionet.text import REPLACEMENT, safe_text


def test_every_character_of_unicode_is_kept_unless_it_controls_or_ends_a_line() -> None:
    for number in range(sys.maxunicode + 1):
        character = chr(number)
        unsafe = unicodedata.category(character) in ("Cc", "Zl", "Zp")
        assert safe_text(character) == (REPLACEMENT if unsafe else character)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("hello", "hello"),
        ("", ""),
        ("a\tb", "a�b"),
        ("\x1b[2Jgone", "�[2Jgone"),
        ("a\rb\nc", "a�b�c"),
        ("\x00\x7f\x85\x9b", "����"),
        ("a\u2028*** Ann left\u2029", "a�*** Ann left�"),
        ("no\u00a0break, soft\u00adhyphen, 👩\u200d💻, \u202egnol\u202c", None),
    ],
)
def test_what_is_shown(text: str, shown: str | None) -> None:
    assert safe_text(text) == (text if shown is None else shown)


@settings(deadline=None)
@given(text=st.text())
def test_what_is_shown_is_one_line_of_the_same_length_and_shown_again_the_same(text: str) -> None:
    shown = safe_text(text)
    assert len(shown) == len(text)
    assert len(shown.splitlines()) <= 1
    assert safe_text(shown) == shown
