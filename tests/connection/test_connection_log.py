"""What a server logs of its connections."""

from __future__ import annotations

import logging
from typing import Any

import pytest
import trio

import trionet
from trionet import chat
from trionet.connection.connection_log import ConnectionLog
from trionet.events import SAID_NOTHING, Opened, Refused
from trionet.program.console import Console
from trionet.program.console_log import logging_to
from trionet.program.log_format import LogFormat, LogOptions
from trionet.testing import LineClient, MemoryNetwork, run_handler

NAME = "trionet.connections"


async def echo(connection: trionet.Connection) -> None:
    async for line in connection.lines:
        if line.startswith("I am "):
            connection.identify(line.removeprefix("I am "))
        await connection.send(line)


def told(caplog: pytest.LogCaptureFixture) -> list[tuple[Any, ...]]:
    owns = [record.__dict__ for record in caplog.records if record.name == NAME]
    return [(own["event"], own["connection"], own["reason"]) for own in owns]


async def test_each_event_of_a_connection_is_a_record(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, NAME)
    async with run_handler(echo) as connect:
        ann = await connect()
        await ann.send("hello")
        await ann.expect("hello")
        await ann.send("I am Ann")
        await ann.expect("I am Ann")
        await ann.stream.aclose()
        await trio.testing.wait_all_tasks_blocked()
    assert told(caplog) == [
        ("opened", 1, None),
        ("login", 1, "is Ann"),
        ("closed", 1, "the peer ended its sending"),
    ]
    peer = caplog.records[0].__dict__["peer"]
    assert caplog.messages[:2] == [f"opened {peer}", f"{peer} is Ann"]
    assert caplog.messages[2].startswith(f"closed {peer}: the peer ended its sending (2 lines")
    assert caplog.records[2].__dict__["fields"]["lines_in"] == 2


async def test_a_connection_from_which_nothing_comes_has_no_record(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, NAME)
    events: list[object] = []
    async with run_handler(echo, on_event=events.append) as connect:
        probe = await connect()
        await trio.testing.wait_all_tasks_blocked()
        # The event does not wait for input.
        assert [type(event) for event in events] == [Opened]
        assert connect.server.statistics().opened == 1
        await probe.stream.aclose()
        await trio.testing.wait_all_tasks_blocked()
        assert len(events) == 2
    assert told(caplog) == []


async def test_a_handshake_without_a_byte_has_no_record(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, NAME)
    log = ConnectionLog()
    log.report(Refused(id=1, peer="127.0.0.1:1", reason=f"no handshake: {SAID_NOTHING}"))
    log.report(Refused(id=2, peer="127.0.0.1:1", reason="no handshake: it took too long"))
    assert told(caplog) == [("refused", 2, "no handshake: it took too long")]


async def test_a_server_logs_nothing_where_it_is_told_so(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, NAME)
    async with run_handler(echo, log_connections=False) as connect:
        ann = await connect()
        await ann.send("hello")
        await ann.expect("hello")
    assert told(caplog) == []


async def test_a_fault_of_a_handler_names_its_connection(caplog: pytest.LogCaptureFixture) -> None:
    async def fail(connection: trionet.Connection) -> None:
        await connection.lines.receive()
        raise ZeroDivisionError

    async with run_handler(fail) as connect:
        ann = await connect()
        await ann.send("hello")
        await trio.testing.wait_all_tasks_blocked()
    (record,) = caplog.records
    own = record.__dict__
    assert (own["event"], own["connection"]) == ("failed", 1)
    assert own["peer"].startswith("127.0.0.1:")


@pytest.mark.parametrize("factory", [False, True])
@pytest.mark.parametrize("log_format", ["text", "json"])
async def test_the_fast_way_to_a_console_and_the_records_tell_the_same(
    log_format: LogFormat, factory: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without anybody else listening there is no record; with a second handler there is."""
    trionet_logger = logging.getLogger("trionet")
    monkeypatch.setattr(trionet_logger, "propagate", False)
    if factory:
        monkeypatch.setattr(trionet_logger, "handlers", [logging.NullHandler()])
    shown: list[str] = []
    with logging_to(Console(1), LogOptions(format=log_format), show=shown.append):
        async with run_handler(echo) as connect:
            ann = await connect()
            await ann.send("I am Ann")
            await ann.expect("I am Ann")
            await ann.stream.aclose()
            await trio.testing.wait_all_tasks_blocked()
    untimed = [line.partition("info")[2] for line in shown]
    assert len(untimed) == 3
    if log_format == "text":
        assert untimed[0].startswith(" opened 1 127.0.0.1:")
        assert untimed[1].endswith(" is Ann")
        assert "(1 lines, 9 bytes in; " in untimed[2]
    else:
        assert '"connection":1,' in untimed[0]
        assert untimed[1].endswith('"reason":"is Ann","name":"Ann"}')
        assert '"bytes_in":9,' in untimed[2]


SECRET = "sesame"


@pytest.mark.parametrize("log_format", ["text", "json"])
async def test_nothing_that_anybody_said_is_in_the_log(
    log_format: LogFormat, autojump_clock: trio.testing.MockClock
) -> None:
    def show(_line: str) -> None:
        raise ValueError

    network = MemoryNetwork()
    lines: list[str] = []
    with logging_to(Console(1), LogOptions(format=log_format, level="debug"), show=lines.append):
        async with trio.open_nursery() as nursery:
            server: trionet.Server = await nursery.start(_serve_chat, network, show)
            ann = LineClient(await network.connect(server.addresses[0]))
            await ann.send(SECRET + "\x1b" + SECRET, "Ann", f"/password {SECRET}", SECRET)
            await ann.send(f"/topic {SECRET}", f"/msg Ann {SECRET}", f"/{SECRET}", "\ud800" * 0)
            await ann.stream.send_all(SECRET.encode() + b"\xff\n" + SECRET.encode() * 9999 + b"\n")
            bob = LineClient(await network.connect(server.addresses[0]))
            login = f'{{"type": "login", "name": "Bob", "token": "{SECRET}", "x": "{SECRET}"}}'
            await bob.send(login, f'{{"type": "say", "text": "{SECRET}"}}', f'{{"{SECRET}"}}')
            await bob.send(f'{{"type": "{SECRET}", "id": "{SECRET}"}}')
            eve = LineClient(await network.connect(server.addresses[0]))
            await eve.send(f"GET /{SECRET} HTTP/1.1")
            await trio.testing.wait_all_tasks_blocked()
            for client in (ann, bob, eve):
                await client.stream.aclose()
            await server.drain()
            nursery.cancel_scope.cancel()
    assert len(lines) > 4
    assert any("show failed" in line for line in lines)
    assert not [line for line in lines if SECRET in line]


async def _serve_chat(
    network: MemoryNetwork, show: Any, task_status: trio.TaskStatus[trionet.Server]
) -> None:
    await chat.serve(
        "127.0.0.1:7", network=network, forever=True, show=show, show_messages=True,
        task_status=task_status,
    )  # fmt: skip
