"""Commands whose options may stand in a file or in the environment, too.

`App` is a `typer.Typer` whose commands are all of this kind. What `option_sources.py` finds for a
command is put in front of what was typed, so it has the same effect, the same checks and the same
messages; these say where it came from.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property, wraps
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, get_args

import typer
from typer.core import TyperCommand

from trionet.cli.option_sources import (
    ConfigError,
    Key,
    Setting,
    VariableError,
    check_tables,
    from_environment,
    from_file,
    read_file,
)

_CONFIG = inspect.Parameter(
    "config",
    inspect.Parameter.KEYWORD_ONLY,
    default=None,
    annotation=Annotated[
        Path | None,
        typer.Option("--config", metavar="FILE", help="A TOML file with options of commands."),
    ],
)

# Where a context keeps the settings that its command got.
_SETTINGS = "trionet.cli.configurable_commands"


class App(typer.Typer):
    """A program, or a group of its commands."""

    def command(self, name: str | None = None, **options: Any) -> Callable[[Any], Any]:
        """Return a decorator that makes a function a command; see `typer.Typer.command`."""
        make = super().command

        def decorate(function: Callable[..., None]) -> Any:
            configured = _takes_config(function)
            kind = {"function": staticmethod(configured)}
            cls = type("ConfiguredCommand", (ConfiguredCommand,), kind)
            return make(name, **{"cls": cls, **options})(configured)

        return decorate


def _texts_of(function: Callable[..., None]) -> frozenset[str]:
    """Return the parameters of a command that are texts, whatever they look like."""
    texts = set()
    for param in inspect.signature(function).parameters.values():
        kind, *notes = get_args(param.annotation) or (param.annotation,)
        kinds = {one for part in get_args(kind) or (kind,) for one in get_args(part) or (part,)}
        is_parsed = any(getattr(note, "parser", None) is not None for note in notes)
        if not is_parsed and kinds - {NoneType} and kinds <= {str, Path, NoneType}:
            texts.add(param.name)
    return frozenset(texts)


def _takes_config(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command the option ``--config``, which `ConfiguredCommand` reads."""

    @wraps(function)
    def without_config(**arguments: Any) -> None:
        del arguments["config"]
        function(**arguments)

    signature = inspect.signature(function, eval_str=True)
    parameters = [*signature.parameters.values(), _CONFIG]
    without_config.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    without_config.__annotations__ = {one.name: one.annotation for one in parameters}
    return without_config


class ConfiguredCommand(TyperCommand):
    """A command that takes options from a file and from the environment.

    Attributes:
        function: what it was made of.
    """

    function: Callable[..., None]

    @cached_property
    def keys(self) -> Mapping[str, Key]:
        """Its options and arguments by their names in a file, in their order."""
        # Help and the version need none.
        texts = _texts_of(self.function)
        keys = [_key_of(param, is_text=param.name in texts) for param in self.params]
        return {key.name: key for key in keys}

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read what was typed, after what a file and the environment say."""
        typed, _, _ = self.make_parser(ctx).parse_args(args=list(args))
        given = {name for name, value in typed.items() if _is_given(value)}
        if "help" in given:
            return list(super().parse_args(ctx, args))
        try:
            found = settings_of(ctx, typed.get("config"))
        except ConfigError as error:
            raise usage_error(error, ctx) from None
        names = dict(zip(self.keys, (param.name for param in self.params), strict=True))
        used = {names[key]: one for key, one in found.items() if names[key] not in given}
        ctx.meta[_SETTINGS] = used
        first: list[str] = []
        last: list[str] = []
        is_missing = False
        for param in self.params:
            setting = used.get(param.name)
            if param.param_type_name != "option":
                # After a missing argument, the next one would be taken for it.
                is_missing |= param.required and setting is None and param.name not in given
                if setting is not None and not is_missing:
                    last.extend(setting.words)
            elif setting is not None and param.name != "config":
                first.extend(setting.words)
        with _told_where(used):
            return list(super().parse_args(ctx, [*first, *args, *(["--", *last] if last else [])]))

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        with _told_where(ctx.meta.get(_SETTINGS, {})):
            return super().invoke(ctx)


def usage_error(error: ConfigError, ctx: Any) -> typer.BadParameter:
    """Return the usage error for a file or variable that cannot be used."""
    # A key in quotes can have anything in it.
    from trionet.text.safe import safe_text

    hint = None if isinstance(error, VariableError) else "--config"
    return typer.BadParameter(safe_text(str(error)), ctx, param_hint=hint)


def keys_of(command: Any) -> dict[str, Key]:
    """Return the keys of a command, without ``--help``."""
    return dict(command.keys)


def settings_of(ctx: Any, config: str | None = None) -> dict[str, Setting]:
    """Return what the environment and a file say of a command.

    Args:
        ctx: the command's context.
        config: the file; default: the environment may name one.

    Raises:
        ConfigError: something of it cannot be used.
    """
    command, keys = command_words(ctx), keys_of(ctx.command)
    found = from_environment(command, keys)
    if config is None and "config" in found:
        config = found["config"].value
    if config is None:
        return found
    file = read_file(Path(config))
    check_tables(file, (words for words, _ in all_commands(ctx.find_root())))
    del keys["config"]
    return {**from_file(file, command, keys), **found}


def is_typed(ctx: Any, name: str) -> bool:
    """Tell whether a parameter was typed: then everybody on the machine can see it.

    Args:
        ctx: the command's context.
        name: the parameter's name in Python.
    """
    source = ctx.get_parameter_source(name)
    is_given = source is not None and source.name != "DEFAULT"
    return is_given and name not in ctx.meta.get(_SETTINGS, {})


def command_words(ctx: Any) -> list[str]:
    """Return a command's words, without the program's name."""
    words: list[str] = []
    while ctx.parent is not None:
        words.insert(0, ctx.info_name)
        ctx = ctx.parent
    return words


def all_commands(root: Any) -> Iterator[tuple[list[str], Any]]:
    """Yield the words and the context of each command that can be configured."""
    for name, command in root.command.commands.items():
        ctx = type(root)(command, info_name=name, parent=root)
        if isinstance(command, ConfiguredCommand):
            yield command_words(ctx), ctx
        elif hasattr(command, "commands"):
            yield from all_commands(ctx)


def _key_of(param: Any, *, is_text: bool) -> Key:
    long = [option for option in param.opts if option.startswith("--")]
    option = long[0] if long and param.param_type_name == "option" else ""
    return Key(
        name=option[2:] if option else param.name.replace("_", "-"),
        option=option,
        negative=next(iter(getattr(param, "secondary_opts", ())), ""),
        is_switch=bool(getattr(param, "is_flag", False)),
        is_list=bool(getattr(param, "multiple", False)) or param.nargs == -1,
        is_text=is_text,
    )


def _is_given(value: object) -> bool:
    # Arguments that were not typed are in the list as well.
    return isinstance(value, bool | int | str) or (isinstance(value, list | tuple) and bool(value))


@contextmanager
def _told_where(settings: Mapping[str, Setting]) -> Iterator[None]:
    """Add to a usage error where the values that it is about came from."""
    try:
        yield
    except typer.BadParameter as error:
        about = error.param.name if error.param is not None else None
        # Options are known by their names. An error that names none is about the arguments.
        named = set(re.findall(r"--[a-z0-9-]+", f"{error.param_hint or ''} {error.message}"))
        places = [
            setting.where
            for name, setting in settings.items()
            if name == about
            or (about is None and _option_of(setting) in (named or {""}) and setting.words)
        ]
        if places:
            error.message = f"{error.message} ({', '.join(places)})"
        raise


def _option_of(setting: Setting) -> str:
    """Return the option that a setting is typed with; empty: it is an argument."""
    option = setting.words[0].partition("=")[0] if setting.words else ""
    return option if option.startswith("--") else ""
