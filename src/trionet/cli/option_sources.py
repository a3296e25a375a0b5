"""Options that stand in a file or in the environment: find them, and say where they came from.

A file has a table for each command (`[chat.serve]`) and the options in it without their dashes; the
environment has `TRIONET_CHAT_SERVE_MAX_CLIENTS`. `configurable_commands.py` gives what is found
here to a command, as if it had been typed. So an option needs nothing but its own declaration.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# A file of all options is some kilobytes; whoever names a device by mistake is told so before
# memory is full.
_MOST_BYTES = 1 << 20

# How a switch may be written in the environment, where everything is text.
_SWITCHES = {
    **dict.fromkeys(("1", "true", "yes", "on"), True),
    **dict.fromkeys(("0", "false", "no", "off"), False),
}

# Options that are shown as `***`.
SECRETS = frozenset(("redis",))


class ConfigError(Exception):
    """A file cannot be used; the message says why, and what to write instead."""


class VariableError(ConfigError):
    """A variable cannot be used."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Key:
    """An option or argument of a command, as it stands in a file.

    Args:
        name: as it stands there, such as ``max-clients``.
        option: as it is typed, such as ``--max-clients``; empty: an argument, which is only typed.
        negative: as it is typed to switch it off; empty: it cannot be.
        is_switch: whether it takes no value.
        is_list: whether it can be repeated.
        is_text: whether it is a text even if it looks like a number. In a file, `0o660` is 432
            before anybody can see that it was octal.
    """

    name: str
    option: str
    negative: str = ""
    is_switch: bool = False
    is_list: bool = False
    is_text: bool = False

    def words(self, value: Any, where: str) -> list[str]:
        """Return what would be typed for a value.

        Args:
            value: as it stands in a file, or a text of the environment.
            where: for messages.

        Raises:
            ConfigError: the value is of the wrong kind.
        """
        if self.is_switch:
            if not isinstance(value, bool):
                raise ConfigError(f"{where} must be true or false, not {_shown(value)}")
            return [self.option] if value else [self.negative] if self.negative else []
        values = value if isinstance(value, list) else [value]
        if isinstance(value, list) and not self.is_list:
            raise ConfigError(f"{where} is one value, not a list")
        for one in values:
            if isinstance(one, bool) or not isinstance(one, str | int | float):
                kind = "a text" if self.is_text else "a number or a text"
                kind = "a list of texts" if self.is_list else kind
                raise ConfigError(f"{where} must be {kind}, not {_shown(one)}")
            if self.is_text and not isinstance(one, str):
                raise ConfigError(f"{where} must be a text: write it in quotes")
        texts = [one if isinstance(one, str) else repr(one) for one in values]
        if any("\0" in text for text in texts):
            # Nobody can type one, so no command expects it.
            raise ConfigError(f"{where} must be a text without NUL")
        return [f"{self.option}={text}" for text in texts] if self.option else texts


@dataclass(frozen=True, kw_only=True, slots=True)
class Setting:
    """A value that was found.

    Args:
        value: as it stands in the file, or what the variable means.
        source: the file, or the variable.
        where: the same for messages, with the table and key.
        words: what would be typed for it.
    """

    value: Any
    source: str
    where: str
    words: Sequence[str]


def variable_of(command: Sequence[str], key: str = "") -> str:
    """Return the name of a variable.

    >>> variable_of(["chat", "serve"], "max-clients")
    'TRIONET_CHAT_SERVE_MAX_CLIENTS'
    """
    return "_".join(["trionet", *command, key]).replace("-", "_").upper()


def from_environment(
    command: Sequence[str],
    keys: Mapping[str, Key],
    environment: Mapping[str, str] = os.environ,
) -> dict[str, Setting]:
    """Return what the environment sets of a command.

    Args:
        command: its words, such as ``["chat", "serve"]``.
        keys: its options by their names in a file.
        environment: the variables. Those that are empty are taken for not set.

    Raises:
        VariableError: a variable of this command is unknown, or of the wrong kind.
    """
    known = {variable_of(command, name): key for name, key in keys.items()}
    prefix = variable_of(command)
    found = {}
    for variable, text in environment.items():
        if not variable.startswith(prefix):
            continue
        if (key := known.get(variable)) is None:
            raise VariableError(f"unknown variable {variable}{_hint(variable, known)}")
        if text:
            found[key.name] = _from_text(key, variable, text)
    return found


def _from_text(key: Key, variable: str, text: str) -> Setting:
    value: Any = text
    if key.is_switch:
        value = _SWITCHES.get(text.strip().lower())
        if value is None:
            raise VariableError(f"{variable} must be true or false, not {_shown(text)}")
    elif key.is_list:
        import shlex

        try:
            value = shlex.split(text)
        except ValueError as error:
            raise VariableError(f"{variable}: {str(error).lower()}") from None
    words = key.words(value, variable)
    return Setting(value=value, source=variable, where=variable, words=words)


@dataclass(frozen=True, kw_only=True, slots=True)
class ConfigFile:
    """A file, as it was read.

    Args:
        path: where it is.
        tables: what is in it.
    """

    path: Path
    tables: Mapping[str, Any]

    def __str__(self) -> str:
        return str(self.path)


def from_file(
    file: ConfigFile, command: Sequence[str], keys: Mapping[str, Key]
) -> dict[str, Setting]:
    """Return what a file sets of a command.

    Args:
        file: the file; tables of other commands in it do not matter.
        command: the words of the command.
        keys: its options by their names in the file.

    Raises:
        ConfigError: a key of this command is unknown, or a value is of the wrong kind.
    """
    table: Any = file.tables
    name = ".".join(command)
    for word in command:
        table = table.get(word, {})
        if not isinstance(table, dict):
            raise ConfigError(f"{file}: write a table [{name}], not {word} = {_shown(table)}")
    found = {}
    for entry, value in table.items():
        where = f"{entry} in [{name}] of {file}"
        if (key := keys.get(entry)) is None:
            meant = entry.lstrip("-").replace("_", "-")
            raise ConfigError(f"unknown key {where}{_hint(meant, keys)}")
        found[entry] = Setting(
            value=value, source=str(file), where=where, words=key.words(value, where)
        )
    return found


def check_tables(file: ConfigFile, commands: Iterable[Sequence[str]]) -> None:
    """Check that all tables of a file are those of commands.

    Raises:
        ConfigError: one is not.
    """
    known = {".".join(command) for command in commands}
    groups = {name.rpartition(".")[0] for name in known} - {""}
    for name, table in file.tables.items():
        if not isinstance(table, dict):
            if name in groups or name in known:
                raise ConfigError(f"{name} of {file} must be a table, not {_shown(table)}")
            raise ConfigError(f"{name} of {file} is in no table: write [chat.serve] above it")
        inner = [f"{name}.{key}" for key in table] if name in groups else [name]
        for table_name in inner:
            if table_name not in known:
                hint = _hint(table_name, [*known])
                raise ConfigError(f"unknown table [{table_name}] in {file}{hint}")


def read_file(file: Path) -> ConfigFile:
    """Read a file.

    Raises:
        ConfigError: it cannot be read, or is not TOML.
    """
    import tomllib

    from trionet.errors import system_reason

    try:
        with file.open("rb") as opened:
            content = opened.read(_MOST_BYTES + 1)
        if len(content) > _MOST_BYTES:
            raise ConfigError(f"{file} has more than {_MOST_BYTES} bytes")
        # Some editors on Windows put a byte order mark in front.
        return ConfigFile(path=file, tables=tomllib.loads(content.decode("utf-8-sig")))
    except OSError as error:
        raise ConfigError(f"cannot read {file}: {system_reason(error)}") from None
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ConfigError(f"{file} is not UTF-8, at line {line}") from None
    except RecursionError:
        raise ConfigError(f"{file} has values within values, too deep to read") from None
    except ValueError as error:
        # A name with a NUL, or a text that is not TOML.
        raise ConfigError(f"{file}: {str(error)[:1].lower()}{str(error)[1:]}") from None


def as_toml(value: Any) -> str:
    """Return a value as it stands in a file."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(as_toml, value))}]"
    escaped = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in escaped) + '"'


def _shown(value: Any) -> str:
    # Only mistakes need it.
    from datetime import date, time

    if isinstance(value, dict):
        return "a table"
    if isinstance(value, date | time):
        return "a date or time without quotes"
    if isinstance(value, list) and any(isinstance(one, dict) for one in value):
        return "a list of tables"
    text = as_toml(value)
    return text if len(text) <= 40 else f"{text[:40]}…"


def _hint(name: str, known: Iterable[str]) -> str:
    # Only mistakes need it.
    from difflib import get_close_matches

    near = get_close_matches(name, [*known], 1, 0.5)
    return f": did you mean {near[0]}?" if near else ""
