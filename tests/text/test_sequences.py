"""The rules about sequences, written once more: one character after the other, and slowly."""

from __future__ import annotations

import random
import re
from functools import cache
from unicodedata import category, combining

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trionet.text import characters
from trionet.text.safe import REPLACEMENT, safe_text
from trionet.text.sequences import MAX_MARKS, UNSAFE_BELOW, UNSAFE_BEYOND

ZWNJ, ZWJ = "\u200c", "\u200d"
FLAG = re.compile("\U0001f3f4[\U000e0061-\U000e007a]{2}[\U000e0030-\U000e007a]{1,4}\U000e007f")


@cache
def members(inside: str) -> frozenset[str]:
    return frozenset(map(chr, characters.points_of(inside)))


@cache
def is_letter(blocks: str, character: str) -> bool:
    is_shown = character not in members(characters.IGNORABLE)
    return character in members(blocks) and category(character)[0] in "LM" and is_shown


def joins(character: str) -> bool:
    return is_letter(characters.CURSIVE + characters.INDIC, character)


def is_virama(character: str) -> bool:
    return bool(character) and joins(character) and combining(character) == 9


def is_pictograph(character: str) -> bool:
    return character in members(characters.PICTOGRAPHIC)


def is_tone(character: str) -> bool:
    return "\U0001f3fb" <= character <= "\U0001f3ff"


def is_mongolian(character: str) -> bool:
    return "\u1820" <= character <= "\u18aa"


def is_mongolian_selector(character: str) -> bool:
    return character in members("\u180b-\u180d\u180f")


def modelled(text: str) -> str:
    """Return what `safe_text` should."""
    line = list(text)
    in_row = 0
    for at, character in enumerate(text):
        in_row = in_row + 1 if character in members(characters.MARKS + ZWNJ + ZWJ) else 0
        if in_row > MAX_MARKS or character in members(UNSAFE_BELOW + UNSAFE_BEYOND):
            line[at] = REPLACEMENT
    for keeps in (keeps_selector, keeps_tag, keeps_joiner):
        before = "".join(line)
        line = [one if keeps(before, at) else REPLACEMENT for at, one in enumerate(before)]
    return "".join(line)


def near(text: str, at: int) -> str:
    return text[at] if 0 <= at < len(text) else ""


def keeps_selector(text: str, at: int) -> bool:
    one, before = text[at], near(text, at - 1)
    if one in "\ufe0e\ufe0f":
        return before in tuple("0123456789#*") or is_pictograph(before)
    if one in members("\ufe00-\ufe02\U000e0100-\U000e01ef"):
        return before in members(characters.IDEOGRAPHIC)
    if is_mongolian_selector(one):
        return is_mongolian(before)
    if one == "\u180e":
        is_selected = is_mongolian_selector(before) and is_mongolian(near(text, at - 2))
        return (is_mongolian(before) or is_selected) and near(text, at + 1) in ("\u1820", "\u1821")
    return True


def ends_emoji(text: str, at: int) -> bool:
    """Tell whether an emoji ends at a place. Selectors without a meaning are gone already."""
    if is_tone(near(text, at)):
        at -= 1
    if near(text, at) in ("\ufe0e", "\ufe0f"):
        return near(text, at - 1) not in tuple("0123456789#*")
    return is_pictograph(near(text, at))


def keeps_tag(text: str, at: int) -> bool:
    if text[at] not in members("\U000e0030-\U000e0039\U000e0061-\U000e007a\U000e007f"):
        return True
    begin = text.rfind("\U0001f3f4", 0, at)
    flag = FLAG.match(text, begin) if begin >= 0 else None
    if flag is None or flag.end() <= at:
        return False
    return not (near(text, begin - 1) == ZWJ and ends_emoji(text, begin - 2))


def keeps_joiner(text: str, at: int) -> bool:
    one, before, after = text[at], near(text, at - 1), near(text, at + 1)
    between_letters = joins(before) and joins(after)
    if one == ZWNJ:
        return between_letters or is_virama(before)
    if one == ZWJ:
        return (
            between_letters
            or is_virama(before)
            or is_letter(characters.CURSIVE, before)
            or is_mongolian(before)
            or is_mongolian_selector(before)
            or (is_pictograph(after) and ends_emoji(text, at - 1))
        )
    return True


# Characters of each kind, and whole sequences.
PIECES = [
    *"ab 1#\0\x85\xadЖс世葛☺👩💻🏽🏴ᠨᠠ\u1821𐌰𑀓𝓐\u0647क\u094d\U00011046",
    *[ZWJ, ZWNJ, *"\ufe0e\ufe0f\ufe00\U000e0100\u180b\u180f\u180e"],
    *"\U000e0067\U000e0062\U000e0031\U000e007f\u0301\U0001d167\U00010a01\u034f\u202e\u200b\ue000",
    *"\ufdd0\U0001fffe\U0002fffe\U000f0000\u1112\u1161🇩\u0378\U000e0fff\U0001fbff\ud800",
    "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
    f"🏽{ZWJ}👩", "1\ufe0f", f"\u0647{ZWNJ}\u0647", "\u1820\u180b\u180e\u1821", "葛\U000e0100",
    "e" + "\u0301" * 7, "\U0001d167" * 8,
]  # fmt: skip


@settings(deadline=None, max_examples=400)
@given(text=st.one_of(st.lists(st.sampled_from(PIECES), max_size=30).map("".join), st.text()))
def test_what_is_kept_is_what_the_rules_say(text: str) -> None:
    assert safe_text(text) == modelled(text)


def test_random_lines_of_all_kinds_are_judged_by_the_rules() -> None:
    chance = random.Random(15)
    for _ in range(3000):
        pieces = [
            chance.choice(PIECES) * chance.choice((1, 1, 1, 2, 9))
            for _ in range(chance.choice((3, 8, 40)))
        ]
        text = "".join(pieces)
        assert safe_text(text) == modelled(text), ascii(text)


@pytest.mark.parametrize(
    "around", ["{}", "é{}", "{}\u200d{}", "{}\ufe0f", "葛{}\u180e\u1820", "👩{}👩"]
)
def test_the_ends_of_all_tables_are_judged_by_the_rules(around: str) -> None:
    tables = [
        characters.CURSIVE, characters.INDIC, characters.IDEOGRAPHIC, characters.PICTOGRAPHIC,
        characters.MARKS, characters.IGNORABLE, UNSAFE_BELOW, UNSAFE_BEYOND,
    ]  # fmt: skip
    ends = {
        point
        for first, last in characters.ranges_of("".join(tables))
        for point in (first - 1, first, last, last + 1)
        if 0 <= point < 0x110000
    }
    for point in ends:
        text = around.replace("{}", chr(point))
        assert safe_text(text) == modelled(text), ascii(text)


@pytest.mark.parametrize("fill", ["a", "ж", "世", "😀"])
def test_a_line_is_judged_the_same_wherever_in_it_something_is(fill: str) -> None:
    # What is in front of the first suspect is not taken apart, and neither is text between towers.
    for piece in (
        "\u200b",
        "1\ufe0f",
        f"👩🏽{ZWJ}👩",
        "e" + "\u0301" * 12,
        "e" + "\u0301" * 7 + ZWJ * 3,
    ):
        for before in (0, 1, 2, 3, 50):
            for between in (0, 1, 50):
                text = f"é{fill * before}{piece}{fill * between}{piece}{fill}"
                assert safe_text(text) == modelled(text), ascii(text)
