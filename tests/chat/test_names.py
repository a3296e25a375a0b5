"""What a member can be called, judged on the enforced form."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from precis_i18n import get_profile

from trionet.chat import MAX_NAME, Name, NameRefused, NameTaken, parse_name
from trionet.text import WHITE_SPACE, safe_text

# Four characters that the profile composes to one, so that an enforced name can be short of what
# was typed by three in four.
COMPOSED = "\N{GREEK SMALL LETTER ALPHA WITH PSILI AND VARIA AND YPOGEGRAMMENI}"
DECOMPOSED = "α\N{COMBINING COMMA ABOVE}\N{COMBINING GRAVE ACCENT}\N{COMBINING GREEK YPOGEGRAMMENI}"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Ann", "Ann"),
        ("a", "a"),
        ("Q", "Q"),
        ("qq", "qq"),
        ("Error", "Error"),
        ("errors", "errors"),
        ("42", "42"),
        ("a*/{b", "a*/{b"),
        ("}|!", "}|!"),
        ("Zoë", "Zoë"),
        ("Zoe\N{COMBINING DIAERESIS}", "Zoë"),
        ("東京", "東京"),
        ("Ａｎｎ", "Ann"),
        ("דנה", "דנה"),
        (" \tAnn\t ", "Ann"),
        ("a" * 32, "a" * 32),
        (" " * 200 + "a" * 32 + " " * 200, "a" * 32),
        ("ß" * 32, "ß" * 32),
        (DECOMPOSED * 32, COMPOSED * 32),
        # With joiners that are seen, and with as many marks as there may be.
        ("می‌نا", "می‌نا"),
        ("क्‍ष", "क्‍ष"),
        ("x" + "\N{COMBINING RING BELOW}" * 8, "x" + "\N{COMBINING RING BELOW}" * 8),
    ],
)
def test_a_fit_name_is_shown_as_it_is_enforced_with_its_case(text: str, shown: str) -> None:
    name = parse_name(text)
    assert name.shown == str(name) == shown


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "the name is empty"),
        (" \t ", "the name is empty"),
        ("a" * 33, "the name is longer than 32 characters"),
        ("a" * 4096, "the name is longer than 32 characters"),
        (DECOMPOSED * 33, "the name is longer than 32 characters"),
        ("Ann B", "a name cannot have white space"),
        ("Ann\tB", "a name cannot have the character U+0009"),
        ("Ann\xa0B", "a name cannot have the character U+00A0"),
        ("\u3000", "a name cannot have the character U+3000"),
        ("Ann\u2028", "a name cannot have the character U+2028"),
        ("Ann:", "a name cannot have a :"),
        (":", "a name cannot have a :"),
        ("Ann：", "a name cannot have a :"),
        ("***", "a name cannot begin with *"),
        ("*Ann", "a name cannot begin with *"),
        ("＊Ann", "a name cannot begin with *"),
        ("＊＊＊", "a name cannot begin with *"),
        ("/who", "a name cannot begin with /"),
        ("／who", "a name cannot begin with /"),
        ("//who", "a name cannot begin with /"),
        ("{}", "a name cannot begin with {"),
        ("｛｝", "a name cannot begin with {"),
        ("error", "nobody can be called error"),
        ("ｅｒｒｏｒ", "nobody can be called error"),
        ("q", "nobody can be called q"),
        ("ｑ", "nobody can be called q"),
        ("a\0", "a name cannot have the character U+0000"),
        ("a\x1b[2J", "a name cannot have the character U+001B"),
        ("a\x7f", "a name cannot have the character U+007F"),
        ("a\u200b", "a name cannot have the character U+200B"),
        ("a\u202e", "a name cannot have the character U+202E"),
        ("\N{SOFT HYPHEN}", "a name cannot have the character U+00AD"),
        ("😀", "a name cannot have the character U+1F600"),
        ("a\udc80", "a name cannot have the character U+DC80"),
        ("אa", "a name cannot mix its directions of writing like this"),
        ("\N{COMBINING ACUTE ACCENT}nn", "a name cannot begin with a combining mark"),
        ("\N{DEVANAGARI SIGN VISARGA}क", "a name cannot begin with a combining mark"),
        ("x" + "\N{COMBINING RING BELOW}" * 9, "a name cannot have the character U+0325 there"),
        ("a\N{HANGUL FILLER}", "a name cannot have the character U+3164"),
        ("a\N{VARIATION SELECTOR-16}", "a name cannot have the character U+FE0F"),
        ("a\N{COMBINING GRAPHEME JOINER}b", "a name cannot have the character U+034F"),
        ("a\N{ZERO WIDTH JOINER}b", "a name cannot have the character U+200D"),
        ("𝐀nn", "a name cannot have the character U+1D400"),
    ],
)
def test_an_unfit_name_is_refused_with_its_reason(text: str, reason: str) -> None:
    with pytest.raises(NameRefused) as caught:
        parse_name(text)
    assert str(caught.value) == reason
    assert not isinstance(caught.value, NameTaken)


def test_the_length_is_that_of_the_enforced_form() -> None:
    assert MAX_NAME == 32
    parse_name("e\N{COMBINING ACUTE ACCENT}" * 32)
    with pytest.raises(NameRefused, match="longer than 32"):
        parse_name("é" * 33)


@pytest.mark.parametrize("other", ["Ann", "ann", "ANN", "Ａｎｎ", " ann\t"])
def test_names_that_only_differ_in_case_or_width_are_one_name(other: str) -> None:
    assert parse_name(other).key == parse_name("Ann").key


@pytest.mark.parametrize(
    ("one", "other"), [("Ann", "аnn"), ("SCOPE", "ѕсоре"), ("bob", "Воb"), ("Bob", "B0B")]
)
def test_names_that_look_alike_have_another_key_and_a_look_in_common(one: str, other: str) -> None:
    first, second = parse_name(one), parse_name(other)
    assert first.key != second.key
    assert first.looks & second.looks


def test_other_names_are_other_names() -> None:
    keys = {parse_name(text).key for text in ("Ann", "Anne", "Änn", "Bob", "Ann1", "Αnn")}
    assert len(keys) == 6


# What comes close: all that means something on the wire, its look-alikes, and a few that fit.
NEARLY = st.text(
    "aAnNq*＊:：/／{｛error ｅ\t\xa0\x1f\u2028é\N{COMBINING ACUTE ACCENT}1אـ", max_size=40
)
ANY = st.text(st.characters(exclude_categories=[]), max_size=40)


@settings(deadline=None, max_examples=250)
@given(text=st.one_of(NEARLY, ANY, st.text(st.characters(categories=["L", "N"]), max_size=12)))
@example("ｅｒｒｏｒ")
@example("ｑ")
def test_any_text_is_either_refused_or_a_name_that_can_be_taken_for_nothing_else(
    text: str,
) -> None:
    name: Name | None = None
    try:
        name = parse_name(text)
    except NameRefused as refusal:
        reason = str(refusal)
    if name is None:
        assert len(reason.splitlines()) == 1
        assert safe_text(reason) == reason
        return
    assert 1 <= len(name.shown) <= 32
    assert name.shown[0] not in "*/{"
    assert name.shown not in ("error", "q")
    assert not set(name.shown) & {":", *WHITE_SPACE}
    assert name.shown.split() == [name.shown]
    assert safe_text(name.shown) == name.shown
    # Who types what everyone sees gets the same name.
    assert parse_name(name.shown) == name


def test_nothing_is_imported_when_a_name_is_judged_or_a_line_made_safe() -> None:
    # A server that is out of file descriptors could not, and would turn everybody away.
    program = (
        "import sys\n"
        "from trionet.chat import NameRefused, parse_name\n"
        "from trionet.text import safe_text\n"
        "before = set(sys.modules)\n"
        "parse_name('аnn'), parse_name('דנה')\n"
        "try: parse_name('אa')\n"
        "except NameRefused: pass\n"
        "safe_text('می\\u200cخواهم \\u202e')\n"
        "print(sorted(set(sys.modules) - before))"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert run.stdout == "[]\n", run.stderr


@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7F), min_size=1, max_size=40))
def test_the_short_way_for_ascii_comes_to_what_the_profiles_say(text: str) -> None:
    def enforced(profile: str, text: str) -> str | None:
        try:
            return str(get_profile(profile).enforce(text))
        except UnicodeEncodeError:
            return None

    text = text.strip()
    shown = enforced("UsernameCasePreserved", text) if text else None
    try:
        name = parse_name(text)
    except NameRefused:
        assert (
            shown is None
            or len(text) > 32
            or text in ("error", "q")
            or ":" in text
            or text[0] in "*/{"
        )
    else:
        assert name.shown == shown
        assert name.key == enforced("UsernameCaseMapped", text)
