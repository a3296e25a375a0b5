"""Which messages are for a person."""

from __future__ import annotations

import pytest

from trionet.chat.person.highlights import MAX_WORDS, Highlights


@pytest.mark.parametrize(
    ("text", "is_found"),
    [
        ("hello, ann", True),
        ("Anna is here", False),
        ("the DEPLOY is done", True),
        ("deployed", False),
        ("c++ it is", True),
        ("日本へ", False),
        ("日本 へ", True),
    ],
)
def test_the_name_and_the_words_are_found_as_words(text: str, is_found: bool) -> None:
    assert Highlights("Ann", ["deploy", "C++", "日本"]).are_in(text) is is_found


def test_words_come_and_go_and_the_name_changes() -> None:
    highlights = Highlights("Ann")
    assert highlights.add("Deploy")
    assert highlights.add("deploy")
    assert highlights.words == ["deploy"]
    highlights.set_name("Anna")
    assert not highlights.are_in("Ann")
    assert highlights.are_in("Anna: deploy!")
    assert highlights.discard("DEPLOY")
    assert not highlights.discard("deploy")
    assert not highlights.are_in("deploy")


def test_words_are_bounded() -> None:
    highlights = Highlights("Ann", map(str, range(MAX_WORDS)))
    assert not highlights.add("more")
    assert highlights.add("1")
