"""Commands whose modules are loaded when one of them is asked for.

Without this, a program starts with the modules of all its commands.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_command, get_group

from trionet.cli.configurable_commands import App


class LoadedCommands(Mapping[str, Any]):
    """The commands of a group by their names; each is made when it is first asked for.

    Args:
        places: ``module:name`` of each: a `typer.Typer` for a group, a function for a command.
    """

    def __init__(self, places: Mapping[str, str]) -> None:
        self._places = places
        self._made: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._made:
            module, _, attribute = self._places[name].partition(":")
            found = getattr(import_module(module), attribute)
            if isinstance(found, typer.Typer):
                command: Any = get_group(found)
            else:
                alone = App(add_completion=False)
                alone.command(name)(found)
                command = get_command(alone)
            command.name = name
            self._made[name] = command
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


def loaded_group(places: Mapping[str, str]) -> type[TyperGroup]:
    """Return a kind of group with these commands and no others.

    Args:
        places: as `LoadedCommands` takes them.
    """

    class LoadedGroup(TyperGroup):
        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            self.commands = LoadedCommands(places)  # type: ignore[assignment]

    return LoadedGroup
