"""The `trionet config show` command: which options hold, and where each came from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from trionet.cli.configurable_commands import (
    all_commands,
    command_words,
    keys_of,
    settings_of,
    usage_error,
)
from trionet.cli.option_sources import SECRETS, ConfigError, Setting, as_toml

config = typer.Typer(help="Options in files and in the environment.", no_args_is_help=True)


@config.command("show")
def config_show(
    context: typer.Context,
    command: Annotated[
        list[str] | None,
        typer.Argument(metavar="[COMMAND]...", help="Such as `chat serve`; default: all."),
    ] = None,
    config_file: Annotated[
        Path | None,
        typer.Option("--config", metavar="FILE", help="A TOML file with options."),
    ] = None,
) -> None:
    """Print the options that hold for a command: from a file, the environment, or by default."""
    root = context.find_root()
    commands = {tuple(words): ctx for words, ctx in all_commands(root)}
    wanted = tuple(command or ())
    chosen = {words: ctx for words, ctx in commands.items() if words[: len(wanted)] == wanted}
    if not chosen:
        names = ", ".join(" ".join(words) for words in commands)
        raise typer.BadParameter(f"there is no such command; there are {names}", context)
    try:
        file = None if config_file is None else str(config_file)
        found = [(ctx, settings_of(ctx, file)) for ctx in chosen.values()]
    except ConfigError as error:
        raise usage_error(error, context) from None
    for ctx in chosen.values():
        _check(ctx, file)
    for index, (ctx, settings) in enumerate(found):
        if index:
            typer.echo()
        typer.echo(f"[{'.'.join(command_words(ctx))}]")
        for line in _lines(ctx, settings):
            typer.echo(line)


def _lines(ctx: Any, settings: dict[str, Setting]) -> list[str]:
    lines = []
    for param, (key, declared) in zip(
        ctx.command.params, keys_of(ctx.command).items(), strict=True
    ):
        setting = settings.get(key)
        if key == "config" and setting is None:
            continue
        if setting is not None:
            value, source = setting.value, setting.source
            if isinstance(value, str) and not declared.is_text:
                value = _number(value)
        else:
            value, source = param.get_default(ctx), "default"
            value = getattr(value, "value", value)
        if value is None:
            lines.append(f"# {key} is not set  # {source}")
        else:
            shown = '"***"' if key in SECRETS else as_toml(value)
            lines.append(f"{key} = {shown}  # {source}")
    return lines


def _check(ctx: Any, config_file: str | None) -> None:
    """Check all values as the command would."""
    args = [] if config_file is None else [f"--config={config_file}"]
    try:
        ctx.command.make_context(ctx.info_name, args, parent=ctx.parent)
    except typer.BadParameter as error:
        # A file need not have the arguments that must be typed.
        if type(error).__name__ != "MissingParameter":
            raise


def _number(text: str) -> Any:
    """Return a text of the environment as a number, if the number is written exactly like it.

    In quotes it means the same in a file.
    """
    for kind in (int, float):
        try:
            number = kind(text)
        except ValueError:
            continue
        if repr(number) == text:
            return number
    return text
