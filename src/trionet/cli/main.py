"""The `trionet` program: its commands, and how it starts and ends.

A command's module is loaded when the command is asked for, and what it does when it runs.
"""

from __future__ import annotations

from typing import Annotated

import typer

from trionet._version import __version__
from trionet.cli.loaded_commands import loaded_group

COMMANDS = {
    "run": "trionet.cli.run_command:run_target",
    "health": "trionet.cli.health_command:health",
    "demo": "trionet.cli.demo_command:demo",
    "calc": "trionet.cli.calc_commands:calc",
    "chat": "trionet.cli.chat_commands:chat",
    "config": "trionet.cli.config_command:config",
}

app = typer.Typer(
    name="trionet",
    cls=loaded_group(COMMANDS),
    help="A calculator and a chat for people on one network, and services of your own.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def main() -> None:
    """Run the command line as the whole program."""
    from trionet.cli import end_quietly

    end_quietly()
    from trionet.cli.program_exit import Ended, exit_after_lost_output, open_missing_streams

    open_missing_streams()
    try:
        app()
    except Ended as end:
        end.end()
    except OSError as error:
        # Help, the version or a usage error could not be printed. Commands handle their own output.
        exit_after_lost_output(error)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"trionet {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    pass


if __name__ == "__main__":
    main()
