"""The `trionet` program: its groups of commands, and how it starts and ends.

Each command imports what it does only when it runs, so that help is quick.
"""

from __future__ import annotations

from typing import Annotated

import typer

from trionet._version import __version__
from trionet.cli.calc_commands import calc
from trionet.cli.chat_commands import chat
from trionet.cli.config_command import config
from trionet.cli.configurable_commands import App
from trionet.cli.health_command import health
from trionet.cli.run_command import run_target

app = App(
    name="trionet",
    help="A calculator and a chat for people on one network, and services of your own.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(calc, name="calc")
app.add_typer(chat, name="chat")
app.add_typer(config, name="config")


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


app.command("run")(run_target)
app.command("health")(health)


@app.command("demo")
def demo() -> None:
    """Show both services at work, on this machine alone, in a few seconds."""
    from trionet.cli.demo import show
    from trionet.cli.running import run

    run(show)


if __name__ == "__main__":
    main()
