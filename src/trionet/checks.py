"""Misuse of the toolkit, refused at the call: each check says what to write instead.

Without these checks a wrong argument fails late, at the first peer, or says nothing at all. Every
public entry point asks here, so that the same mistake gets the same answer everywhere. A wrong type
is a ``TypeError``, a wrong value a ``ValueError``.

No check is made per line or per peer.
"""

from __future__ import annotations

import enum
import functools
import inspect

from trionet.limits import BOUNDS, Limits

# Permissions alone: the kernel ignores the bits above them on a socket.
MAX_UNIX_MODE = 0o777

# Enough of a wrong value to recognise it by.
_SHOWN = 60


def check_handler(handler: object, *, caller: str = "serve") -> None:
    """Refuse what cannot be called with a connection and then awaited.

    Async functions and methods, partial objects of them, and objects with an async ``__call__``
    pass. So does whatever cannot be judged without calling it, such as a lambda.

    Args:
        handler: what a user passed as handler.
        caller: the function that it was passed to, for the message.

    Raises:
        TypeError: `handler` cannot serve a connection.
    """
    if inspect.isawaitable(handler):
        if inspect.iscoroutine(handler):
            # It will never be awaited now, and Python would warn about that besides.
            handler.close()
        raise TypeError(
            f"the handler must not be called: write {caller}(handler, ...), "
            f"not {caller}(handler(...), ...); functools.partial fills in further arguments"
        )
    if not callable(handler):
        raise TypeError(f"the handler must be an async function, not {shown(handler)}")
    function = _function_of(handler)
    name = _name_of(handler)
    if inspect.isasyncgenfunction(function):
        raise TypeError(
            f"the handler {name} must not yield: "
            "it reads connection.lines and answers with await connection.send(...)"
        )
    if _is_surely_sync(function):
        raise TypeError(f"the handler must be an async function: write async def {name}")
    try:
        signature = inspect.signature(handler)
    except (TypeError, ValueError):
        # Some callables written in C do not tell.
        return
    try:
        signature.bind(None)
    except TypeError:
        raise TypeError(
            f"the handler {name}{signature} must take one argument, the connection: "
            "functools.partial fills in others"
        ) from None


def _function_of(handler: object) -> object:
    """Return the function that a call of `handler` ends in, as far as that can be seen."""
    while True:
        if isinstance(handler, functools.partial):
            handler = handler.func
        elif inspect.ismethod(handler):
            handler = handler.__func__
        elif isinstance(handler, type) or inspect.isroutine(handler):
            return handler
        elif inspect.iscoroutinefunction(handler):
            # It says so itself, as `unittest.mock.AsyncMock` does.
            return handler
        else:
            call = getattr(type(handler), "__call__", None)  # noqa: B004
            if not inspect.isfunction(call):
                return handler
            handler = call


def _is_surely_sync(function: object) -> bool:
    if isinstance(function, type):
        return not hasattr(function, "__await__")
    # A lambda may pass the connection on to an async function.
    if not inspect.isfunction(function) or function.__name__ == "<lambda>":
        return False
    if inspect.iscoroutinefunction(inspect.unwrap(function)):
        return False
    # It may return what an async function returned, if it says so.
    returned = str(function.__annotations__.get("return", ""))
    return not any(word in returned for word in ("Awaitable", "Coroutine"))


def _name_of(handler: object) -> str:
    while isinstance(handler, functools.partial):
        handler = handler.func
    return str(getattr(handler, "__name__", type(handler).__name__))


def check_limits(limits: object) -> None:
    """Refuse what is no `Limits`, such as a dictionary of some.

    Raises:
        TypeError: it is none.
    """
    if isinstance(limits, dict):
        inside = ", ".join(f"{name}={shown(value)}" for name, value in limits.items())
        raise TypeError(f"limits must be a Limits: write trionet.Limits({inside})")
    check_kind("limits", limits, Limits, hint="trionet.Limits(max_clients=100)")


def check_backlog(backlog: object) -> None:
    """Refuse what is neither ``None`` nor the length of a queue.

    Raises:
        TypeError: it is no whole number.
        ValueError: it is out of bounds.
    """
    if backlog is not None:
        BOUNDS["backlog"].check("backlog", backlog)


def check_kind(name: str, value: object, kind: type, *, hint: str) -> None:
    """Refuse what is no instance of a class.

    Args:
        name: the argument.
        value: what a user passed.
        kind: what it must be an instance of.
        hint: what to write, such as ``Limits(rate=50)``.

    Raises:
        TypeError: it is none.
    """
    if not isinstance(value, kind):
        raise TypeError(f"{name} must be a {kind.__name__}: write {hint}, not {shown(value)}")


def check_choice(name: str, value: object, choices: type[enum.Enum]) -> None:
    """Refuse what is no member of an enumeration, its members' names and values among it.

    Raises:
        TypeError: it is none.
    """
    if not isinstance(value, choices):
        named = " or ".join(f"{choices.__name__}.{choice.name}" for choice in choices)
        raise TypeError(f"{name} must be {named}, not {shown(value)}")


def check_callback(name: str, value: object, *, optional: bool = True) -> None:
    """Refuse a callback that is not an ordinary function.

    Args:
        name: the argument.
        value: what a user passed.
        optional: whether ``None`` passes too.

    Raises:
        TypeError: it cannot be called, or it is an async function: nothing awaits it.
    """
    if value is None and optional:
        return
    if not callable(value):
        raise TypeError(f"{name} must be a function, not {shown(value)}")
    function = _function_of(value)
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        raise TypeError(
            f"{name} must be an ordinary function, because nothing awaits it: "
            f"write def {_name_of(value)}, not async def"
        )


def check_flag(name: str, value: object) -> None:
    """Refuse what is neither true nor false.

    Raises:
        TypeError: it is another thing, such as the text ``"no"``, which would count as true.
    """
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be True or False, not {shown(value)}")


def check_network(network: object) -> None:
    """Refuse what cannot listen and connect.

    Raises:
        TypeError: it is no network, or the class of one.
    """
    if isinstance(network, type) or not (
        callable(getattr(network, "listen", None)) and callable(getattr(network, "connect", None))
    ):
        raise TypeError(
            "network must have listen() and connect(): "
            f"write trionet.SYSTEM or MemoryNetwork(), not {shown(network)}"
        )


def check_file(name: str, value: object) -> None:
    """Refuse what is neither ``None`` nor a path.

    Raises:
        TypeError: it is another thing, such as an open file or the file's contents.
    """
    if value is not None and not (isinstance(value, str) or hasattr(value, "__fspath__")):
        raise TypeError(f"{name} must be the path of a file, not {shown(value)}")


def check_unix_mode(mode: object) -> None:
    """Refuse what is neither ``None`` nor the permissions of a file.

    Raises:
        TypeError: it is no number.
        ValueError: it has more than permissions, as decimal digits meant as octal ones do.
    """
    if mode is None:
        return
    if isinstance(mode, bool) or not isinstance(mode, int):
        raise TypeError(f"unix_mode must be a number such as 0o660, not {shown(mode)}")
    if not 0 <= mode <= MAX_UNIX_MODE:
        raise ValueError("unix_mode must be from 0 to 0o777, octal, such as 0o660")


def shown(value: object) -> str:
    """Return what a message shows of a wrong value: one short line."""
    if isinstance(value, int) and abs(value) >= 10**_SHOWN:
        # Python refuses to write integers of thousands of digits.
        return "a number that long"
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
