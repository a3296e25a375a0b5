"""Text that was made safe moves no cursor, begins no line, and hides nothing."""

from __future__ import annotations

import random
import sys
import unicodedata
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trionet.text.safe import (
    REPLACEMENT,
    WHITE_SPACE,
    safe_message,
    safe_text,
)
from trionet.text.sequences import MAX_MARKS

ZWNJ, ZWJ = "\u200c", "\u200d"


def is_noncharacter(number: int) -> bool:
    return 0xFDD0 <= number <= 0xFDEF or number & 0xFFFE == 0xFFFE


def test_every_single_character_of_unicode_is_kept_unless_it_is_unsafe() -> None:
    # The visible characters of these categories: signs that stand under or over digits, and the
    # controls that arrange hieroglyphs.
    seen_formats = "؀؁؂؃؄؅۝܏࣢\u0890\u0891𑂽𑃍" + "".join(map(chr, range(0x13430, 0x13456)))
    unseen_others = (
        "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2065\u3164\uffa0"
        + "".join(map(chr, range(0xFFF0, 0xFFF9)))
        + "".join(map(chr, range(0xFE00, 0xFE10)))
    )
    # Beyond these planes everything is unsafe: 860,000 characters, see below.
    for number in range(0x40000):
        character = chr(number)
        unsafe = (
            unicodedata.category(character) in ("Cc", "Zl", "Zp", "Cf", "Co", "Cs")
            or is_noncharacter(number)
            or character in unseen_others
        ) and character not in seen_formats
        assert safe_text(character) == (REPLACEMENT if unsafe else character), hex(number)


def test_every_character_of_the_planes_without_visible_ones_is_unsafe() -> None:
    # A thousand at a time: one by one would take a second longer.
    for number in range(0x40000, sys.maxunicode + 1, 1024):
        for character in (chr(number), chr(number + 1023)):
            assert safe_text(character) == REPLACEMENT
        shown = safe_text(" ".join(map(chr, range(number, number + 1024))))
        assert shown == " ".join(REPLACEMENT * 1024), hex(number)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("hello", "hello"),
        ("", ""),
        ("a\tb", "a�b"),
        ("\x1b[2Jgone", "�[2Jgone"),
        ("a\rb\nc", "a�b�c"),
        ("\x00\x7f\x85\x9b", "����"),
        ("é\x1b[2J\x9b", "é�[2J�"),
        ("a\u2028*** Ann left\u2029", "a�*** Ann left�"),
        ("no\u00a0break, soft\u00adhyphen, 👩\u200d💻", "no\u00a0break, soft�hyphen, 👩\u200d💻"),
        ("\u202egnol\u202c \u2066x\u2069 \u200e\u200f\u061c", "�gnol� �x� ���"),
        ("a\u200bb\u2060c\u2063d\ufeffe\u034ff", "a�b�c�d�e�f"),
        ("\u3164\uffa0\u115f\u1160", "����"),
        ("\ufff9text\ufffaabove\ufffb", "�text�above�"),
        ("\ue000\uf8ff\U000f0000\ufdd0\uffff\U0001fffe", "������"),
        ("half \ud83d of a pair", "half � of a pair"),
        ("hi\U000e0068\U000e0069", "hi��"),
        # An unassigned character is kept: it may be a new letter.
        ("\u0378\U0001faff", "\u0378\U0001faff"),
    ],
)
def test_shown_text_has_its_unsafe_characters_replaced(text: str, shown: str) -> None:
    assert safe_text(text) == shown


@pytest.mark.parametrize(
    "whole",
    [
        "👩‍💻 👨‍👩‍👧‍👦 🏳️‍🌈 🏴‍☠️ ❤️‍🔥 👁️‍🗨️ 🧑🏽‍🚀 👩🏻‍❤️‍💋‍👨🏿 🐻‍❄️ 🏃‍♀️‍➡️",
        "☺︎ ☺️ ✈️ ©️ ‼️ ℹ️ 😀️",
        "1️⃣ #️⃣ *️⃣ 0⃣",
        "🇩🇪 🇺🇳 🏴󠁧󠁢󠁳󠁣󠁴󠁿 🏴󠁧󠁢󠁥󠁮󠁧󠁿 🏴󠁧󠁢󠁷󠁬󠁳󠁿 🏴󠁵󠁳󠁴󠁸󠁿 🏴",
        # Persian and Urdu.
        "می‌خواهم کتاب‌ها کار‌ها خانه‌ای هـ ه‍.ش",
        "مُ‌حم",
        # Devanagari, Bengali, Malayalam, Sinhala, Kannada, Tamil, Khmer.
        "क्‍ष क्‌ष र्‍य ऱ्‍",
        "র‍্যাব অ‍্যা ন্‌স",
        "ന്‍ ർ ശ്രീ",
        "ශ්‍රී ක්‍ය",
        "ರ‍್ಕ",
        "ᠤᠨ᠋ᠠ ᠪᠠᠢᠨ᠎ᠠ ᠭ᠋‍ᠠ",
        # Japanese names.
        "葛󠄀城 辻󠄂 神︀",
        # Marks in a row.
        "Việt Nam e\u0323\u0302 שִׁׁ֧ב מֱ֧֯ ཧྐྵྨླྺྼྻྂ ทั้ง မြန်မာ្",
        "שלום, عليكم السلام, 世界, Ελλάδα, ไทย, \u3000",
    ],
)
def test_a_sequence_of_several_characters_stays_whole(whole: str) -> None:
    assert safe_text(whole) == whole


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        # Joiners between letters that do not join, at the ends, and twice.
        (f"pass{ZWJ}word {ZWNJ}x {ZWJ}", "pass�word �x �"),
        (f"א{ZWNJ}ב ก{ZWJ}ข 世{ZWJ}界 1{ZWNJ}2", "א�ב ก�ข 世�界 1�2"),
        (f"ب{ZWNJ}a a{ZWNJ}ب ب{ZWNJ}{ZWNJ}ب", "ب�a a�ب ب��ب"),
        (f"۱{ZWNJ}۲", "۱�۲"),
        (f"👩{ZWJ} {ZWJ}👩 👩{ZWJ}{ZWJ}💻 👩{ZWNJ}💻", "👩� �👩 👩��💻 👩�💻"),
        (f"👩{ZWJ}x x{ZWJ}👩", "👩�x x�👩"),
        # An invisible letter does not count as a letter.
        (f"ب{ZWNJ}\u061cب \u17b4{ZWNJ}ក", "ب��ب ��ក"),
        # Variation selectors after characters that take none, and more than one.
        ("a\ufe0f \ufe0f 1\ufe00 →\ufe0f", "a� � 1� →�"),
        ("☺\ufe0f\ufe0f 葛\U000e0100\U000e0101 a\U000e0100", "☺\ufe0f� 葛\U000e0100� a�"),
        ("☺\ufe00 葛\ufe0f x\u180b \u180e", "☺� 葛� x� �"),
        # Text hidden after an emoji.
        ("☺\ufe0f\U000e0148\U000e0159", "☺\ufe0f��"),
        # Flags that are unfinished, too long, empty, or without the black flag in front.
        ("🏴\U000e0067\U000e0062", "🏴��"),
        ("🏴\U000e007f", "🏴�"),
        ("🏴" + "\U000e0061" * 7 + "\U000e007f", "🏴" + "�" * 8),
        ("🏴\U000e0031\U000e0032\U000e0033\U000e007f", "🏴����"),
        ("😀\U000e0067\U000e0062\U000e0073\U000e007f", "😀����"),
    ],
)
def test_characters_that_only_look_like_a_sequence_are_replaced(text: str, shown: str) -> None:
    assert safe_text(text) == shown


@pytest.mark.parametrize("mark", ["\u0301", "\u20dd", "\u0f90", "\u093c", "\U0001d167"])
@pytest.mark.parametrize("base", ["", "a", "क", "😀"])
def test_a_tower_of_marks_is_cut(base: str, mark: str) -> None:
    highest = base + mark * MAX_MARKS
    assert safe_text(highest) == highest
    assert safe_text(f"{highest}{mark * 30}z{mark}") == f"{highest}{REPLACEMENT * 30}z{mark}"


def test_a_joiner_does_not_end_a_tower() -> None:
    shown = safe_text("क" + f"\u0941{ZWJ}" * 40)
    # The last remaining joiner has nothing left to join.
    assert shown[:MAX_MARKS] == ("क" + f"\u0941{ZWJ}" * (MAX_MARKS // 2))[:MAX_MARKS]
    assert set(shown[MAX_MARKS:]) == {REPLACEMENT}


def test_a_row_of_emoji_is_not_a_tower() -> None:
    assert safe_text("😂" * 40 + "👍🏽" * 20) == "😂" * 40 + "👍🏽" * 20


def test_of_white_space_only_line_ends_and_controls_are_replaced() -> None:
    shown = safe_text("é" + WHITE_SPACE)
    assert [had for had, now in zip(WHITE_SPACE, shown[1:], strict=True) if now == REPLACEMENT] == [
        *"\t\n\v\f\r\x85\u2028\u2029"
    ]


# All characters that have a rule of their own, so that they meet.
PARTS = st.lists(
    st.sampled_from(
        [
            *"ab 1#�क\u094dب\u064eهא世葛ᠨᠠ",
            *[ZWJ, ZWNJ, *"\ufe0e\ufe0f\ufe00\U000e0100\u180b\u180e"],
            *"👩💻🏽🏴\u20e3\U000e0067\U000e0062\U000e0073\U000e007f",
            *["\u0301" * 5, "\u034f", "\u17b4", "\u202e", "\x1b", "\u200b"],
        ]
    ),
    max_size=30,
).map("".join)


@settings(deadline=None, max_examples=300)
@given(text=st.one_of(st.text(), st.text(st.characters(exclude_categories=[])), PARTS))
def test_safe_text_is_one_line_of_the_same_length_and_stays_the_same(text: str) -> None:
    shown = safe_text(text)
    assert len(shown) == len(text)
    assert len(shown.splitlines()) <= 1
    assert safe_text(shown) == shown
    assert all(now in (had, REPLACEMENT) for had, now in zip(text, shown, strict=True))
    shown.encode()


@settings(deadline=None)
@given(text=PARTS)
def test_safe_text_stays_safe_after_the_text_that_a_program_puts_before_it(text: str) -> None:
    line = f"Ann: {safe_text(text)}"
    assert safe_text(line) == line


@pytest.mark.parametrize("line", ["hello", "x" * 4096, "~ !"])
def test_a_line_of_printable_ascii_is_returned_itself(line: str) -> None:
    assert safe_text(line) is line


def test_a_line_without_suspects_is_never_taken_apart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr("trionet.text.safe.replaced")
    for line in ("Zoë", "世界", "क्षमा", "שלום", "😀🇩🇪👍🏽", "e\u0323\u0302"):
        assert safe_text(line) is line
    with pytest.raises(NameError):
        safe_text("é\u200b")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("hello", "hello"),
        ("\ta\t\tb", "    a        b"),
        ("é\t世\x1b", "é    世�"),
        (f"ب\t{ZWNJ}ب", "ب    �ب"),
        ("", ""),
    ],
)
def test_in_a_message_a_tab_is_four_spaces(text: str, shown: str) -> None:
    assert safe_message(text) == shown
    assert safe_message(shown) == shown


@given(text=st.one_of(st.text(), st.text("ab\té\x1b")))
def test_a_message_is_safe_text_with_its_tabs_as_spaces(text: str) -> None:
    assert safe_message(text) == "    ".join(map(safe_text, text.split("\t")))


# The cost of a line, counted as calls: Python code makes each of them, and everything else is a
# pass over the line in C.


def calls_for(text: str) -> int:
    calls: Counter[str] = Counter()
    sys.setprofile(lambda _frame, event, _what: calls.update([event]))
    try:
        safe_text(text)
    finally:
        sys.setprofile(None)
    return calls["call"] + calls["c_call"]


def longest(piece: str) -> str:
    """Return a line of 4,096 bytes that is not all ASCII."""
    line = f"é{piece * (4096 // len(piece.encode()) + 1)}"
    return line.encode()[:4096].decode(errors="ignore")


# The most expensive lines that a search over random pieces found, and formerly expensive ones.
DEAR = [
    "e" + "\u0301" * 9,
    "e" + "\U0001d167" * 9,
    f"\u0647{ZWNJ}",
    f"क\u094d{ZWJ}",
    f"👩{ZWJ}💻",
    f"{ZWJ}",
    f"{ZWJ * 8}\ufe0e",
    f"\u0647{ZWNJ}a",
    f"{ZWJ}#",
    "\0",
    "\0a",
    "\x85\x1b",
    "a\u200b",
    "1\ufe0f\u20e3",
    "❤\ufe0f",
    "葛\U000e0100",
    "\u1820\u180b",
    f"\u180e\u180e{ZWJ}",
    "\U0001fffe\u180b",
    "🏴\U000e0067",
    f"{chr(0x1D4D0)}\U00010330\U00010330{ZWNJ * 7}",
    "\U0001d167 \U0001e130\U0001e130aaa",
    "😂\u200b",
    "\u1820" * 9 + "\u200b",
    f"a{ZWNJ}",
    f"a{ZWJ}👩",
    f"x🏽{ZWJ}👩",
    f"😀\ufe0f{ZWJ}",
    f"\U00011013{ZWNJ * 8}",
    "\U0001d167" * 8 + "b",
    "\U0001d167\U00011013",
    "x\ufe0f",
    "\u1820\ufe0f",
    f"\U00011013{ZWNJ}",
    "\u180e#\u180e\0#",
    "1\ufe0f\ufe0f",
    "1\ufe0f" + "1\u180e" * 9,
]


def test_no_line_makes_more_calls_because_it_is_long() -> None:
    safe_text(ZWJ)  # so that the table is made
    for piece in DEAR:
        assert calls_for(longest(piece)) < 60, ascii(piece)


@pytest.mark.parametrize(
    ("piece", "most"),
    [
        # Flags in a row: calls by sequence, not by character.
        ("🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f", 4096 // 28),
        ("🏴\U000e0067\U000e0062\U000e0073\U000e007f\U000e0067", 4096 // 24),
    ],
)
def test_flags_make_a_few_calls_each(piece: str, most: int) -> None:
    safe_text(longest(piece))
    assert calls_for(longest(piece)) < 60 + 4 * most


@pytest.mark.parametrize("count", [1, 40, 300])
def test_a_word_is_judged_the_same_however_often_it_stands_in_a_line(count: int) -> None:
    kept = [f"\u0647{ZWNJ}\u0647", f"क\u094d{ZWJ}", f"👩🏽{ZWJ}💻", "1\ufe0f", "\u1820\u180e\u1821"]
    for word in [*kept, *DEAR, *("".join((a, b)) for a in kept for b in DEAR)]:
        line = " ".join(["é", *[word] * count])
        assert safe_text(line) == " ".join(["é", *[safe_text(word)] * count]), ascii(word)


def test_random_lines_of_characters_with_rules_make_few_calls() -> None:
    chance = random.Random(12)
    parts = [
        *"ab 1#\0\x85Жस世葛☺👩🏽🏴ᠨ𐌰𑄳𝓐\u0647\u094d",
        *[ZWJ, ZWNJ, *"\ufe0f\ufe00\U000e0100\u180b\u180e\U000e0067\U000e0031\U000e007f"],
        *"\u0301\U0001d167\U00011013\u034f\u202e\u200b\ue000\ufdd0\U0001fffe\U000f0000",
    ]
    for _ in range(300):
        piece = "".join(
            chance.choice(parts) * chance.choice((1, 1, 2, 7))
            for _ in range(chance.randrange(1, 5))
        )
        assert calls_for(longest(piece)) < 60, ascii(piece)


def test_every_neighbour_of_a_joiner_is_judged_by_its_class() -> None:
    # A joiner between two characters of one kind is kept exactly if that kind joins.
    for number in (*range(0x80, 0xD800), *range(0x10000, 0x20000)):
        character = chr(number)
        if safe_text(character) == REPLACEMENT or 0x1820 <= number <= 0x18AA:
            continue
        shown = safe_text(f"{character}{ZWNJ}{character}")
        if shown[1] == ZWNJ:
            assert unicodedata.category(character)[0] in "LM", hex(number)
            assert safe_text(f"{character}{ZWJ}{character}")[1] == ZWJ, hex(number)


@pytest.mark.parametrize("wrong", [None, 3, b"Ann", b"\xff", bytearray(b"Ann"), ValueError("x")])
def test_what_is_not_text_is_refused_with_what_to_write_instead(wrong: object) -> None:
    with pytest.raises(TypeError, match=r"text must be a text: write safe_text\(str\(value\)\)"):
        safe_text(wrong)  # type: ignore[arg-type]
