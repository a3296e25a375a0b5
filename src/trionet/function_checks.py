"""Refuse a function that cannot be called as the toolkit will call it.

`trionet.argument_checks` says why misuse is refused at the call; this file does it for handlers,
callbacks and tasks. It judges what can be judged without a call: whether the function is async, and
how many arguments it takes. Whatever cannot be judged, such as a lambda, passes.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable, Iterable
from types import BuiltinFunctionType, MethodDescriptorType

from trionet.type_checks import close_coroutine, shown


def check_handler(handler: object, *, caller: str = "serve", identifies: bool = False) -> None:
    """Refuse a handler that can neither be awaited with a connection nor be called with a line.

    Async functions and methods, partial objects of them, and objects with an async ``__call__``
    pass. So does whatever cannot be judged without calling it, such as a lambda. Of plain functions
    those pass that `is_line_function`, unless their argument is called or annotated as a
    connection: then ``async`` was forgotten.

    Args:
        handler: what a user passed.
        caller: the function that it was passed to, for the message.
        identifies: whether the handler is to identify its peers, which only an async one can.

    Raises:
        TypeError: `handler` cannot serve a connection.
    """
    if inspect.isawaitable(handler):
        close_coroutine(handler)
        raise TypeError(
            f"the handler must not be called: write {caller}(handler, ...), "
            f"not {caller}(handler(...), ...); functools.partial fills in further arguments"
        )
    if not callable(handler):
        hint = ""
        if inspect.iscoroutinefunction(getattr(handler, "serve", None)):
            hint = ": a service serves itself, await service.serve()"
        raise TypeError(
            f"the handler must be a function, async or plain, not {shown(handler)}{hint}"
        )
    function = _function_of(handler)
    name = _name_of(handler)
    if inspect.isasyncgenfunction(function):
        raise TypeError(
            f"the handler {name} must not yield: "
            "it reads connection.lines and answers with await connection.send(...)"
        )
    if _is_surely_sync(function):
        _check_line_function(handler, function, name, identifies=identifies)
        return
    if not _takes(handler, 1):
        raise TypeError(
            f"the handler {name}{inspect.signature(handler)} must take one argument, "
            "the connection: functools.partial fills in others"
        )


def check_awaitable(handler: object, returned: object) -> None:
    """Refuse what a handler returned if it cannot be awaited.

    A lambda shows only when it is called whether it passes a connection on to an async function.

    Raises:
        TypeError: it cannot; the message says what to write.
    """
    if not inspect.isawaitable(returned):
        raise TypeError(
            f"the handler {_name_of(handler)} returned {shown(returned)}, which cannot be awaited: "
            "write an async function, or a plain one with def, which gets each line"
        )


def is_line_function(handler: object) -> bool:
    """Tell whether a handler is a plain function, which is called with each line.

    A lambda is not one: it may pass a connection on to an async function.
    """
    return _is_surely_sync(_function_of(handler))


def _check_line_function(handler: object, function: object, name: str, *, identifies: bool) -> None:
    if isinstance(function, type) or _expects_connection(handler):
        raise TypeError(
            f"the handler must be an async function: write async def {name} "
            "(a plain function is called with each line, a text)"
        )
    if inspect.isgeneratorfunction(function):
        raise TypeError(f"the handler {name} must not yield: it returns a line, or None")
    if not _takes(handler, 1):
        raise TypeError(
            f"the handler {name}{inspect.signature(handler)} must take one argument, "  # type: ignore[arg-type]
            "the line: functools.partial fills in others"
        )
    if identifies:
        raise TypeError(
            f"with identifies=True the handler must be an async function: write async def {name}, "
            "and await its connection's lines"
        )


def _expects_connection(handler: object) -> bool:
    """Tell whether the first argument is called or annotated as a connection."""
    try:
        parameters = [*inspect.signature(handler).parameters.values()]  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return False
    if not parameters:
        return False
    annotation = parameters[0].annotation
    named = getattr(annotation, "__name__", str(annotation))
    named = named.partition("[")[0]
    return parameters[0].name == "connection" or named.endswith("Connection")


def check_answering(name: str, value: object, *, arguments: int = 1) -> None:
    """Refuse a callback that is neither ``None`` nor an async function.

    Args:
        name: the argument.
        value: what a user passed.
        arguments: how many the callback is called with.

    Raises:
        TypeError: it cannot be called like that, or it is certainly not async.
    """
    if value is None:
        return
    if not callable(value) or _is_surely_sync(_function_of(value)):
        raise TypeError(f"{name} must be an async function, not {shown(value)}")
    _check_arguments(name, value, arguments)


def check_callback(name: str, value: object, *, arguments: int = 1, optional: bool = True) -> None:
    """Refuse a callback that is not an ordinary function with this number of arguments.

    Args:
        name: the argument.
        value: what a user passed.
        arguments: how many arguments it is called with.
        optional: whether ``None`` passes too.

    Raises:
        TypeError: it cannot be called, or not with that many arguments, or it is an async function,
            which nothing would await.
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
    _check_arguments(name, value, arguments)


def check_encode(value: object) -> None:
    """Refuse an ``encode`` that cannot turn an event into lines.

    Raises:
        TypeError: it cannot be called with an event, or it is an async function.
    """
    if value is None:
        raise TypeError("encode must be a function: write hub.add(box, trionet.encode_line)")
    check_callback("encode", value)


def check_tasks(name: str, functions: object) -> tuple[Callable[[], Awaitable[object]], ...]:
    """Return functions that will be run as tasks, each without an argument.

    Args:
        name: the argument.
        functions: what a user passed: async functions in a list or another iterable.

    Raises:
        TypeError: it is not iterable, or something in it cannot be run like that; the message says
            what to write.
    """
    if callable(functions) or not isinstance(functions, Iterable):
        raise TypeError(
            f"{name} must be a list of async functions: write {name}=[hub.run], "
            f"not {shown(functions)}"
        )
    listed = tuple(functions)
    for function in listed:
        if inspect.isawaitable(function):
            close_coroutine(function)
            raise TypeError(
                f"the functions in {name} must not be called: write {name}=[hub.run], "
                f"not {name}=[hub.run()]; functools.partial fills in arguments"
            )
        if not callable(function) or _is_surely_sync(_function_of(function)):
            raise TypeError(
                f"{name} must be a list of async functions, such as hub.run: "
                f"{shown(function)} is not one"
            )
        if not _takes(function, 0):
            raise TypeError(
                f"the functions in {name} are called without an argument, and "
                f"{_name_of(function)} needs some: functools.partial fills them in"
            )
    return listed


def _check_arguments(name: str, function: object, arguments: int) -> None:
    if not _takes(function, arguments):
        named = f"{arguments} argument{'' if arguments == 1 else 's'}"
        raise TypeError(f"{name} is called with {named}, and {_name_of(function)} cannot be")


def _function_of(handler: object) -> object:
    """Return the function that a call of `handler` ends up in, as far as can be seen."""
    while True:
        if isinstance(handler, functools.partial):
            handler = handler.func
        elif inspect.ismethod(handler):
            handler = handler.__func__
        elif isinstance(handler, type) or inspect.isroutine(handler):
            return handler
        elif inspect.iscoroutinefunction(handler):
            # It is marked as one, as `unittest.mock.AsyncMock` is.
            return handler
        else:
            call = getattr(type(handler), "__call__", None)  # noqa: B004
            if not inspect.isfunction(call):
                return handler
            handler = call


def _is_surely_sync(function: object) -> bool:
    if isinstance(function, type):
        return not hasattr(function, "__await__")
    # Functions written in C, such as `print` or `str.upper`, are never async.
    if isinstance(function, BuiltinFunctionType | MethodDescriptorType):
        return True
    # A lambda may pass the connection on to an async function.
    if not inspect.isfunction(function) or function.__name__ == "<lambda>":
        return False
    if inspect.iscoroutinefunction(inspect.unwrap(function)):
        return False
    # A plain function may pass on what an async function returned, if its annotation says so.
    returned = str(function.__annotations__.get("return", ""))
    return not any(word in returned for word in ("Awaitable", "Coroutine"))


def _takes(function: object, arguments: int) -> bool:
    """Tell whether a function can be called with that many arguments, as far as can be seen."""
    try:
        signature = inspect.signature(function)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        # Some callables written in C have no signature.
        return True
    try:
        signature.bind(*[None] * arguments)
    except TypeError:
        return False
    return True


def _name_of(handler: object) -> str:
    while isinstance(handler, functools.partial):
        handler = handler.func
    return str(getattr(handler, "__name__", type(handler).__name__))
