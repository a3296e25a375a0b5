"""What a word is: the ring finds what SQLite's full-text search finds."""

from __future__ import annotations

import sqlite3
import unicodedata

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from trionet.chat.history.words import Wanted, fold, words
from trionet.chat.state.events import Acted, Left, Said

# SQLite takes a text to its first NUL, and cannot encode halves of surrogate pairs.
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)
spaced = texts.filter(lambda text: not any(map(is_unspaced, text)))


def is_unspaced(character: str) -> bool:
    return len(words(character * 2)) == 2 or unicodedata.name(character, "").startswith(
        ("THAI", "LAO", "KHMER", "MYANMAR", "CJK", "HIRAGANA", "KATAKANA")
    )


class Index:
    """SQLite's own full-text search."""

    def __init__(self) -> None:
        self._at = sqlite3.connect(":memory:")
        self._at.execute(
            "CREATE VIRTUAL TABLE t USING fts5(x, tokenize='unicode61 remove_diacritics 0')"
        )
        self._at.execute("CREATE VIRTUAL TABLE v USING fts5vocab(t, 'instance')")

    def words(self, *given: str) -> list[list[str]]:
        self._at.execute("DELETE FROM t")
        self._at.executemany("INSERT INTO t (rowid, x) VALUES (?, ?)", enumerate(given))
        found: list[list[str]] = [[] for _ in given]
        for term, row in self._at.execute("SELECT term, doc FROM v ORDER BY doc, offset"):
            found[row].append(term)
        return found

    def has(self, text: str, wanted: list[str]) -> bool:
        self._at.execute("DELETE FROM t")
        self._at.execute("INSERT INTO t (x) VALUES (?)", [text])
        quoted = " ".join(f'"{word}"' for word in wanted)
        return bool(self._at.execute("SELECT 1 FROM t WHERE t MATCH ?", [quoted]).fetchall())


@pytest.fixture
def index() -> Index:
    try:
        return Index()
    except sqlite3.OperationalError:
        pytest.skip("this SQLite has no FTS5")


def test_every_character_of_unicode_is_part_of_a_word_where_sqlite_says_so(index: Index) -> None:
    points = [point for point in range(1, 0x110000) if not 0xD800 <= point < 0xE000]
    # Many in one text: a text for each would take a minute.
    parts = [points[start : start + 512] for start in range(0, len(points), 512)]
    texts = [" ".join([f"a{chr(point)}b" for point in part]) for part in parts]
    for text, theirs in zip(texts, index.words(*texts), strict=True):
        # Only a character that is a word of its own may differ.
        expected = [
            part
            for word in theirs
            for part in ([*word] if len(words(word[1:2] * 2)) == 2 else [word])
        ]
        assert words(text) == expected


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=spaced)
@example("ÀÉ ſ K ẞß İı Σσς ǅ e\u0301 \u0301a")
def test_the_words_of_a_text_are_those_that_sqlite_finds(index: Index, text: str) -> None:
    assert [words(text)] == index.words(text)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=spaced, query=spaced, part=st.booleans())
def test_a_text_matches_where_sqlite_finds_it(
    index: Index, text: str, query: str, part: bool
) -> None:
    text += " some words of it"
    query = query if part else f"{query} words".upper()
    wanted = words(query)
    assert Wanted(query).matches(text) == (bool(wanted) and index.has(text, wanted))


@pytest.mark.parametrize(
    ("text", "query", "matches"),
    [
        ("Hello World", "world", True),
        ("Hello World", "WORLD hello", True),
        ("Hello World", "wor", False),
        ("Hello, World!", "hello world?", True),
        ("naïve", "naive", False),
        ("NAÏVE", "naïve", True),
        ("東京タワーへ行く", "東京", True),
        ("東京タワーへ行く", "京東", False),
        ("京都と東", "東京", False),
        ("東京タワーへ行く", "行く 東京", True),
        ("สวัสดีครับ", "ครับ", True),
        ("ကျေးဇူး", "ဇူး", True),
        ("mixed漢字text", "text", True),
        ("mixed漢字text", "字text", True),
        ("one two", "...", False),
        ("one two", "", False),
    ],
)
def test_each_word_must_be_there_whole_and_characters_without_spaces_side_by_side(
    text: str, query: str, matches: bool
) -> None:
    assert Wanted(query).matches(text) is matches


def test_only_messages_match_each_text_of_a_run_by_itself() -> None:
    wanted = Wanted("beans")
    run = Said("lobby", 5, 1, 1, "Ann", ["beans", "peas", "Beans!"], [1, None, "x"], b"a")
    assert list(wanted.among(run)) == [
        Said("lobby", 7, 1, 1, "Ann", ["Beans!"], ["x"], b"a"),
        Said("lobby", 5, 1, 1, "Ann", ["beans"], [1], b"a"),
    ]
    act = Acted("lobby", 8, 1, 1, "Ann", "eats beans")
    assert list(wanted.among(act)) == [act]
    assert list(wanted.among(Left("lobby", 9, 1, 1, "beans", 1, "quit"))) == []


def test_a_name_is_compared_in_any_case() -> None:
    act = Acted("lobby", 8, 1, 1, "Änn", "eats beans")
    assert list(Wanted("beans", "änn").among(act)) == [act]
    assert list(Wanted("beans", "ann").among(act)) == []


@given(texts)
def test_folding_twice_changes_nothing_more(text: str) -> None:
    assert fold(fold(text)) == fold(text)
