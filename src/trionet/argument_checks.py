"""Refuse misuse of the toolkit at the call, and say what to write instead.

Without these checks a wrong argument would fail late, at the first peer, or not at all. Every
public entry point calls them, so the same mistake gets the same answer everywhere. A wrong type is
a ``TypeError``, a wrong value a ``ValueError``. `trionet.type_checks` has the check for a single
type, and `trionet.function_checks` those for functions.

Nothing here is called for each line or each peer.
"""

from __future__ import annotations

import enum
import itertools
import re
from collections.abc import AsyncIterable, Iterable, Sequence
from inspect import iscoroutinefunction

from trionet.limits import BOUNDS, Limits
from trionet.type_checks import check_kind as check_kind
from trionet.type_checks import check_kinds as check_kinds
from trionet.type_checks import shown as shown

# Permissions alone: the kernel ignores the bits above them on a socket.
MAX_UNIX_MODE = 0o777


def check_limits(limits: object) -> None:
    """Refuse limits that are not a `Limits`, such as a dictionary.

    Raises:
        TypeError: they are not.
    """
    if isinstance(limits, dict):
        inside = ", ".join(f"{name}={shown(value)}" for name, value in limits.items())
        raise TypeError(f"limits must be a Limits: write trionet.Limits({inside})")
    check_kind("limits", limits, Limits, hint="trionet.Limits(max_clients=100)")


def check_backlog(backlog: object) -> None:
    """Refuse a backlog that is neither ``None`` nor the length of a queue.

    Raises:
        TypeError: it is not a whole number.
        ValueError: it is out of bounds.
    """
    if backlog is not None:
        BOUNDS["backlog"].check("backlog", backlog)


def check_choice(name: str, value: object, choices: type[enum.Enum]) -> None:
    """Refuse a value that is not a member of an enumeration; a member's name or value is not one.

    Raises:
        TypeError: it is not a member.
    """
    if not isinstance(value, choices):
        named = " or ".join(f"{choices.__name__}.{choice.name}" for choice in choices)
        raise TypeError(f"{name} must be {named}, not {shown(value)}")


def check_box(box: object) -> None:
    """Refuse a box that takes no lines.

    Raises:
        TypeError: it has no ``put``, or an async one, which nothing would await.
    """
    if isinstance(box, type):
        raise TypeError(f"a member must be an object, not the class: {shown(box)}")
    put = getattr(box, "put", None)
    if iscoroutinefunction(put):
        raise TypeError(f"put must be an ordinary function, not async: {shown(box)}")
    if not callable(put):
        raise TypeError(
            "a member must have put(lines): write hub.add(connection.outbox, encode), "
            f"not {shown(box)}"
        )


def check_topics(name: str, topics: object) -> None:
    """Refuse topics that are not several values; one text would count as its characters.

    Raises:
        TypeError: they are a single value, or one of them cannot be a topic.
    """
    if isinstance(topics, str | bytes) or not isinstance(topics, Iterable):
        raise TypeError(f"{name} must be a set of topics: write {name}={{{shown(topics)}}}")
    for topic in topics:
        check_topic("a topic", topic)


def check_topic(name: str, topic: object) -> None:
    """Refuse what cannot be a topic: ``None``, which means everyone, and what cannot be hashed.

    Raises:
        TypeError: it cannot be one.
    """
    try:
        hash(topic)
    except TypeError:
        pass
    else:
        if topic is not None:
            return
    raise TypeError(f"{name} must be hashable, such as a text, and not None: not {shown(topic)}")


def check_stream(stream: object, *, methods: Sequence[str]) -> None:
    """Refuse a stream that lacks a method.

    Args:
        stream: what a user passed.
        methods: what it must have.

    Raises:
        TypeError: it lacks one of them.
    """
    for method in methods:
        if not hasattr(stream, method):
            raise TypeError(f"a stream must have {method}(): {shown(stream)} has none")


def check_lines_to_send(name: str, value: object) -> None:
    """Refuse a source of lines that ``async for`` cannot read.

    Raises:
        TypeError: it is something else, such as a list.
    """
    if not isinstance(value, AsyncIterable):
        raise TypeError(
            f"{name} must be an async iterable, such as an async generator, not {shown(value)}"
        )


def check_flag(name: str, value: object) -> None:
    """Refuse a flag that is neither ``True`` nor ``False``.

    Raises:
        TypeError: it is something else, such as the text ``"no"``, which would count as true.
    """
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be True or False, not {shown(value)}")


def check_numbers(numbers: object) -> None:
    """Refuse what cannot number connections: it must be whole numbers that never end.

    Raises:
        TypeError: it is something else than an `itertools.count` of whole numbers.
    """
    if not isinstance(numbers, itertools.count) or not re.fullmatch(
        r"count\(\d+(, \d+)?\)", repr(numbers)
    ):
        raise TypeError(f"numbers must be itertools.count(1), not {shown(numbers)}")


def check_seconds(name: str, value: object) -> None:
    """Refuse a length of time that is not one; ``math.inf`` is.

    Raises:
        TypeError: it is not a number.
        ValueError: it is negative, or a NaN.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} must be a number of seconds, not {shown(value)}")
    if not value >= 0:
        raise ValueError(f"{name} must be a number of seconds, and not negative")


def check_network(network: object) -> None:
    """Refuse a network that cannot listen and connect.

    Raises:
        TypeError: it is not a network, or it is the class of one.
    """
    if isinstance(network, type) or not (
        callable(getattr(network, "listen", None)) and callable(getattr(network, "connect", None))
    ):
        raise TypeError(
            "network must have listen() and connect(): "
            f"write trionet.SYSTEM or MemoryNetwork(), not {shown(network)}"
        )


def check_file(name: str, value: object) -> None:
    """Refuse a file that is neither ``None`` nor a path.

    Raises:
        TypeError: it is something else, such as an open file or the file's contents.
    """
    if value is not None and not (isinstance(value, str) or hasattr(value, "__fspath__")):
        raise TypeError(f"{name} must be the path of a file, not {shown(value)}")


def check_unix_mode(mode: object) -> None:
    """Refuse a mode that is neither ``None`` nor the permissions of a file.

    Raises:
        TypeError: it is not a number.
        ValueError: it has other bits set, as when octal digits were written as a decimal number.
    """
    if mode is None:
        return
    if isinstance(mode, bool) or not isinstance(mode, int):
        raise TypeError(f"unix_mode must be a number such as 0o660, not {shown(mode)}")
    if not 0 <= mode <= MAX_UNIX_MODE:
        raise ValueError("unix_mode must be from 0 to 0o777, octal, such as 0o660")
