"""Commands whose options stand in a file or in the environment: the same as if they were typed."""

from __future__ import annotations

import re
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.main import get_command
from typer.testing import CliRunner

from trionet.cli.configurable_commands import all_commands, is_typed, keys_of
from trionet.cli.main import app
from trionet.cli.option_sources import as_toml, variable_of

DOCS = Path(__file__).parents[2] / "docs"

# One of these is a value of any option.
SAMPLES: tuple[Any, ...] = (
    *(True, "2026-01-02T03:04:05Z", 7, 0.5, 1 << 20, "localhost:7000", "builds", "600"),
    *("text", "jsonl", "info", "/x", "a:b"),
)


@cache
def root() -> Any:
    command = get_command(app)
    return command.make_context("trionet", ["demo"])


COMMANDS = [tuple(words) for words, _ in all_commands(root())]
OPTIONS = [
    (words, key)
    for words, ctx in ((tuple(words), ctx) for words, ctx in all_commands(root()))
    for key in keys_of(ctx.command)
    if key != "config"
]


def parsed(words: tuple[str, ...], *args: str) -> dict[str, Any]:
    """Return the parameters of a command as it would get them."""
    (ctx,) = [ctx for found, ctx in all_commands(root()) if tuple(found) == words]
    try:
        made = ctx.command.make_context(ctx.info_name, [*args], parent=ctx.parent)
    except typer.BadParameter as error:
        if type(error).__name__ == "MissingParameter":
            pytest.skip("it cannot stand alone")
        raise
    return dict(made.params)


def needed(words: tuple[str, ...], key: str) -> list[str]:
    """Return what must be typed besides an option."""
    always = {
        ("chat", "send"): {"address": ["localhost:7000"], "name": ["--name=ci"]},
        ("chat", "tail"): {"address": ["localhost:7000"]},
        ("chat", "history"): {"file": ["x.db"]},
        ("calc", "eval"): {},
        ("run",): {"target": ["a:b"]},
    }
    others = always.get(words, {})
    return [word for name, typed in others.items() if name != key for word in typed]


@pytest.mark.parametrize(("words", "key"), OPTIONS, ids=lambda one: str(one))
def test_a_value_has_the_same_effect_wherever_it_stands(
    words: tuple[str, ...], key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (command,) = [ctx.command for found, ctx in all_commands(root()) if tuple(found) == words]
    spec = keys_of(command)[key]
    rest = needed(words, key)
    for value in SAMPLES:
        if isinstance(value, bool) != spec.is_switch:
            continue
        if spec.is_text and not isinstance(value, str):
            continue
        typed = spec.words([value] if spec.is_list else value, "")
        try:
            expected = parsed(words, *rest, *typed)
            break
        except typer.BadParameter:
            continue
    else:
        pytest.fail(f"no sample suits {key}: add one")
    file = tmp_path / "config.toml"
    file.write_text(f"[{'.'.join(words)}]\n{key} = {as_toml([value] if spec.is_list else value)}\n")
    # Only the command's own parameters: typer 0.26 has the file as a text.
    found = parsed(words, f"--config={file}", *rest)
    assert found | {"config": None} == expected
    monkeypatch.setenv(
        variable_of(words, key), str(value).lower() if spec.is_switch else str(value)
    )
    assert parsed(words, *rest) == expected


def test_what_is_typed_counts_before_the_environment_and_that_before_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "config.toml"
    file.write_text('[chat.serve]\nmax-line = 1\nrate = 2\nburst = 3\naddresses = [":1"]\n')
    monkeypatch.setenv("TRIONET_CHAT_SERVE_RATE", "20")
    monkeypatch.setenv("TRIONET_CHAT_SERVE_BURST", "30")
    monkeypatch.setenv("TRIONET_CHAT_SERVE_ADDRESSES", ":10 :11")
    monkeypatch.setenv("TRIONET_CHAT_SERVE_CONFIG", str(file))
    found = parsed(("chat", "serve"), "--burst", "300")
    assert [found[name] for name in ("max_line", "rate", "burst")] == [1, 20, 300]
    assert list(found["addresses"]) == [":10", ":11"]
    assert list(parsed(("chat", "serve"), ":100")["addresses"]) == [":100"]


def test_whether_it_was_typed_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIONET_CHAT_SERVE_RATE", "20")
    (ctx,) = [ctx for words, ctx in all_commands(root()) if words == ["chat", "serve"]]
    made = ctx.command.make_context("serve", ["--burst=3"], parent=ctx.parent)
    assert [is_typed(made, name) for name in ("rate", "burst", "max_line")] == [False, True, False]


def run(*words: str, **environment: str) -> Any:
    return CliRunner().invoke(app, words, env={"COLUMNS": "2000", "TERM": "dumb", **environment})


def test_a_wrong_value_is_told_with_its_place(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text('[chat.serve]\nmax-line = -1\n[chat.join]\nhighlight = [""]\n')
    told = run("chat", "serve", "--config", str(file))
    assert told.exit_code == 2
    assert f"(max-line in [chat.serve] of {file})" in told.stderr
    # Also where the command itself finds it.
    told = run("chat", "join", "--name", "Ann", "--config", str(file))
    assert told.exit_code == 2
    assert f"(highlight in [chat.join] of {file})" in told.stderr
    told = run("chat", "serve", TRIONET_CHAT_SERVE_MAX_LINE="many")
    assert told.exit_code == 2
    assert "(TRIONET_CHAT_SERVE_MAX_LINE)" in told.stderr
    told = run("chat", "serve", TRIONET_CHAT_SERVE_MAX_LIN="1")
    assert told.exit_code == 2
    assert "did you mean TRIONET_CHAT_SERVE_MAX_LINE?" in told.stderr


def test_every_value_that_an_error_is_about_is_told_with_its_place(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text("[calc.serve]\nmax-clients = 5\n")
    told = run("calc", "serve", "--once", "--config", str(file))
    assert told.exit_code == 2
    assert f"(max-clients in [calc.serve] of {file})" in told.stderr
    told = run("calc", "serve", "--config", str(file), TRIONET_CALC_SERVE_ONCE="1")
    assert told.exit_code == 2
    assert "TRIONET_CALC_SERVE_ONCE" in told.stderr
    assert f"max-clients in [calc.serve] of {file}" in told.stderr


def test_a_wrong_address_is_told_with_its_place(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text('[chat.serve]\naddresses = ["nonsense"]\nmax-line = 100\n')
    told = run("chat", "serve", "--config", str(file))
    assert told.exit_code == 2
    assert f"(addresses in [chat.serve] of {file})" in told.stderr
    told = run("chat", "tail", TRIONET_CHAT_TAIL_ADDRESS="nonsense")
    assert told.exit_code == 2
    assert "(TRIONET_CHAT_TAIL_ADDRESS)" in told.stderr
    # One that was typed has no other place.
    told = run("chat", "serve", "nonsense", "--config", str(file))
    assert told.exit_code == 2
    assert "addresses in" not in told.stderr


def test_an_argument_is_not_taken_for_a_missing_one_before_it(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text('[chat.send]\nname = "Ann"\ntext = "hello"\n[run]\naddresses = [":1"]\n')
    for words, missing in ((("chat", "send"), "ADDRESS"), (("run",), "MODULE:NAME")):
        told = run(*words, "--config", str(file))
        assert told.exit_code == 2
        assert f"Missing argument '{missing}'" in told.stderr
    # It need not stand in a file, so the others can be shown.
    shown = run("config", "show", "run", "--config", str(file))
    assert shown.exit_code == 0, shown.stderr
    assert f'addresses = [":1"]  # {file}' in shown.stdout


@pytest.mark.parametrize("mode", ["0o660", "660"])
def test_a_text_in_a_file_is_written_in_quotes(mode: str, tmp_path: Path) -> None:
    # The first is 432 for TOML, which would be another mode.
    file = tmp_path / "config.toml"
    file.write_text(f'[chat.serve]\naddresses = "unix:/x"\nunix-mode = {mode}\n')
    told = run("chat", "serve", "--config", str(file))
    assert told.exit_code == 2
    assert f"unix-mode in [chat.serve] of {file} must be a text: write it in quotes" in told.stderr
    file.write_text('[chat.serve]\naddresses = "unix:/x"\nunix-mode = "660"\n')
    shown = run("config", "show", "chat", "serve", "--config", str(file))
    assert f'unix-mode = "660"  # {file}' in shown.stdout


def test_no_key_changes_the_terminal(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text('[chat.serve]\n"\\u001b[31m" = 1\n')
    told = run("chat", "serve", "--config", str(file))
    assert told.exit_code == 2
    assert "\x1b" not in told.stderr


def test_the_help_tells_of_it() -> None:
    assert "--config" in run("calc", "eval", "--help").stdout


# config show


def test_what_holds_is_shown_with_its_source(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text('[chat.serve]\nmax-line = 100\naddresses = [":22223"]\n')
    shown = run(
        *("config", "show", "chat", "serve", "--config", str(file)),
        TRIONET_CHAT_SERVE_MAX_CLIENTS="50",
        TRIONET_CHAT_SERVE_QUIET="yes",
    )
    assert shown.exit_code == 0, shown.stderr
    lines = shown.stdout.splitlines()
    assert lines[0] == "[chat.serve]"
    for line in (
        f"max-line = 100  # {file}",
        f'addresses = [":22223"]  # {file}',
        "max-clients = 50  # TRIONET_CHAT_SERVE_MAX_CLIENTS",
        "quiet = true  # TRIONET_CHAT_SERVE_QUIET",
        "drain = 5  # default",
        'history = "memory"  # default',
        "# history-days is not set  # default",
    ):
        assert line in lines


@pytest.mark.parametrize(
    ("text", "shown"),
    [("007", '"007"'), ("1e5", '"1e5"'), ("7", '"7"'), ("nan", '"nan"'), ("Ann", '"Ann"')],
)
def test_a_name_of_digits_stays_what_it_is(text: str, shown: str) -> None:
    told = run("config", "show", "chat", "join", TRIONET_CHAT_JOIN_NAME=text)
    assert f"name = {shown}  # TRIONET_CHAT_JOIN_NAME" in told.stdout.splitlines()


def test_all_commands_are_shown() -> None:
    shown = run("config", "show")
    assert shown.exit_code == 0, shown.stderr
    tables = re.findall(r"^\[(.*)\]$", shown.stdout, re.MULTILINE)
    assert tables == [".".join(words) for words in COMMANDS]
    assert re.findall(r"^\[(.*)\]$", run("config", "show", "calc").stdout, re.MULTILINE) == [
        table for table in tables if table.startswith("calc.")
    ]


def test_what_the_command_would_refuse_is_refused(tmp_path: Path) -> None:
    told = run("config", "show", "chat", "serve", TRIONET_CHAT_SERVE_MAX_LINE="many")
    assert told.exit_code == 2
    assert "(TRIONET_CHAT_SERVE_MAX_LINE)" in told.stderr
    assert run("config", "show", "chat", "sevre").exit_code == 2
    assert run("config", "show", "--config", str(tmp_path / "none")).exit_code == 2


def test_the_example_of_the_docs_is_a_file_that_can_be_used(tmp_path: Path) -> None:
    text = (DOCS / "configuration.md").read_text(encoding="utf-8")
    example = re.search(r"```toml\n(.*?)```", text, re.DOTALL)
    assert example is not None
    file = tmp_path / "trionet.toml"
    file.write_text(example[1], encoding="utf-8")
    shown = run("config", "show", "--config", str(file))
    assert shown.exit_code == 0, shown.stderr
    assert f"max-clients = 500  # {file}" in shown.stdout


ABSURD = (
    *("true", "-1", "0", "1.5", "nan", "inf", "-inf", "1e308", f"1{'0' * 400}", "2026-01-01"),
    *('""', '" "', '"-"', '"--"', '"--help"', '"--quiet=1"', '"="', '"\\u0000"', '"\\u200b\\n"'),
    *(
        f'"{"x" * 70_000}"',
        '"٣"',
        "[]",
        "[[]]",
        "[{}]",
        "{}",
        '["", "\\u0000"]',
        '"[::1]:99999999"',
    ),
)


@pytest.mark.parametrize(("words", "key"), OPTIONS, ids=lambda one: str(one))
def test_an_absurd_value_is_taken_or_a_usage_error(
    words: tuple[str, ...], key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "config.toml"
    for text in ABSURD:
        file.write_text(f"[{'.'.join(words)}]\n{key} = {text}\n", encoding="utf-8")
        with suppress(typer.BadParameter):
            parsed(words, *needed(words, key), f"--config={file}")
    for value in (*(text.strip('"') for text in ABSURD if "\\" not in text), "\udcff", "'", "\\"):
        monkeypatch.setenv(variable_of(words, key), value)
        with suppress(typer.BadParameter):
            parsed(words, *needed(words, key))
