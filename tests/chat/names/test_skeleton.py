"""Which texts look alike, and that the data is complete."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trionet.chat import NameRefused, parse_name
from trionet.chat.names.confusables import DATA, UNICODE_VERSION
from trionet.chat.names.skeleton import skeleton, skeletons_of


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("ann", "ann"),
        # Cyrillic, in whole and in part; Armenian, Greek, a small capital, Lisu.
        ("аnn", "ann"),
        ("ѕсоре", "scope"),
        ("ӏobby", "lobby"),
        ("ЅСОРЕ", "SCOPE"),
        ("ոս", "nu"),
        ("Αnn", "Ann"),
        ("ᴏ", "o"),
        ("ꓮ", "A"),
        # Mathematical letters, a ligature. (Full-width letters are left to the profile.)
        ("𝐀𝖓𝚗", "Ann"),
        ("ﬁ", "fi"),
        # Digits and letters.
        ("1I|l", "llll"),
        ("0O", "OO"),
        ("m", "rn"),
        ("M", "M"),
        ("۱०", "lo"),
        ("ı", "i"),
        # Marks are kept, and it makes no difference how they are composed.
        ("é", "e\u0301"),
        ("e\u0301", "e\u0301"),
        # Invisible characters do not count, nor does a dot on a dot.
        ("a\u200bn\u00adn\ufe0f\u2060", "ann"),
        ("بـ\u200cب", skeleton("بـب")),
        ("i\u0307", "i"),
        ("j\u0307\u0307", "j"),
        ("i\u0323\u0307", "i\u0323"),
        ("l\u0307", "l\u0307"),
        ("a\u0307", "a\u0307"),
        # Pairs that most fonts draw differently.
        ("vv cl 5", "vv cl 5"),
    ],
)
def test_a_skeleton_is_what_a_text_looks_like(text: str, expected: str) -> None:
    assert skeleton(text) == expected


def test_the_skeleton_of_ascii_is_its_own_skeleton() -> None:
    # `skeletons_of` relies on it. It is not so for all of Unicode: `㈝` is an exception.
    looks = [skeleton(chr(number)) for number in range(128)]
    assert [skeleton(look) for look in looks] == looks


def test_the_data_is_complete() -> None:
    sources = [source for group in DATA.split(";") for source in group.partition("=")[2].split()]
    # The file says at its end: "total: 6311".
    assert (UNICODE_VERSION, len(sources), len(set(sources))) == ("13.0.0", 6311, 6311)
    assert all(0x21 < int(source, 16) <= 0x10FFFF for source in sources)


@settings(deadline=None)
@given(text=st.text())
def test_canonically_equal_texts_have_the_same_skeleton(text: str) -> None:
    once = skeleton(text)
    assert once == skeleton(unicodedata.normalize("NFC", text))
    assert once == skeleton(unicodedata.normalize("NFD", text))
    assert once == unicodedata.normalize("NFD", once)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ann", "аnn"),
        ("ann", "Аnn"),
        ("ANN", "аnn"),
        ("scope", "ѕсоре"),
        ("SCOPE", "ѕсоре"),
        ("scope", "ЅСОРЕ"),
        ("Scope", "ѕСоРе"),
        ("bob", "Воb"),
        ("BOB", "вов".upper()),
        ("Ian", "lan"),
        ("IAN", "1an"),
        ("ian", "Ιan"),
        ("B0B", "bob"),
        ("modern", "modem"),
        ("MODERN", "Modem"),
        ("İan", "ian"),
        ("ıan", "ian"),
        ("ann1", "annI"),
        ("Ａｎｎ", "аnn"),
        ("نام", "نا\u0645"),
    ],
)
def test_names_that_look_alike_in_any_case_have_a_skeleton_in_common(one: str, other: str) -> None:
    assert parse_name(one).skeletons & parse_name(other).skeletons


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ann", "Anna"),
        ("Ann", "Änn"),
        ("ian", "lan"),
        ("han", "нan"),
        ("o", "ø"),
        ("w", "vv"),
        ("Weiß", "Weiss"),
        ("Ann", "Ann_"),
        ("东", "東"),
        ("Zoë", "Zoe"),
    ],
)
def test_names_that_do_not_look_alike_have_no_skeleton_in_common(one: str, other: str) -> None:
    assert not parse_name(one).skeletons & parse_name(other).skeletons


@settings(deadline=None, max_examples=300)
@given(text=st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=8))
def test_names_that_are_the_same_have_a_skeleton_in_common(text: str) -> None:
    try:
        names = [parse_name(text), parse_name(text.lower()), parse_name(text.swapcase())]
    except NameRefused:
        return
    assert all(name.skeletons == {*skeletons_of(name.shown, name.key)} for name in names)
    for name in names[1:]:
        assert name.key != names[0].key or name.skeletons & names[0].skeletons
