"""Read a line that begins with `/`, and guess which command a mistyped one may have meant.

The plain format's own commands are in `plain_commands.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from trionet.chat.formats.requests import Misunderstood, Request
from trionet.chat.formats.texts import repeated
from trionet.text.safe import WHITE_SPACE


class Command(NamedTuple):
    """A command of the plain format.

    Attributes:
        usage: how to write it: its name, then its arguments. A command whose usage is only a name
            takes no argument.
        help: what it does, for `/help`. If this is empty, the help does not show the command.
        read: makes a request from what follows the name and one space.
    """

    usage: str
    help: str
    read: Callable[[str], Request]

    @property
    def name(self) -> str:
        """What the line begins with, such as ``/me``."""
        return self.usage.partition(" ")[0]


def read_command(line: str, commands: Mapping[str, Command]) -> Request:
    """Read a line that begins with a single `/`.

    Args:
        line: the line, without trailing white space.
        commands: the commands by name.

    Raises:
        Misunderstood: there is no such command, its argument is missing, or it takes none.
    """
    name, _, argument = line.partition(" ")
    command = commands.get(name)
    if command is None:
        raise Misunderstood(_unknown(name, commands))
    arguments = command.usage.partition(" ")[2]
    if argument and not arguments:
        raise Misunderstood(f"{name} takes no argument")
    if not arguments or arguments.startswith("["):
        return command.read(argument)
    if not argument.strip(WHITE_SPACE):
        what = "a text" if arguments == "TEXT" else f"a {arguments.partition(' ')[0].lower()}"
        if " " in arguments:
            what += " and a text"
        raise Misunderstood(f"{name} needs {what}: {command.usage}")
    return command.read(argument if arguments.endswith("TEXT") else argument.strip(" \t"))


def _unknown(name: str, known: Iterable[str]) -> str:
    meant = nearest(name, known)
    hint = f"did you mean {meant}?" if meant else "try /help"
    return f"unknown command {repeated(name)} ({hint})"


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the one known name that a mistyped name may stand for.

    One letter may be wrong, missing, one too many, or swapped with the next. A name in another case
    is not a match: whoever writes `/WHO` has not mistyped, and the help shows how to write it.

    Returns:
        The name; ``None`` if no known name is near, or several are.

    >>> nearest("/jion", ["/join", "/who"])
    '/join'
    """
    near = [other for other in known if other != name.lower() and _is_near(name, other)]
    return near[0] if len(near) == 1 else None


def _is_near(one: str, other: str) -> bool:
    if abs(len(one) - len(other)) > 1:
        return False
    at = 0
    while at < min(len(one), len(other)) and one[at] == other[at]:
        at += 1
    here, there = one[at:], other[at:]
    return (
        here[1:] == there[1:]
        or here[1:] == there
        or here == there[1:]
        or (here[2:] == there[2:] and here[:2] == there[1::-1])
    )
