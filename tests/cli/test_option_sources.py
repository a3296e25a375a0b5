"""Options in files and in the environment, without a command."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trionet.cli.option_sources import (
    ConfigError,
    Key,
    VariableError,
    as_toml,
    check_tables,
    from_environment,
    from_file,
    read_file,
)

KEYS = {
    "max-line": Key(name="max-line", option="--max-line"),
    "quiet": Key(name="quiet", option="--quiet"),
    "color": Key(name="color", option="--color", negative="--no-color", is_switch=True),
    "web-host": Key(name="web-host", option="--web-host", is_list=True),
    "addresses": Key(name="addresses", option="", is_list=True),
}
KEYS["quiet"] = Key(name="quiet", option="--quiet", is_switch=True)
COMMAND = ["chat", "serve"]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("max-line = 100", ["--max-line=100"]),
        ("max-line = 0.5", ["--max-line=0.5"]),
        ('max-line = "100"', ["--max-line=100"]),
        ("quiet = true", ["--quiet"]),
        ("quiet = false", []),
        ("color = false", ["--no-color"]),
        ('web-host = ["a", "-b"]', ["--web-host=a", "--web-host=-b"]),
        ('web-host = "a"', ["--web-host=a"]),
        ("web-host = []", []),
        ('addresses = [":1", "unix:/a b"]', [":1", "unix:/a b"]),
    ],
)
def test_a_value_is_what_would_be_typed(line: str, words: list[str], tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(f"[chat.serve]\n{line}\n")
    (setting,) = from_file(read_file(file), COMMAND, KEYS).values()
    assert setting.words == words
    assert setting.source == str(file)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "[chat.serve]\nmax-lin = 1",
            "unknown key max-lin in .*: did you mean max-line",
        ),
        ("[chat.serve]\n--quiet = true", "unknown key --quiet in .*: did you mean quiet?"),
        ("[chat.serve]\nquiet = 1", "quiet in .* must be true or false, not 1"),
        ("[chat.serve]\nmax-line = true", "max-line in .* must be a number or a text, not true"),
        ("[chat.serve]\nmax-line = [1]", "max-line in .* is one value, not a list"),
        ("[chat.serve]\nmax-line = {a = 1}", "must be a number or a text, not a table"),
        ("[chat.serve]\nweb-host = [1, true]", "must be a list of texts, not true"),
        ("[chat]\nserve = 1", r"write a table \[chat.serve\], not serve = 1"),
        ("[[chat.serve]]", r"write a table \[chat.serve\], not serve = a list of tables"),
        ("[chat.serve]\nmax-line = 2026-01-01", "not a date or time without quotes"),
        ('[chat.serve]\nmax-line = "1\\u0000"', "max-line in .* must be a text without NUL"),
        # Deeper than Python's limit, even while Hypothesis has raised it for tests of its own.
        (f"[chat.serve]\nmax-line = {'[' * 100_000}{']' * 100_000}", "too deep to read"),
        (f"[chat.serve]\nmax-line = 1{'0' * 5000}", "exceeds the limit"),
        ("[chat.serve", "expected .* at the end of a table"),
        ("\n\n[x]\na = '\x00'", "line 4"),
    ],
)
def test_what_cannot_be_is_told_with_its_place(text: str, told: str, tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=told):
        from_file(read_file(file), COMMAND, KEYS)


def test_a_file_that_cannot_be_read_is_told_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read .*: no such file or directory"):
        from_file(read_file(tmp_path / "none"), COMMAND, KEYS)
    with pytest.raises(ConfigError, match=r"cannot read .*: is a directory"):
        from_file(read_file(tmp_path), COMMAND, KEYS)
    file = tmp_path / "latin"
    file.write_bytes(b"[chat.serve]\n# caf\xe9\n")
    with pytest.raises(ConfigError, match=r"latin is not UTF-8, at line 2"):
        from_file(read_file(file), COMMAND, KEYS)
    file.write_bytes(b"#" * (1 << 20) + b"\n")
    with pytest.raises(ConfigError, match=r"has more than 1048576 bytes"):
        from_file(read_file(file), COMMAND, KEYS)


def test_a_byte_order_mark_in_front_is_no_mistake(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_bytes(b"\xef\xbb\xbf[chat.serve]\nquiet = true\n")
    assert list(from_file(read_file(file), COMMAND, KEYS)) == ["quiet"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[chat.serv]\n", r"unknown table \[chat.serv\] in .*: did you mean chat.serve\?"),
        ("[cat.serve]\n", r"unknown table \[cat\]"),
        ("quiet = true\n", "is in no table"),
        ("chat = 5\n", "chat of .* must be a table, not 5"),
        ("run = 5\n", "run of .* must be a table, not 5"),
        ("[[chat]]\n", "chat of .* must be a table, not a list of tables"),
        ("[run.x]\n", None),
        ("[run]\n[chat.join]\n", None),
    ],
)
def test_tables_are_those_of_commands(text: str, told: str | None, tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(text)
    commands = [COMMAND, ["chat", "join"], ["run"]]
    if told is None:
        check_tables(read_file(file), commands)
    else:
        with pytest.raises(ConfigError, match=told):
            check_tables(read_file(file), commands)


def found(**variables: str) -> dict[str, Any]:
    environment = {f"TRIONET_CHAT_SERVE_{name}": text for name, text in variables.items()}
    others = {"PATH": "/", "TRIONET_PASSWORD": "x", "TRIONET_CHAT_JOIN_QUIET": "x"}
    settings = from_environment(COMMAND, KEYS, {**environment, **others})
    return {name: setting.words for name, setting in settings.items()}


def test_variables_of_the_command_are_read() -> None:
    assert found() == {}
    assert found(MAX_LINE="100") == {"max-line": ["--max-line=100"]}
    assert found(QUIET="Yes", COLOR="off") == {"quiet": ["--quiet"], "color": ["--no-color"]}
    assert found(WEB_HOST="a 'b c'") == {"web-host": ["--web-host=a", "--web-host=b c"]}
    assert found(MAX_LINE="") == {}


def test_variables_that_cannot_be_are_told_by_name() -> None:
    for name, text, told in (
        (
            "MAX_LINES",
            "1",
            "unknown variable TRIONET_CHAT_SERVE_MAX_LINES: did you mean .*MAX_LINE?",
        ),
        ("QUIET", "maybe", 'TRIONET_CHAT_SERVE_QUIET must be true or false, not "maybe"'),
        ("WEB_HOST", "'a", "TRIONET_CHAT_SERVE_WEB_HOST: no closing quotation"),
    ):
        with pytest.raises(VariableError, match=told):
            found(**{name: text})


@given(
    st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"))
    | st.lists(st.text(st.characters(codec="utf-8")))
)
def test_what_is_shown_can_be_copied_into_a_file(value: object) -> None:
    assert tomllib.loads(f"x = {as_toml(value)}") == {"x": value}
