"""What a member may be called, judged by the enforced form."""

from __future__ import annotations

import re
import subprocess
import sys
import unicodedata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from precis_i18n import get_profile

from trionet.chat import MAX_NAME, Name, NameRefused, NameTaken, parse_name
from trionet.chat.names.skeleton import skeleton
from trionet.text.safe import WHITE_SPACE, safe_text

NOWHERE = "!@,*?#&+%~$.:"
RESERVED = ("error", "q", "server", "you", "lobby")

# Four characters that the profile composes into one, so that an enforced name can be a quarter as
# long as what was typed.
COMPOSED = "\N{GREEK SMALL LETTER ALPHA WITH PSILI AND VARIA AND YPOGEGRAMMENI}"
DECOMPOSED = "α\N{COMBINING COMMA ABOVE}\N{COMBINING GRAVE ACCENT}\N{COMBINING GREEK YPOGEGRAMMENI}"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Ann", "Ann"),
        ("a", "a"),
        ("qq", "qq"),
        ("lobbyist", "lobbyist"),
        ("errors", "errors"),
        ("42", "42"),
        ("a/{b", "a/{b"),
        ("}|-", "}|-"),
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
        # With joiners that have an effect, and with as many marks as are allowed.
        ("می‌نا", "می‌نا"),
        ("क्‍ष", "क्‍ष"),
        ("x" + "\N{COMBINING RING BELOW}" * 8, "x" + "\N{COMBINING RING BELOW}" * 8),
    ],
)
def test_a_fit_name_is_shown_in_its_enforced_form_with_its_case(text: str, shown: str) -> None:
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
        ("Error", "nobody can be called Error"),
        ("SERVER", "nobody can be called SERVER"),
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
def test_an_unfit_name_is_refused_with_a_reason(text: str, reason: str) -> None:
    with pytest.raises(NameRefused) as caught:
        parse_name(text)
    assert str(caught.value) == reason
    assert not isinstance(caught.value, NameTaken)


def reason_for(text: str) -> str | None:
    """Why a name is refused; `None` if it is not."""
    try:
        parse_name(text)
    except NameRefused as refusal:
        return str(refusal)
    return None


def parse_shown(text: str) -> str:
    """The form in which a name would be shown."""
    return str(get_profile("UsernameCasePreserved").enforce(text))


@pytest.mark.parametrize("character", NOWHERE)
def test_characters_with_a_meaning_in_other_systems_are_refused_anywhere(character: str) -> None:
    wide = chr(ord(character) + 0xFEE0)
    for name in (f"a{character}b", f"ab{character}", f"a{wide}b"):
        assert reason_for(name) == f"a name cannot have a {character}"
    for name in (f"{character}ab", f"{wide}ab", character):
        assert reason_for(name) is not None


@pytest.mark.parametrize(
    "name",
    [
        # Cyrillic, Greek and Armenian letters, digits and capitals that look like others.
        *("еrror", "errоr", "Еrrоr", "еггог", "ERR0R", "ΕRROR", "err\u0585r", "errσr"),
        *("ԛ", "Ԛ", "զ", "ѕerver", "SЕRVER", "serѵer", "уou", "Υou", "Y0U", "γoυ"),
        *("Iobby", "1obby", "|obby", "l0bby", "lоbbу", "LОBBY", "Lobbγ"),
    ],
)
def test_a_name_that_looks_like_a_reserved_word_is_refused(name: str) -> None:
    assert reason_for(name) == f"nobody can be called {name}, which looks like a reserved word"


@pytest.mark.parametrize(
    "name",
    [
        *("ᴇʀʀᴏʀ", "ᴇrror", "ꞯ", "ꜱᴇʀᴠᴇʀ", "ʏᴏᴜ", "ʟobby"),
        # Small letters of Cherokee and Greek that are drawn as small capitals.
        *("ꭼrror", "ꭼꭱꭱoꭱ", "eꮢror", "seꭱver", "ꮮobby"),
        # Marks on or through the letters of a reserved word, of any script.
        *("ẹrror", "erroŕ", "errør", "err\u0335or", "q\u0323", "you\u0332", "yоu\u0332", "ḷobby"),
    ],
)
def test_neither_small_capitals_nor_marks_hide_a_reserved_word(name: str) -> None:
    shown = parse_shown(name)
    assert reason_for(name) == f"nobody can be called {shown}, which looks like a reserved word"


@pytest.mark.parametrize(
    "name", ["Łukasz", "O'Neil", "Zoë", "Ünal", "Søren", "ʀon", "Ọlá", "нan", "ꮳꮃꭹ", "ꭱꭼ"]
)
def test_marks_and_small_capitals_are_allowed_in_other_names(name: str) -> None:
    assert parse_name(name).shown == name


@pytest.mark.parametrize("word", RESERVED)
def test_a_reserved_word_with_one_letter_of_another_script_is_refused(word: str) -> None:
    twins = [chr(number) for number in range(0x80, 0x20000) if skeleton(chr(number)) in word]
    assert len(twins) > 20
    for twin in twins:
        name = word.replace(skeleton(twin), twin, 1)
        assert reason_for(name) is not None, ascii(name)


@pytest.mark.parametrize(
    "name",
    [
        *("𐌟", "𐌟𐌟𐌟", "𐌟𐌟𐌟Ann", "𐌟\u0301nn"),
        # Letters that are drawn as a star but are missing from the data.
        *("ᚼᚼᚼ", "ᛡᛡᛡ", "𒀭𒀭𒀭"),
    ],
)
def test_a_first_letter_that_looks_like_an_asterisk_is_refused(name: str) -> None:
    assert reason_for(name) == f"a name cannot begin with {name[0]}, which looks like a *"


@pytest.mark.parametrize("name", ["A𐌟", "ᛖᚼᛖ", "𒆠𒀭"])
def test_after_the_first_letter_a_look_alike_of_an_asterisk_is_allowed(name: str) -> None:
    assert parse_name(name).shown == name


@pytest.mark.parametrize(
    "name",
    [
        *("Bobꓽ", "Bobː", "ꓽ", "BobːAnn", "Аnnꓽ"),
        # Visargas, whether in the data or not, after a letter of another script or after none.
        *("Bobः", "Bobઃ", "Bobঃ", "Bobះ", "Bobး", "Зояः", "राम1ः", "राઃ", "আः"),
        "Annˑ\u0323",
        # Two characters that look like one: a dot with a dot above or below it.
        *(
            "Annꓸ\u0307",
            "Annꓸ\u0323\u0307",
            "Annꞏ\u0323",
            "Annᐧ\u0307\u0323",
            "Annˑ\u0323",
            "علی۰\u0307",
        ),
    ],
)
def test_a_character_that_looks_like_a_colon_is_refused(name: str) -> None:
    assert reason_for(name) == "a name cannot have what looks like a :"


@pytest.mark.parametrize(
    "name",
    [
        *("रामः", "रामँः", "राम्ः", "१ः", "રામઃ", "রামঃ", "ព្រះ", "ကး", "རཿ", "नमः_शिवाय"),
        # Look-alikes of characters that are refused only in their exact form.
        *("ノア", "علی۰", "ann۰", "ꓐꓸ", "ᐧᐃ", "ꓹa"),
    ],
)
def test_the_ordinary_spelling_of_a_script_is_allowed(name: str) -> None:
    assert parse_name(name).shown == name


@pytest.mark.parametrize(
    "character", ["\u0359", "\u20f0", "\U00013441", "\U00013442", "\U00016fe4"]
)
def test_combining_asterisks_and_blank_letters_are_refused(character: str) -> None:
    # Which rule refuses it depends on the Unicode version.
    assert reason_for(f"Ann{character}waves") == (
        f"a name cannot have the character U+{ord(character):04X}"
    )


def test_no_character_of_unicode_makes_a_name_that_looks_like_the_rooms_own_words() -> None:
    # A skeleton is made character by character, so only a character whose own skeleton has one of
    # these signs can bring the sign into a name's. Pairs of characters are in the tests above.
    signs = set("*:")
    found = 0
    for number in range(0x21, 0x40000):
        character = chr(number)
        drawn_as = skeleton(character)
        if signs.isdisjoint(drawn_as + skeleton(character.lower()) + skeleton(drawn_as.lower())):
            continue
        found += 1
        for text in (f"{character}ab", f"a{character}b", f"ab{character}", character):
            try:
                name = parse_name(text)
            except NameRefused:
                continue
            assert not any(one.startswith("*") or ":" in one for one in name.skeletons), ascii(text)
    assert found > 20


def test_a_visarga_is_allowed_only_after_letters_of_its_own_script() -> None:
    tried = 0
    for number in range(0x900, 0x12000):
        visarga = unicodedata.name(chr(number), "")
        script = visarga.partition(" SIGN ")[0]
        try:
            letter = unicodedata.lookup(f"{script} LETTER KA")
        except KeyError:
            continue
        if not visarga.endswith((" VISARGA", " BISAH", " WIGNYAN", " REAHMUK", " RNAM BCAD")):
            continue
        tried += 1
        assert parse_name(f"{letter}{chr(number)}").shown
        assert reason_for(f"k{chr(number)}") == "a name cannot have what looks like a :"
    assert tried > 20


def test_the_length_is_that_of_the_enforced_form() -> None:
    assert MAX_NAME == 32
    parse_name("e\N{COMBINING ACUTE ACCENT}" * 32)
    with pytest.raises(NameRefused, match="longer than 32"):
        parse_name("é" * 33)


@pytest.mark.parametrize("other", ["Ann", "ann", "ANN", "Ａｎｎ", " ann\t"])
def test_names_that_differ_only_in_case_or_width_are_one_name(other: str) -> None:
    assert parse_name(other).key == parse_name("Ann").key


@pytest.mark.parametrize(
    ("one", "other"),
    [("Ann", "аnn"), ("SCOPE", "ѕсоре"), ("bob", "Воb"), ("Bob", "B0B"), ("Ann", "ᴀɴɴ")],
)
def test_names_that_look_alike_have_different_keys_and_a_skeleton_in_common(
    one: str, other: str
) -> None:
    first, second = parse_name(one), parse_name(other)
    assert first.key != second.key
    assert first.skeletons & second.skeletons


def test_other_names_are_different() -> None:
    keys = {parse_name(text).key for text in ("Ann", "Anne", "Änn", "Bob", "Ann1", "Αnn")}
    assert len(keys) == 6


# Near misses: characters with a meaning on the wire, their look-alikes, and a few that are fine.
NEARLY = st.text(
    "aAnNq*＊:：/／{｛error ｅ\t\xa0\x1f\u2028é\N{COMBINING ACUTE ACCENT}1אـ", max_size=40
)
ANY = st.text(st.characters(exclude_categories=[]), max_size=40)


@settings(deadline=None, max_examples=250)
@given(text=st.one_of(NEARLY, ANY, st.text(st.characters(categories=["L", "N"]), max_size=12)))
@example("ｅｒｒｏｒ")
@example("ｑ")
def test_any_text_is_refused_or_is_a_name_that_cannot_be_mistaken_for_anything_else(
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
    assert name.key not in RESERVED
    assert not set(name.key) & {*NOWHERE, *WHITE_SPACE}
    assert name.shown.split() == [name.shown]
    assert safe_text(name.shown) == name.shown
    # Typing the name as it is shown gives the same name.
    assert parse_name(name.shown) == name


def test_judging_a_name_and_making_a_line_safe_import_nothing() -> None:
    # A server without free file descriptors could not import anything, and would refuse everybody.
    program = (
        "import sys\n"
        "from trionet.chat import NameRefused, parse_name\n"
        "from trionet.text.safe import safe_text\n"
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
def test_the_short_way_for_ascii_agrees_with_the_profiles(text: str) -> None:
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
            or re.sub("[I1|]", "l", text.replace("0", "O")).lower() in RESERVED
            or set(text) & set(NOWHERE)
            or text[0] in "*/{"
        )
    else:
        assert name.shown == shown
        assert name.key == enforced("UsernameCaseMapped", text)
