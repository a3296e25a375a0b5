"""`trionet.Service`: what it takes, what it refuses, and several in one program."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing

import trionet.program.run as program_run
import trionet.program.service as program_service
from trionet import Connection, Limits, ListenError, Server, Service, run, serve
from trionet.testing import LineClient, MemoryNetwork

if TYPE_CHECKING:
    from tests.conftest import Certificates


def shout(line: str) -> str:
    return line.upper()


async def echo(connection: Connection) -> None:
    async for line in connection.lines:
        await connection.send(line)


def test_one_address_is_enough() -> None:
    assert Service(shout, "localhost:7000").addresses == ("localhost:7000",)
    assert Service(shout, ["localhost:7000", "unix:/run/s"]).addresses == (
        "localhost:7000",
        "unix:/run/s",
    )


def test_limits_may_stand_behind_the_addresses() -> None:
    limits = Limits(max_clients=3)
    service = Service(shout, "localhost:7000", limits)
    assert service.limits is limits
    assert service.replace(addresses="localhost:7001").limits is limits
    assert Service(shout, "localhost:7000", None).limits == Limits()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"handler": 3}, "the handler must be a function, async or plain, not 3"),
        ({"addresses": []}, "address"),
        ({"addresses": 7000}, "addresses must be a list of addresses, not 7000"),
        ({"addresses": [7000]}, "address"),
        ({"max_line": 3}, r"write limits=trionet.Limits\(max_line=...\)"),
        ({"task_status": None}, "inside Trio use trionet.serve"),
        ({"colour": "red"}, r"Service\(\) has no option colour"),
        ({"key": "key.pem"}, "a key needs its certificate"),
        ({"certificate": "c.pem", "network": MemoryNetwork()}, "a network has its own certificate"),
        ({"limits": {"rate": 3}}, r"write trionet.Limits\(rate=3\)"),
        ({"lifespan": "x"}, "lifespan"),
    ],
)
def test_misuse_is_refused_at_the_call(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        Service(**{"handler": shout, "addresses": "localhost:7000", **arguments})


@pytest.mark.parametrize("addresses", [(), ("localhost:7000",)])
async def test_a_service_given_as_a_handler_is_told_how_it_is_served(addresses: Any) -> None:
    service: Any = Service(shout, "localhost:7000")
    with pytest.raises(TypeError, match=r"a service serves itself, await service.serve\(\)"):
        await serve(service, *addresses)


@pytest.mark.parametrize("is_replaced", [False, True])
async def test_a_network_given_to_serve_counts_where_the_service_has_none(
    is_replaced: bool, autojump_clock: trio.testing.MockClock
) -> None:
    given, own = MemoryNetwork(), MemoryNetwork()
    service = Service(shout, "localhost:7000")
    if is_replaced:
        service = service.replace(backlog=3)
    with_own = Service(shout, "localhost:7000", network=own)
    async with trio.open_nursery() as nursery:
        for one in (service, with_own):
            await nursery.start(partial(one.serve, network=given, limits=Limits(max_clients=3)))
        for network in (given, own):
            async with LineClient(await network.connect("localhost:7000")) as client:
                await client.send("hello")
                await client.expect("HELLO")
        nursery.cancel_scope.cancel()


def test_a_replaced_service_keeps_all_other_arguments() -> None:
    network = MemoryNetwork()
    first = Service(shout, "localhost:7000", limits=Limits(max_clients=3), network=network)
    second = first.replace(addresses="localhost:7001")
    assert second.addresses == ("localhost:7001",)
    assert second.limits == Limits(max_clients=3)
    assert second.network is network
    assert second.replace(limits=Limits()).limits == Limits()


def test_a_service_replaces_its_own_network(certificates: Certificates) -> None:
    files: dict[str, Any] = {"certificate": certificates.certificate, "key": certificates.key}
    first = Service(shout, "tls:localhost:7000", **files, limits=Limits(rate=3))
    second = first.replace(**files, proxy_from=["127.0.0.1"])
    assert second.network is not first.network
    assert second.limits == Limits(rate=3)
    memory = MemoryNetwork()
    assert second.replace(network=memory).network is memory
    with pytest.raises(TypeError, match="a network has its own certificate"):
        second.replace(network=memory).replace(**files)


@pytest.mark.parametrize("as_service", [True, False])
def test_run_checks_a_service_once(as_service: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    checks: list[str] = []
    check = program_service.check_service

    def counted(caller: str, *arguments: Any, **options: Any) -> Any:
        checks.append(caller)
        return check(caller, *arguments, **options)

    async def nothing(**_options: Any) -> int:
        return 0

    monkeypatch.setattr(program_service, "check_service", counted)
    monkeypatch.setattr(program_run, "_run", lambda *_, **__: nothing())
    if as_service:
        run(Service(shout, "localhost:7000"))
    else:
        run(shout, "localhost:7000")
    assert checks == ["Service" if as_service else "run"]


async def test_its_own_options_count_before_the_defaults() -> None:
    network = MemoryNetwork()
    seen: list[str] = []
    service = Service(echo, "localhost:0", network=network, on_event=lambda _: seen.append("own"))
    async with trio.open_nursery() as nursery:
        server = await nursery.start(
            lambda task_status: service.serve(
                task_status=task_status, on_event=lambda _: seen.append("default")
            )
        )
        client = LineClient(await network.connect(server.addresses[0]))
        await client.send("hello")
        await client.expect("hello")
        await client.aclose()
        nursery.cancel_scope.cancel()
    assert set(seen) == {"own"}


# What a server runs inside of


async def serving(nursery: trio.Nursery, network: MemoryNetwork, **options: Any) -> Server:
    service = Service(greet, "localhost:0", network=network, **options)
    server: Server = await nursery.start(lambda task_status: service.serve(task_status=task_status))
    return server


async def greet(connection: Connection) -> None:
    async for _ in connection.lines:
        await connection.send(connection.server.state)


async def test_a_lifespan_is_entered_before_anybody_is_served_and_left_after_the_last() -> None:
    told = []
    network = MemoryNetwork()

    @asynccontextmanager
    async def lifespan(server: Server) -> AsyncIterator[str]:
        told.append(f"entered for {server.addresses[0]}")
        yield "a pool"
        told.append(f"left with {len(server.connections)} connections")

    async with trio.open_nursery() as nursery:
        server = await serving(nursery, network, lifespan=lifespan)
        assert told == [f"entered for {server.addresses[0]}"]
        client = LineClient(await network.connect(server.addresses[0]))
        await client.send("hello")
        await client.expect("a pool")
        await server.drain()
        await client.expect_end()
    assert told == [f"entered for {server.addresses[0]}", "left with 0 connections"]


async def test_a_lifespan_that_fails_ends_the_server_and_frees_its_address() -> None:
    network = MemoryNetwork()

    @asynccontextmanager
    async def lifespan(_server: Server) -> AsyncIterator[None]:
        raise RuntimeError("no database")
        yield

    with pytest.raises(RuntimeError, match="no database"):
        await Service(greet, "localhost:7", network=network, lifespan=lifespan).serve()
    for listener in await network.listen("localhost:7"):
        await listener.aclose()


async def test_a_lifespan_is_left_when_the_server_is_cancelled() -> None:
    told = []

    @asynccontextmanager
    async def lifespan(_server: Server) -> AsyncIterator[str]:
        try:
            yield "a pool"
        finally:
            told.append("left")

    async with trio.open_nursery() as nursery:
        await serving(nursery, MemoryNetwork(), lifespan=lifespan)
        nursery.cancel_scope.cancel()
    assert told == ["left"]


async def test_a_background_task_of_the_lifespan_can_look_at_the_connections() -> None:
    network = MemoryNetwork()

    @asynccontextmanager
    async def lifespan(server: Server) -> AsyncIterator[str]:
        async def close_the_second() -> None:
            while len(server.connections) < 2:
                await trio.testing.wait_all_tasks_blocked()
            await server.connections[1].close("one is enough")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(close_the_second)
            yield "hello"
            nursery.cancel_scope.cancel()

    async with trio.open_nursery() as nursery:
        server = await serving(nursery, network, lifespan=lifespan)
        one = LineClient(await network.connect(server.addresses[0]))
        two = LineClient(await network.connect(server.addresses[0]))
        await two.expect_end()
        await one.send("still here?")
        await one.expect("hello")
        await server.drain()


async def test_an_address_in_use_is_told_as_by_serve() -> None:
    network = MemoryNetwork()
    for listener in await network.listen("localhost:7"):
        with pytest.raises(ListenError):
            await Service(shout, "localhost:7", network=network).serve()
        await listener.aclose()
