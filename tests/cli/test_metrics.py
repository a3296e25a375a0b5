"""`--metrics`: the real programs, scraped by a real HTTP client, on sockets."""

from __future__ import annotations

import http.client
import signal
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
import trio
from prometheus_client.parser import text_string_to_metric_families
from tests.cli.test_targets import SHOUT
from typer.testing import CliRunner

from trionet.cli.main import app
from trionet.testing import LineClient

if TYPE_CHECKING:
    from tests.cli.conftest import Program, Programs

LOCAL = "127.0.0.1:0"

Numbers = dict[str, float]


async def get(url: str) -> tuple[int, str]:
    """Return the status and the text of a page."""
    where = urlsplit(url)

    def ask() -> tuple[int, str]:
        connection = http.client.HTTPConnection(where.netloc, timeout=20)
        try:
            connection.request("GET", where.path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    return await trio.to_thread.run_sync(ask)


async def scrape(url: str) -> Numbers:
    """Return the samples of a page, by name and label."""
    status, text = await get(url)
    assert status == 200
    numbers = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            numbers[" ".join((sample.name, *sample.labels.values()))] = sample.value
    return numbers


async def announced(program: Program) -> tuple[str, str]:
    """Return the address of a program and the URL of its metrics, which it prints in this order."""
    address = await program.address()
    line = await program.out.line()
    assert line.startswith("metrics on http://127.0.0.1:")
    assert line.endswith("/metrics")
    return address, line.removeprefix("metrics on ")


async def test_a_chat_counts_what_its_clients_count(programs: Programs) -> None:
    server = await programs.start(
        "chat", "serve", LOCAL, "--metrics", LOCAL, "--forever", "--quiet", "--rate", "0"
    )
    address, url = await announced(server)
    sent = sent_bytes = heard = heard_bytes = 0
    clients: list[LineClient] = []
    for name in ("Ann", "Bob", "Cid"):
        client = await programs.connect(address, name)
        sent, sent_bytes = sent + 1, sent_bytes + 4
        line = await client.receive()
        heard, heard_bytes = heard + 1, heard_bytes + len(line) + 1
        for other in clients:
            line = await other.receive()
            heard, heard_bytes = heard + 1, heard_bytes + len(line) + 1
        clients.append(client)
    for client in clients:
        await client.send(*["0123456789"] * 100)
        sent, sent_bytes = sent + 100, sent_bytes + 1100
    for client in clients:
        for _ in range(200):
            line = await client.receive()
            heard, heard_bytes = heard + 1, heard_bytes + len(line) + 1
    numbers = await scrape(url)
    assert numbers["trionet_lines_total in"] == sent
    assert numbers["trionet_lines_total out"] == heard
    assert numbers["trionet_bytes_total in"] == sent_bytes
    assert numbers["trionet_bytes_total out"] == heard_bytes
    # Those who scrape are not connections of the chat.
    assert numbers["trionet_connections_open"] == numbers["trionet_members"] == 3
    assert numbers["trionet_connections_opened_total"] == 3
    assert numbers["trionet_lines_dropped_total"] == 0
    assert numbers["trionet_delivery_seconds_count"] > 0
    for client in clients:
        await client.send("q")
        while True:
            try:
                await client.receive()
            except AssertionError:
                break
    while True:
        numbers = await scrape(url)
        if not numbers["trionet_connections_open"]:
            break
    assert numbers["trionet_connections_total finished"] == 3
    assert numbers["trionet_members"] == 0
    server.signal(signal.SIGTERM)
    await server.expect_end(0)


async def test_while_a_server_drains_it_is_told_as_not_ready_and_scraped_still(
    programs: Programs,
) -> None:
    server = await programs.start(
        "calc", "serve", LOCAL, "--metrics", LOCAL, "--quiet", "--drain", "15"
    )
    address, url = await announced(server)
    health = url.removesuffix("metrics") + "healthz"
    assert (await get(health))[0] == 200
    client = await programs.connect(address, "ann", "1 + 1", "sqrt(2)", "1 / 0")
    for _ in range(3):
        await client.receive()
    numbers = await scrape(url)
    assert numbers["trionet_calc_operations_total"] == 3
    assert numbers["trionet_calc_failures_total"] == 1
    server.signal(signal.SIGTERM)
    # The client has not closed, so the server lingers.
    while True:
        status, _ = await get(health)
        if status == 503:
            break
    # The drain may have begun just now. At its deadline nobody answers any more.
    while (await scrape(url))["trionet_connections_total drained"] != 1:
        pass
    await client.aclose()
    await server.expect_error("closing; a second signal ends the server at once")
    await server.expect_end(0)


async def test_a_handler_of_ones_own_is_measured(
    programs: Programs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a_shouter.py").write_text(SHOUT)
    monkeypatch.chdir(tmp_path)
    server = await programs.start("run", "a_shouter:shout", LOCAL, "--metrics", LOCAL, real=True)
    address, url = await announced(server)
    client = await programs.connect(address, "hi")
    await client.receive()
    numbers = await scrape(url)
    assert (numbers["trionet_lines_total in"], numbers["trionet_lines_total out"]) == (1, 1)


async def test_a_port_in_use_is_one_error_line_and_nothing_is_served(programs: Programs) -> None:
    server = await programs.start("calc", "serve", LOCAL, "--metrics", LOCAL)
    _, url = await announced(server)
    where = urlsplit(url).netloc
    other = await programs.start("calc", "serve", LOCAL, "--metrics", where)
    await other.expect_error(f"error: cannot listen on {where}: address already in use")
    await other.expect_end(1)


@pytest.mark.parametrize("command", [("chat", "serve"), ("calc", "serve"), ("run", "a:b")])
@pytest.mark.parametrize("where", ["", "localhost", "localhost:x", "unix:/x", "tls:localhost:1"])
def test_where_metrics_cannot_be_served_is_a_usage_error(
    command: tuple[str, ...], where: str
) -> None:
    result = CliRunner().invoke(app, [*command, "--metrics", where])
    assert result.exit_code == 2
    assert "--metrics" in result.output
