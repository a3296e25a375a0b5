"""A handler that cannot serve a connection is refused, with what to write instead."""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncIterator, Awaitable, Iterator
from typing import Any
from unittest.mock import AsyncMock, Mock

import pytest
import trio

from trionet import Connection, serve
from trionet.function_checks import check_handler, is_line_function
from trionet.testing import MemoryNetwork, run_handler

WHERE = "localhost:7000"


async def echo(connection: Connection) -> None:
    async for line in connection.lines:
        await connection.send(line)


def sync(connection: Connection) -> None:
    pass


def sync_by_name(connection):  # type: ignore[no-untyped-def]
    pass


def shout(line: str) -> str:
    return line.upper()


def shout_more(marks: str, line: str) -> str:
    return line.upper() + marks


def without_any() -> None:
    pass


def yielding(line: str) -> Iterator[str]:
    yield line


def async_in_disguise(connection: Connection) -> Awaitable[None]:
    return echo(connection)


def wrapper_of_echo(connection: Connection) -> Any:
    return echo(connection)


async def generator(connection: Connection) -> AsyncIterator[str]:
    yield connection.peer


async def without_argument() -> None:
    pass


async def with_more(hub: object, connection: object) -> None:
    pass


async def keyword_only(*, connection: Connection) -> None:
    pass


async def with_default(connection: Connection, greeting: str = "hello") -> None:
    pass


async def anything(*arguments: object) -> None:
    pass


class Service:
    async def method(self, connection: Connection) -> None:
        pass

    async def __call__(self, connection: Connection) -> None:
        pass

    def sync(self, connection: Connection) -> None:
        pass

    @classmethod
    async def of_class(cls, connection: Connection) -> None:
        pass

    @staticmethod
    async def static(connection: Connection) -> None:
        pass


class Shouter:
    def method(self, line: str) -> str | None:
        return line.upper() or None

    def __call__(self, line: str) -> str:
        return line.upper()


class SyncService:
    def __call__(self, connection: Connection) -> None:
        pass


class Job:
    def __init__(self, connection: Connection) -> None:
        pass

    def __await__(self) -> Iterator[None]:
        yield None


@pytest.mark.parametrize(
    "handler",
    [
        echo,
        async_in_disguise,
        functools.wraps(echo)(wrapper_of_echo),
        with_default,
        anything,
        functools.partial(with_more, object()),
        functools.partial(functools.partial(with_more), object()),
        functools.partial(Service.method, Service()),
        Service().method,
        Service(),
        Service.of_class,
        Service.static,
        functools.partial(Service()),
        lambda connection: echo(connection),
        Job,
        AsyncMock(),
        functools.partial(AsyncMock()),
    ],
)
def test_whatever_can_be_awaited_with_a_connection_is_a_handler(handler: object) -> None:
    check_handler(handler)


@pytest.mark.parametrize(
    ("handler", "told"),
    [
        (sync, "write async def sync"),
        (functools.partial(sync), "write async def sync"),
        (Service().sync, "write async def sync"),
        (SyncService(), "write async def SyncService"),
        (sync_by_name, "write async def sync_by_name"),
        (Service, "write async def Service"),
        (generator, "the handler generator must not yield"),
        (without_argument, r"the handler without_argument\(\).* must take one argument"),
        (with_more, r"with_more\(hub.*\).* functools.partial fills in others"),
        (keyword_only, "must take one argument, the connection"),
        (functools.partial(with_more, 1, 2), "must take one argument, the connection"),
        (Service.method, "must take one argument, the connection"),
        (None, "must be a function, async or plain, not None"),
        ("echo", "must be a function, async or plain, not 'echo'"),
    ],
)
async def test_a_handler_that_cannot_serve_a_connection_is_refused(handler: Any, told: str) -> None:
    network = MemoryNetwork()
    with pytest.raises(TypeError, match=told):
        await serve(handler, WHERE, network=network)
    with pytest.raises(TypeError, match=told):
        async with run_handler(handler, network=network):
            pass
    await network.listen(WHERE)


@pytest.mark.parametrize(
    "handler",
    [
        shout,
        functools.partial(shout_more, "!"),
        Shouter().method,
        Shouter(),
        functools.partial(Shouter()),
        Mock(),
    ],
)
def test_a_plain_function_of_a_line_is_a_handler(handler: object) -> None:
    check_handler(handler)
    assert is_line_function(handler)


def test_a_lambda_may_pass_a_connection_on_and_is_not_called_with_lines() -> None:
    assert not is_line_function(lambda connection: echo(connection))
    assert not is_line_function(async_in_disguise)
    assert not is_line_function(echo)


@pytest.mark.parametrize(
    ("handler", "told"),
    [
        (without_any, r"the handler without_any\(\).* must take one argument, the line"),
        (shout_more, r"shout_more\(marks.*\).* functools.partial fills in others"),
        (yielding, "the handler yielding must not yield: it returns a line, or None"),
    ],
)
async def test_a_plain_function_that_cannot_answer_a_line_is_refused(
    handler: Any, told: str
) -> None:
    with pytest.raises(TypeError, match=told):
        await serve(handler, WHERE, network=MemoryNetwork())


async def test_a_plain_function_cannot_identify_its_peers() -> None:
    with pytest.raises(TypeError, match=r"with identifies=True .* write async def shout"):
        await serve(shout, WHERE, identifies=True, network=MemoryNetwork())


async def test_a_handler_that_was_called_is_refused_without_a_warning() -> None:
    called: Any = without_argument()
    with pytest.raises(TypeError, match=r"must not be called: write serve\(handler, "):
        await serve(called, WHERE)
    assert inspect.getcoroutinestate(called) == inspect.CORO_CLOSED


async def test_functions_written_in_c_are_plain_functions(
    autojump_clock: trio.abc.Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    async with run_handler(str.upper) as connect:
        client = await connect()
        await client.send("hello")
        await client.expect("HELLO")
    async with run_handler(functools.partial(print, "heard")) as connect:
        client = await connect()
        await client.send("hello")
        await client.expect_silence(1)
    assert capsys.readouterr().out == "heard hello\n"
    assert is_line_function("-".join)
