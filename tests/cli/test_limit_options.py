"""Each limit is written once in the command line: in the table that the options come from."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.main import get_command
from typer.testing import CliRunner

from trionet import Limits, calc, chat
from trionet.cli.limit_options import LIMIT_OPTIONS, LimitOption, takes_limits
from trionet.cli.main import app
from trionet.limits import BOUNDS

DEFAULTS = {"calc": calc.ONE_AT_A_TIME, "chat": chat.OPEN_ROOM, "run": Limits()}
ROWS = [(service, row) for row in LIMIT_OPTIONS for service in row.services]
GUIDE = Path(__file__).parents[2] / "docs" / "operations.md"


def id_of(value: object) -> str:
    return value.option if isinstance(value, LimitOption) else str(value)


def serve_words(service: str) -> list[str]:
    """The words of a command that serves."""
    return ["run"] if service == "run" else [service, "serve"]


def serve_options(service: str) -> dict[str, Any]:
    """The options of a serve command, by the names of its parameters."""
    command: Any = get_command(app)
    found = command.commands[service]
    serve = found if service == "run" else found.commands["serve"]
    return {parameter.name: parameter for parameter in serve.params}


@pytest.mark.parametrize(("service", "row"), ROWS, ids=id_of)
def test_each_row_of_the_table_is_an_option_with_the_default_of_its_service(
    service: str, row: LimitOption
) -> None:
    option = serve_options(service)[row.name]
    assert (option.opts, option.metavar, option.help) == ([row.option], row.metavar, row.help)
    assert option.default == getattr(DEFAULTS[service], row.name, None)
    assert row.name in BOUNDS


@pytest.mark.parametrize("service", DEFAULTS)
def test_the_serve_commands_have_no_limits_but_those_of_the_table(service: str) -> None:
    limits = {
        name
        for name, option in serve_options(service).items()
        if getattr(option, "rich_help_panel", None) == "Limits"
    }
    assert limits == {row.name for row_service, row in ROWS if row_service == service}


def invoke(*words: str, table: tuple[LimitOption, ...]) -> tuple[Any, list[dict[str, Any]]]:
    """Run a command that has only the options of a table, and a flag of its own."""
    calls: list[dict[str, Any]] = []
    made_up = typer.Typer()

    @made_up.command()
    @takes_limits("calc", Limits(max_clients=7), table=table)
    def serve(loud: bool = False, *, limits: Limits, backlog: int | None = None) -> None:
        """Serve."""
        calls.append({"loud": loud, "limits": limits, "backlog": backlog})

    return CliRunner().invoke(made_up, words, env={"TERM": "dumb", "COLUMNS": "120"}), calls


LINGER = LimitOption("--linger", "linger_seconds", "SECONDS", "While closing.")
BACKLOG = LimitOption("--backlog", "backlog", "N", "Connections that wait.")


def test_a_new_row_of_the_table_is_a_new_option_with_its_help_and_default() -> None:
    result, _ = invoke("--help", table=(LINGER,))
    assert re.search(r"--linger +SECONDS +While closing. \[default: 2\]", result.stdout)


def test_a_new_row_of_the_table_sets_its_field_of_the_limits_and_no_other() -> None:
    result, calls = invoke("--linger", "3.5", "--loud", table=(LINGER,))
    assert result.exit_code == 0
    expected = replace(Limits(max_clients=7), linger_seconds=3.5)
    assert calls == [{"loud": True, "limits": expected, "backlog": None}]


def test_a_new_row_of_the_table_refuses_what_is_out_of_bounds() -> None:
    result, calls = invoke("--linger", "-1", table=(LINGER,))
    assert result.exit_code == 2
    assert "'-1' is neither 0 nor a number from 0.001" in result.stderr
    assert calls == []


def test_a_limit_that_is_not_a_field_of_the_limits_is_handed_over_by_itself() -> None:
    _, calls = invoke("--backlog", "5", table=(BACKLOG,))
    assert calls == [{"loud": False, "limits": Limits(max_clients=7), "backlog": 5}]


def test_a_service_has_only_the_options_in_rows_for_it() -> None:
    result, _ = invoke("--linger", "1", table=(LINGER._replace(services=("chat",)),))
    assert result.exit_code == 2
    assert "No such option" in result.stderr


def test_without_options_the_limits_are_the_defaults() -> None:
    _, calls = invoke(table=LIMIT_OPTIONS)
    assert calls == [{"loud": False, "limits": Limits(max_clients=7), "backlog": None}]


@pytest.mark.parametrize("row", LIMIT_OPTIONS, ids=id_of)
def test_the_operators_guide_tells_each_option_with_its_defaults(row: LimitOption) -> None:
    """`--backlog` has no default of its own: the guide gives the network's."""
    cells = rf"^\| `{row.option} {row.metavar}` \|(.*?)\|(.*?)\|(.*?)\|"
    line = re.search(cells, GUIDE.read_text(), re.MULTILINE)
    assert line is not None
    for cell, service in zip(line.groups(), DEFAULTS, strict=True):
        told = cell.strip().replace(",", "").replace("1 MiB", str(1 << 20))
        if service not in row.services:
            assert told == "—"
        elif row.name != "backlog":
            assert float(told) == getattr(DEFAULTS[service], row.name)


@pytest.mark.parametrize("service", DEFAULTS)
def test_help_with_its_defaults_loads_no_trio(service: str) -> None:
    program = (
        f"import sys; sys.argv[1:] = {[*serve_words(service), '--help']}\n"
        "try:\n    from trionet.cli.main import main; main()\n"
        "finally:\n    print(*sys.modules)"
    )
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=True
    )
    modules = run.stdout.splitlines()[-1].split()
    assert "trionet.limits" in modules
    assert not {"trio", "prompt_toolkit", "platformdirs"} & set(modules)
