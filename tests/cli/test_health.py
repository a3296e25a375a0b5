"""`trionet health`: is a server well? On the memory network, and the real program on sockets."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import trio
from trio.testing import MockClock
from typer.testing import CliRunner

from trionet import ConnectError, Connection, calc, chat, serve
from trionet.cli.health import Unwell, check_health
from trionet.cli.main import app
from trionet.cli.urls import BadURL, parse_url
from trionet.program.metrics_page import serve_metrics
from trionet.testing import MemoryNetwork

if TYPE_CHECKING:
    from tests.cli.conftest import Programs

ADDRESS = "localhost:7000"
PAGE = "http://localhost:7000/healthz"

RUNTIME: Any = None


def asks(network: MemoryNetwork) -> Callable[..., Awaitable[None]]:
    async def ask(where: str, seconds: float = 5) -> None:
        await check_health(where, RUNTIME, seconds=seconds, network=network)

    return ask


async def listen(nursery: trio.Nursery, network: MemoryNetwork, answer: bytes) -> None:
    """Answer every connection by some bytes, and leave it open."""
    (listener, *_) = await network.listen(ADDRESS)

    async def run() -> None:
        while True:
            stream = await listener.accept()
            await stream.send_all(answer)

    nursery.start_soon(run)


@pytest.mark.parametrize("service", [calc.serve, chat.serve])
async def test_a_service_that_ends_the_connection_is_well(
    autojump_clock: MockClock, service: Callable[..., Awaitable[None]]
) -> None:
    network = MemoryNetwork()
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(service, ADDRESS, network=network))
        for _ in range(3):
            await asks(network)(ADDRESS)
        nursery.cancel_scope.cancel()


async def test_a_service_that_does_not_end_is_unwell_in_time(autojump_clock: MockClock) -> None:
    async def stuck(_connection: Connection) -> None:
        await trio.sleep_forever()

    network = MemoryNetwork()
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(serve, stuck, ADDRESS, network=network))
        began = trio.current_time()
        with pytest.raises(Unwell, match=f"{ADDRESS}: no answer within 3 seconds"):
            await asks(network)(ADDRESS, 3)
        assert trio.current_time() - began == pytest.approx(3)
        nursery.cancel_scope.cancel()


async def test_where_nobody_listens_nobody_is_well() -> None:
    for where in (ADDRESS, PAGE):
        with pytest.raises(ConnectError, match="connection refused"):
            await asks(MemoryNetwork())(where)


async def test_a_page_must_answer_200(autojump_clock: MockClock) -> None:
    ready = True
    network = MemoryNetwork()
    async with trio.open_nursery() as nursery:
        await nursery.start(
            partial(serve_metrics, ADDRESS, list, is_ready=lambda: ready, network=network)
        )
        await asks(network)(PAGE)
        with pytest.raises(Unwell, match="http://localhost:7000/nope: answered 404, not 200"):
            await asks(network)("http://localhost:7000/nope")
        ready = False
        with pytest.raises(Unwell, match="answered 503, not 200"):
            await asks(network)(PAGE)
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (b"hello\n", "the answer is not HTTP"),
        (b"x" * 10_000, "the answer is not HTTP"),
        (b"HTTP/1.1 2000 OK\r\n", "the answer is not HTTP"),
        (b"HTTP/1.1 200", "no answer within 5 seconds"),
        (b"", "no answer within 5 seconds"),
    ],
)
async def test_what_is_no_answer_is_unwell(
    autojump_clock: MockClock, answer: bytes, problem: str
) -> None:
    network = MemoryNetwork()
    async with trio.open_nursery() as nursery:
        await listen(nursery, network, answer)
        with pytest.raises(Unwell, match=problem):
            await asks(network)(PAGE)
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("text", "address", "host", "target"),
    [
        ("http://a:9100/healthz", "a:9100", "a:9100", "/healthz"),
        ("http://a", "a:80", "a", "/"),
        ("HTTPS://A.example/x?y=1#z", "tls:a.example:443", "a.example", "/x?y=1"),
        ("http://[::1]:9100/healthz", "[::1]:9100", "[::1]:9100", "/healthz"),
    ],
)
def test_a_url_is_read(text: str, address: str, host: str, target: str) -> None:
    assert parse_url(text) == (address, host, target)


@pytest.mark.parametrize(
    "text",
    ["ftp://a/", "http://", "http:///healthz", "http://a:x/", "http://a:99999/", "http://a:0/",
     "http://u@a/", "http://a/ b", "http://a/\r\nX: y", "http://\u00e4/", "http://[::1/"],
)  # fmt: skip
def test_what_is_no_url_is_refused(text: str) -> None:
    with pytest.raises(BadURL):
        parse_url(text)
    result = CliRunner().invoke(app, ["health", text])
    assert result.exit_code == 2


@pytest.mark.parametrize(
    "arguments",
    [["localhost:0"], ["localhost:x"], [], ["localhost:7000", "--timeout", "0"],
     ["localhost:7000", "--timeout", "nan"]],
)  # fmt: skip
def test_a_wrong_command_line_is_a_usage_error(arguments: list[str]) -> None:
    assert CliRunner().invoke(app, ["health", *arguments]).exit_code == 2


async def test_the_program_says_with_its_status_how_a_server_is(programs: Programs) -> None:
    server = await programs.start(
        "chat", "serve", "127.0.0.1:0", "--metrics", "127.0.0.1:0", "--forever"
    )
    address = await server.address()
    line = await server.out.line()
    assert line.startswith("metrics on http://127.0.0.1:")
    url = line.removeprefix("metrics on ").removesuffix("/metrics")
    for where in (address, f"{url}/healthz", f"{url}/metrics"):
        await (await programs.start("health", where)).expect_end(0)
    asked = await programs.start("health", f"{url}/nothing")
    await asked.expect_error(f"error: {url}/nothing: answered 404, not 200")
    await asked.expect_end(1)
    nobody = await programs.start("health", "127.0.0.1:1", "--timeout", "3")
    await nobody.expect_error("error: cannot connect to 127.0.0.1:1: connection refused")
    await nobody.expect_end(1)
