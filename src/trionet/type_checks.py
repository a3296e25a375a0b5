"""Refuse a value of the wrong type, and say what it must be.

The ground floor under `trionet.argument_checks`: everything from `trionet.errors` up can use it.
Without such a check a wrong value would fail later, in Python's own words about something inside.

Where a check would run for each line and cost too much, it stands behind a test of the usual type,
``if type(text) is not str``, or in the place where the wrong value has failed already.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import CoroutineType

# Characters of a wrong value that a message shows: enough to recognise it.
_SHOWN = 60

# What a message calls a type; every other type goes by its name.
_CALLED: Mapping[object, str] = {
    str: "a text",
    bytes: "bytes",
    tuple: "a tuple",
    int: "a whole number",
    float: "a number",
}

# A whole number is a number too, as everywhere in Python.
_WIDER: Mapping[type, tuple[type, ...]] = {float: (float, int)}


def check_kind(name: str, value: object, kind: type, *, hint: str = "") -> None:
    """Refuse a value that is not an instance of a class. ``True`` and ``False`` are not numbers.

    Args:
        name: the argument.
        value: what a user passed.
        kind: the class.
        hint: what to write, such as ``Limits(rate=50)``; default: the message does not say.

    Raises:
        TypeError: it is not an instance.
    """
    if not isinstance(value, _WIDER.get(kind, kind)) or (
        isinstance(value, bool) and kind in (int, float)
    ):
        article = "an" if kind.__name__[0] in "AEIOU" else "a"
        called = _CALLED.get(kind) or f"{article} {kind.__name__}"
        write = f": write {hint}," if hint else ","
        raise TypeError(f"{name} must be {called}{write} not {shown(value)}")


def check_kinds(**arguments: tuple[object, type]) -> None:
    """Refuse arguments of which one is not an instance of its class; see `check_kind`.

    Args:
        arguments: the value of each argument, and its class.

    Raises:
        TypeError: one is not.

    >>> check_kinds(text=("12 + 42", str), column=(3, int))
    >>> check_kinds(text=(12, str))
    Traceback (most recent call last):
    TypeError: text must be a text, not 12
    """
    for name, (value, kind) in arguments.items():
        if type(value) is not kind:
            check_kind(name, value, kind)


def as_bytes(name: str, data: object) -> bytes:
    """Return what is like bytes as bytes.

    ``bytes(3)`` would be three NULs, and ``bytes([])`` nothing.

    Args:
        name: the argument.
        data: what a user passed.

    Raises:
        TypeError: it is neither bytes nor a ``bytearray`` nor a ``memoryview``.
    """
    if isinstance(data, bytearray | memoryview):
        return bytes(data)
    check_kind(name, data, bytes)
    assert isinstance(data, bytes)
    return data


def close_coroutine(value: object) -> None:
    """Close a coroutine that nobody will await, so that Python does not warn about it as well.

    Args:
        value: what is about to be refused; anything but a coroutine is left alone.
    """
    if isinstance(value, CoroutineType):
        value.close()


def shown(value: object) -> str:
    """Return what a message shows of a wrong value: one short line. Never raises."""
    if isinstance(value, int) and abs(value) >= 10**_SHOWN:
        # Python refuses to print integers of thousands of digits.
        return "a number that long"
    try:
        text = repr(value)
    except Exception:
        text = object.__repr__(value)
    text = text.replace("\n", " ")
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
