"""Commands, options and usage errors: what is checked before anything happens."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from trionet._version import __version__
from trionet.cli.main import app

if TYPE_CHECKING:
    from tests.cli.conftest import Programs

NO_NAME = "there is no terminal to ask for a name on: give one with --name"
ANN = ["--name", "ann"]


def invoke(*arguments: str) -> tuple[int, str, str]:
    """Run a command in this process; return its status, output and errors without frames."""
    result = CliRunner().invoke(app, arguments, env={"TERM": "dumb", "COLUMNS": "80"})
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    plain = re.sub(r"[│╭╮╰╯─]", "", result.stderr)
    return result.exit_code, result.stdout, " ".join(plain.split())


@pytest.fixture
def _not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail if a command runs in spite of a usage error."""

    def run(command: object) -> None:
        raise AssertionError(f"{command} is run")

    monkeypatch.setattr("trionet.cli.running.run", run)


def test_the_version_is_printed() -> None:
    assert invoke("--version") == (0, f"trionet {__version__}\n", "")


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ([], ["calc", "chat", "demo", "--version"]),
        (["calc"], ["serve", "connect", "eval"]),
        (["chat"], ["serve", "join"]),
        (["demo"], []),
        (
            ["calc", "serve"],
            ["ADDRESS", "--max-clients", "--once", "--backlog", "--precision", "--quiet", "22333"],
        ),
        (["calc", "connect"], ["ADDRESS", "--name", "--strict", "localhost:22333"]),
        (["calc", "eval"], ["EXPRESSION", "--precision", "standard input"]),
        (
            ["chat", "serve"],
            ["ADDRESS", "--forever", "--messages", "--backlog", "--quiet", "22223"],
        ),
        (["chat", "join"], ["ADDRESS", "--name", "--plain", "--linear", "localhost:22223"]),
    ],
    ids=" ".join,
)
def test_help_shows_commands_arguments_and_options(command: list[str], told: list[str]) -> None:
    status, output, errors = invoke(*command, "--help")
    assert (status, errors) == (0, "")
    for word in told:
        assert word in output, word


@pytest.mark.parametrize("command", [[], ["calc"], ["chat"]], ids=" ".join)
def test_without_a_command_help_is_shown(command: list[str]) -> None:
    status, output, errors = invoke(*command)
    assert status == 2
    assert "Usage: " in output + errors


@pytest.mark.usefixtures("_not_run")
@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["clac"], "No such command"),
        (["calc", "serve", "--no-such-option"], "No such option"),
        (["calc", "serve", "nowhere"], "'nowhere' is not an address: write HOST:PORT"),
        (["calc", "serve", "127.0.0.1:0", "localhost:x"], "the port must be a number"),
        (["chat", "serve", "localhost:70000"], "the port must be a number from 0 to 65535"),
        (["calc", "serve", "::1:0"], "write an IPv6 address in brackets"),
        (["chat", "serve", "unix:"], "the path is missing"),
        (["calc", "connect", *ANN, "nowhere"], "'nowhere' is not an address: write HOST:PORT"),
        (["chat", "join", *ANN, "[::1]"], "'[::1]' is not an address: write HOST:PORT"),
        (["calc", "connect", *ANN, "127.0.0.1:0"], "there is no port 0 to connect to"),
        (["chat", "join", *ANN, "[::1]:00"], "there is no port 0 to connect to"),
        (["calc", "serve", "--once", "--max-clients", "2"], "together with --max-clients"),
        (["calc", "serve", "--max-clients", "1", "--once"], "together with --max-clients"),
        (["calc", "serve", "--max-clients", "-1"], "--max-clients"),
        (["calc", "serve", "--backlog", "-1"], "--backlog"),
        (["chat", "serve", "--backlog", "many"], "--backlog"),
        (["calc", "serve", "--precision", "0"], "--precision"),
        (["calc", "serve", "--precision", "101"], "--precision"),
        (["calc", "connect"], f"Error {NO_NAME}"),
        (["chat", "join", "--plain"], f"Error {NO_NAME}"),
        (["chat", "join", *ANN, "--plain", "--linear"], "together with --plain"),
    ],
    ids=" ".join,
)
def test_a_wrong_command_line_is_a_usage_error(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], reason: str
) -> None:
    monkeypatch.setattr(os, "isatty", lambda _fd: False)
    status, output, errors = invoke(*arguments)
    assert (status, output) == (2, "")
    assert reason in errors
    assert "Usage: " in errors


@pytest.mark.parametrize(
    "arguments",
    [
        ["calc", "serve"],
        ["calc", "serve", ":0", "[::1]:0", "unix:here", "localhost:0"],
        ["calc", "serve", "--once", "--backlog", "0", "--precision", "100", "--quiet"],
        ["calc", "serve", "--max-clients", "0"],
        ["calc", "connect", *ANN],
        ["calc", "connect", *ANN, "--strict", ":22333"],
        ["calc", "connect", *ANN, "unix:here:0"],
        ["chat", "serve", "--forever", "--messages", "--backlog", "5", "--quiet"],
        ["chat", "join", *ANN, "--plain", "[::1]:1"],
        ["chat", "join", *ANN, "--linear"],
        ["demo"],
    ],
    ids=" ".join,
)
def test_a_correct_command_line_runs_the_command(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    commands: list[object] = []
    monkeypatch.setattr(
        "trionet.cli.running.run", lambda command, **_options: commands.append(command)
    )
    assert invoke(*arguments) == (0, "", "")
    assert len(commands) == 1


async def test_the_installed_program_runs(programs: Programs) -> None:
    program = await programs.start(
        "--version", interpreter=(str(Path(sys.executable).with_name("trionet")),)
    )
    await program.expect(f"trionet {__version__}")
    await program.expect_end()


async def test_usage_errors_of_the_real_program(programs: Programs) -> None:
    program = await programs.run("calc", "connect", real=True)
    errors = await program.within_patience(program.err.rest)
    assert "Traceback" not in errors
    assert "Usage: " in errors
    await program.expect_end(2)
