"""Every example runs and does what its docstring says."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from types import ModuleType

import pytest
import trio
import trio.testing
from trio.testing import MockClock

import trionet
from needs import lacking
from trionet import calc, chat
from trionet.chat.client.events import Left, Said
from trionet.testing import LineClient, MemoryNetwork, run_handler

EXAMPLES = Path(__file__).parent.parent / "examples"

# Seconds for a process to do what it is asked to; passes in a fraction of one, even when loaded.
PATIENCE = 60


# The examples of docs/services.md.
COMPARED = {"key_value", "broker", "rpc", "rpc_client", "line_proxy", "two_services"}


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"examples.{name}", EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def named(path: Path) -> str:
    return path.name


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.*")), ids=named)
def test_every_example_is_short_and_says_how_to_run_it(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    # Blank lines are not counted, but in the services that the docs compare with plain Trio.
    if path.stem in COMPARED:
        assert len(text.splitlines()) <= 80
    else:
        assert 14 <= len(re.findall(r"(?m)^.*\S", text)) <= 40
    head = load(path.stem).__doc__ if path.suffix == ".py" else text[:500]
    assert head is not None
    assert f"examples/{path.name}" in head
    assert path.name in (EXAMPLES.parent / "README.md").read_text(encoding="utf-8")


async def test_echo_sends_each_line_back(autojump_clock: MockClock) -> None:
    async with run_handler(load("echo").echo) as connect:
        client = await connect()
        await client.send("hello", "", "  grüße")
        await client.expect("hello", "", "  grüße")
        await client.send_eof()
        await client.expect_end()


async def test_web_answers_with_a_page_and_sends_each_line_back(autojump_clock: MockClock) -> None:
    web = load("web")
    network = MemoryNetwork(web=trionet.WebSettings(files=web.FILES, socket_path="/ws"))
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(trionet.serve, web.echo, "web:localhost:80", network=network))
        for path, file in web.FILES.items():
            browser = await network.connect("localhost:80")
            await browser.send_all(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            answer = b"".join([data async for data in browser])
            assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
            assert answer.endswith(file.body)
        client = LineClient(await network.connect("web:localhost:80"))
        await client.send("hello", "  grüße")
        await client.expect("hello", "  grüße")
        nursery.cancel_scope.cancel()


async def test_topics_sends_each_line_to_those_who_asked_for_its_topic(
    autojump_clock: MockClock,
) -> None:
    hub = trionet.Hub[str]()
    async with trio.open_nursery() as nursery:
        await nursery.start(hub.run)
        async with run_handler(partial(load("topics").relay, hub)) as connect:
            ann, bob = await connect(), await connect()
            await ann.send("+news", "+sport", "-sport")
            await trio.testing.wait_all_tasks_blocked()
            await bob.send("news one", "sport two", "news three")
            await ann.expect("news: one", "news: three")
            await bob.expect_silence(60)
        nursery.cancel_scope.cancel()


async def test_topics_answers_a_bad_line_after_what_was_sent_before_it(
    autojump_clock: MockClock,
) -> None:
    hub = trionet.Hub[str]()
    async with trio.open_nursery() as nursery:
        await nursery.start(hub.run)
        async with run_handler(partial(load("topics").relay, hub)) as connect:
            ann = await connect("ann")
            await ann.send_bytes(b"+news\nnews one\n\xff\nnews two\n")
            await ann.expect("news: one", "error: line is not UTF-8", "news: two")
        nursery.cancel_scope.cancel()


async def test_topics_delivers_what_a_client_sends_last(autojump_clock: MockClock) -> None:
    class Bin:
        def put(self, lines: bytes) -> None:
            pass

    hub = trionet.Hub[str]()
    async with trio.open_nursery() as nursery:
        await nursery.start(hub.run)
        # So many that the hub pauses before it comes to the client.
        for _ in range(2000):
            hub.add(Bin(), trionet.encode_line, topics=["news"])
        async with run_handler(partial(load("topics").relay, hub)) as connect:
            ann = await connect("ann")
            await ann.send("+news", "news one")
            await ann.expect("news: one")
            await ann.send("news two")
            await ann.send_eof()
            await ann.expect("news: two")
            await ann.expect_end()
        nursery.cancel_scope.cancel()


async def test_key_value_keeps_a_value_until_it_expires(autojump_clock: MockClock) -> None:
    key_value = load("key_value")
    async with run_handler(key_value.serve, lifespan=key_value.lifespan) as connect:
        ann, bob = await connect(), await connect()
        await ann.send("set colour 10 dark blue", "set shape 0 round", "get colour", "set x y z")
        wrong = "error: write set KEY SECONDS VALUE, get KEY or delete KEY"
        await ann.expect("ok", "ok", "dark blue", wrong)
        await bob.send("get colour")
        await bob.expect("dark blue")
        await bob.expect_silence(9.5)
        await bob.send("get colour", "get shape", "delete shape", "delete shape")
        await bob.expect("dark blue", "round", "ok", "error: no such key")
        await bob.expect_silence(0.5)
        await bob.send("get colour", "get shape")
        await bob.expect("error: no such key", "error: no such key")
        await bob.expect_silence(1.5)
        assert connect.server.state.values == {}


async def test_key_value_is_bounded(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    key_value = load("key_value")
    monkeypatch.setattr(key_value, "MAX_KEYS", 1)
    async with run_handler(key_value.serve, lifespan=key_value.lifespan) as connect:
        client = await connect()
        await client.send("set a 0 1", "set b 0 1", "set a 0 2", "get a")
        await client.expect("ok", "error: the store is full", "ok", "2")


async def test_broker_sends_what_is_published_to_those_who_subscribed(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = load("broker")
    monkeypatch.setattr(broker, "MAX_TOPICS", 2)
    hub = trionet.Hub[str]()
    async with trio.open_nursery() as nursery:
        await nursery.start(hub.run)
        async with run_handler(partial(broker.serve, hub)) as connect:
            ann, bob = await connect("ann"), await connect("bob")
            await ann.send("subscribe news", "subscribe sport", "subscribe more", "hello")
            await ann.expect("ok", "ok", "error: at most 2 topics")
            await ann.expect(
                "error: write subscribe TOPIC, unsubscribe TOPIC or publish TOPIC TEXT"
            )
            await ann.send("unsubscribe sport")
            await ann.expect("ok")
            await bob.send("publish news one", "publish sport two")
            await bob.send_bytes(b"\xff\npublish news three\n")
            await bob.expect("ok", "ok", "error: line is not UTF-8", "ok")
            await ann.expect("news: one", "news: three")
            await ann.expect_silence(60)
            await bob.send("publish news last")
            await bob.send_eof()
            await bob.expect("ok")
            await bob.expect_end()
            await ann.expect("news: last")
        nursery.cancel_scope.cancel()


async def test_rpc_answers_calls_and_mistakes(autojump_clock: MockClock) -> None:
    rpc = load("rpc")
    async with run_handler(rpc.serve, encode_notice=rpc.encode_notice) as connect:
        client = await connect()
        for asked, answered in {
            '{"id": 1, "call": "add", "with": [1, 2]}': '{"id": 1, "result": 3}',
            '{"id": 2, "call": "wait", "with": [9]}': (
                '{"id": 2, "error": "no result within 5 seconds"}'
            ),
            '{"id": 3, "call": "no", "with": []}': (
                '{"id": 3, "error": "this cannot be called: KeyError(\'no\')"}'
            ),
        }.items():
            await client.send(asked)
            await client.expect(answered)
        await client.send("x")
        assert '"id": null, "error": "this cannot be called: JSONDecodeError' in (
            await client.receive()
        )
        await client.send_bytes(b"\xff\n")
        await client.expect('{"id": null, "error": "line is not UTF-8"}')


async def test_rpc_answers_a_quick_call_before_a_slow_one(autojump_clock: MockClock) -> None:
    async with run_handler(load("rpc").serve) as connect:
        client = await connect()
        await client.send(
            '{"id": 1, "call": "wait", "with": [3]}', '{"id": 2, "call": "add", "with": [1, 2]}'
        )
        await client.expect('{"id": 2, "result": 3}', '{"id": 1, "result": "waited"}')


async def test_the_client_of_rpc_calls_from_many_tasks(
    autojump_clock: MockClock, capsys: pytest.CaptureFixture[str]
) -> None:
    rpc, client = load("rpc"), load("rpc_client")
    network, address = MemoryNetwork(), "localhost:7006"
    results: list[object] = []

    async def call(caller: object, *arguments: object) -> None:
        results.append(await caller.call(*arguments))  # type: ignore[attr-defined]

    async with trio.open_nursery() as nursery:
        await nursery.start(partial(trionet.serve, rpc.serve, address, network=network))
        async with client.connected(address, network) as caller:
            async with trio.open_nursery() as calling:
                for number in range(20):
                    calling.start_soon(call, caller, "add", number, 1)
            assert sorted(results) == [*range(1, 21)]  # type: ignore[type-var]
            with pytest.raises(client.CallFailed, match="no result within 5 seconds"):
                await caller.call("wait", 60)
            assert await caller.call("add", 1, 1) == 2
            nursery.cancel_scope.cancel()


async def test_line_proxy_passes_everything_on_as_it_came(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "trionet.line_proxy")
    proxy, network = load("line_proxy"), MemoryNetwork()
    lines = (b"one\r\n", b"\xff\r\r\n", b"\n", b"x" * 500_000 + b"\n", b"half")
    async with trio.open_nursery() as nursery:
        limits = trionet.Limits(max_line=proxy.MAX_LINE)
        serve = partial(trionet.serve, network=network, decode=False, limits=limits)
        await nursery.start(serve, load("echo").echo, "localhost:7000")
        handler = partial(proxy.proxy, "localhost:7000", network=network)
        async with run_handler(handler, network=network, decode=False, limits=limits) as connect:
            client = await connect()
            nursery.start_soon(client.send, *lines)
            received = b""
            while len(received) < sum(map(len, lines)):
                received += await client.stream.receive_some()
                if received.endswith(b"x\n"):
                    await client.send_eof()
            assert received == b"".join(lines)
            assert await client.stream.receive_some() == b""
            await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert "5 lines there, 5 back" in caplog.text


async def test_line_proxy_ends_a_connection_when_there_is_no_server(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    closed: list[object] = []
    network = MemoryNetwork()
    handler = partial(load("line_proxy").proxy, "localhost:7000", network=network)
    async with run_handler(
        handler, network=network, decode=False, on_event=closed.append
    ) as connect:
        client = await connect()
        await client.expect_end()
        await client.aclose()
        await trio.testing.wait_all_tasks_blocked()
    assert "cannot connect to localhost:7000" in str(closed[-1])
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


async def test_line_proxy_ends_with_its_server(autojump_clock: MockClock) -> None:
    async def say_goodbye(connection: trionet.Connection[bytes]) -> None:
        await connection.send(b"goodbye\n")

    network = MemoryNetwork()
    async with trio.open_nursery() as nursery:
        serve = partial(trionet.serve, network=network, decode=False)
        await nursery.start(serve, say_goodbye, "localhost:7000")
        handler = partial(load("line_proxy").proxy, "localhost:7000", network=network)
        async with run_handler(handler, network=network, decode=False) as connect:
            client = await connect()
            await client.expect(b"goodbye\n")
            await client.expect_end()
        nursery.cancel_scope.cancel()


async def test_two_services_shows_an_operator_who_is_there(autojump_clock: MockClock) -> None:
    network = MemoryNetwork()
    where = ("localhost:7010", "localhost:7011")
    services = [one.replace(network=network) for one in load("two_services").services(*where)]
    async with trio.open_nursery() as nursery:
        for service in services:
            await nursery.start(service.serve)
        ann = LineClient(await network.connect(where[0]), name="ann")
        operator = LineClient(await network.connect(where[1]), name="operator")
        await ann.send("hello")
        await ann.expect("HELLO")
        await operator.send("list")
        assert re.fullmatch(r"1 \S+ 6 bytes in", await operator.receive())
        await operator.send("count", "close 7", "close 1", "list")
        await operator.expect("end")
        assert "opened=1" in await operator.receive()
        await operator.expect("error: write list, count or close ID", "ok")
        await ann.expect_end()
        await ann.aclose()
        await operator.expect("end")
        nursery.cancel_scope.cancel()


SERVICES = ["echo", "daytime", "ticker", "board", "topics", "key_value", "broker"]


@pytest.mark.parametrize("name", SERVICES)
def test_ctrl_c_ends_a_service_with_status_0(name: str) -> None:
    command = [sys.executable, str(EXAMPLES / f"{name}.py"), "127.0.0.1:0"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            listening = re.fullmatch(
                r"listening on 127\.0\.0\.1:(\d+)\n", process.stdout.readline()
            )
            assert listening
            where = ("127.0.0.1", int(listening[1]))
            with socket.create_connection(where, timeout=PATIENCE) as client:
                if name in ("board", "key_value", "broker"):
                    client.sendall(b"get x\n")
                if name == "echo":
                    client.sendall(b"hello\r\nand good")
                    client.sendall(b"bye\n")
                    client.shutdown(socket.SHUT_WR)
                    with client.makefile("rb") as received:
                        assert received.read() == b"hello\nand goodbye\n"
                else:
                    if name == "topics":
                        client.sendall(b"+news\nnews hello\n")
                    assert client.recv(1)
            assert process.poll() is None
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=PATIENCE)
            assert process.returncode == 0
            assert "Traceback" not in errors
        finally:
            process.kill()


def test_a_service_whose_port_is_in_use_says_so_in_one_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        command = [sys.executable, str(EXAMPLES / "ticker.py"), address]
        run = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert (run.returncode, run.stdout) == (1, "")
    assert run.stderr == f"error: cannot listen on {address}: address already in use\n"


async def test_daytime_sends_the_time_and_closes(autojump_clock: MockClock) -> None:
    async with run_handler(load("daytime").daytime) as connect:
        before = datetime.now(UTC).replace(microsecond=0)
        client = await connect()
        line = await client.receive()
        # As RFC 867 has it: "Tuesday, February 22, 1982 17:37:43-PST".
        said = datetime.strptime(line, "%A, %B %d, %Y %H:%M:%S-UTC").replace(tzinfo=UTC)
        assert before <= said <= before + timedelta(seconds=PATIENCE)
        await client.expect_end()


async def test_ticker_sends_each_tick_to_every_client(autojump_clock: MockClock) -> None:
    ticker = load("ticker")
    hub = trionet.Hub[str]()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(hub.run)
        nursery.start_soon(ticker.tick, hub)
        async with run_handler(partial(ticker.watch, hub)) as connect:
            began = trio.current_time()
            ann = await connect("ann")
            await ann.expect("tick 1")
            bob = await connect("bob")
            await bob.send("faster!")
            await ann.expect("tick 2")
            await bob.expect("tick 2")
            assert trio.current_time() == began + 2
            await ann.aclose()
            await bob.expect("tick 3", "tick 4")
            cid = await connect("cid")
            await bob.send_eof()
            await bob.expect_end()
            await cid.expect("tick 5")
            assert trio.current_time() == began + 5
        nursery.cancel_scope.cancel()


async def test_ticker_goes_on_when_a_client_is_reset(autojump_clock: MockClock) -> None:
    ticker = load("ticker")
    hub = trionet.Hub[str]()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(hub.run)
        nursery.start_soon(ticker.tick, hub)
        async with run_handler(partial(ticker.watch, hub)) as connect:
            ann, bob = await connect("ann"), await connect("bob")
            connect.network.streams[0].reset()
            await bob.expect("tick 1", "tick 2")
            with pytest.raises(trio.ClosedResourceError):
                await ann.send("am I still here?")
        nursery.cancel_scope.cancel()


async def test_board_answers_in_order_with_what_it_tells_all(autojump_clock: MockClock) -> None:
    board = load("board")
    hub = trionet.Hub[str]()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(hub.run)
        async with run_handler(partial(board.serve, hub, {})) as connect:
            ann, bob = await connect("ann"), await connect("bob")
            # An answer shows that he is a member.
            await bob.send("get x")
            await bob.expect("error: no such key")
            await ann.send_bytes(b"get x\nset x 1 2\n\xff\nget x\n" + b"z" * 4097 + b"\nset\n")
            await ann.expect("error: no such key", "changed x", "ok", "error: line is not UTF-8")
            await ann.expect("1 2", "error: line is longer than 4096 bytes")
            await ann.expect("error: write set KEY VALUE, or get KEY")
            await bob.expect("changed x")
            # The last lines are answered, even if no more can come.
            await bob.send("set x 3", "get x")
            await bob.send_eof()
            await bob.expect("changed x", "ok", "3")
            await bob.expect_end()
            await ann.expect("changed x")
        nursery.cancel_scope.cancel()


ROOM = "127.0.0.1:22223"


async def test_chat_bot_greets_whoever_joins_and_tells_the_time(autojump_clock: MockClock) -> None:
    network = MemoryNetwork()
    [listener] = await network.listen(ROOM)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(load("chat_bot").run, ROOM, network)
        async with LineClient(await listener.accept(), name="room") as room:
            await room.expect("greeter")
            await room.send("*** welcome, greeter (2 here: Ann, greeter)", "Ann: hello, greeter")
            await room.expect_silence(1)
            await room.send("*** Bob joined (3 here)", "*** Ann left (2 here)")
            await room.expect("hello, Bob")
            await room.send("Bob: !time")
            assert re.fullmatch(r"it is \d\d:\d\d:\d\d UTC", await room.receive())
            # What only looks like what the bot answers to.
            await room.send("Bob: *** Eve joined (3 here)", "* Bob !time", "Bob: what is !time")
            await room.expect_silence(1)
    # The room has closed, and the bot has ended by itself.


async def test_chat_bot_gives_up_when_it_is_refused(autojump_clock: MockClock) -> None:
    network = MemoryNetwork()
    [listener] = await network.listen(ROOM)

    async def refuse() -> None:
        async with LineClient(await listener.accept(), name="room") as room:
            await room.expect("greeter")
            await room.send("error: the name greeter is taken")
            await room.expect_end()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(refuse)
        with pytest.raises(SystemExit, match="error: the name greeter is taken"):
            await load("chat_bot").run(ROOM, network)


async def test_calc_client_prints_each_expression_with_its_result(
    autojump_clock: MockClock, capsys: pytest.CaptureFixture[str]
) -> None:
    network = MemoryNetwork()
    expressions = ["12 + 42", "10^9 + 0.5", "1 / 0", "2(3)"]
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(calc.serve, "localhost:22333", network=network))
        await load("calc_client").main(expressions, network)
        nursery.cancel_scope.cancel()
    assert capsys.readouterr().out.splitlines() == [
        "12 + 42 = 54",
        "10^9 + 0.5 = 1,000,000,000.5",
        "1 / 0 = error: division by zero",
        "2(3) = error: expected an operator at column 2 (write 2*(3))",
    ]


# test_your_handler.py is run by pytest itself: in trio mode in test_docs.py, which has a run of it
# anyway, and without in test_pytest_plugin.py, for the same reason.


async def test_chat_bridge_carries_messages_both_ways(autojump_clock: MockClock) -> None:
    network = MemoryNetwork()
    one, other = "localhost:7001", "localhost:7002"
    async with trio.open_nursery() as nursery:
        for address in (one, other):
            await nursery.start(partial(chat.serve, address, network=network, forever=True))
        async with (
            chat.Client(one, name="ann", network=network) as ann,
            chat.Client(other, name="bob", network=network) as bob,
        ):
            nursery.start_soon(load("chat_bridge").run, one, "lobby", other, "lobby", network)
            await trio.sleep(1)
            await ann.say("lobby", "hello")
            await bob.say("lobby", "hello to you")
            await trio.sleep(1)
            for client, text in ((ann, "<bob> hello to you"), (bob, "<ann> hello")):
                async for event in client:
                    if isinstance(event, Said) and event.name == "bridge":
                        assert event.text == text
                        break
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def chat_of(
    address: str, network: trionet.Network = trionet.SYSTEM
) -> AsyncIterator[tuple[trio.Nursery, str]]:
    """Serve a chat, and yield a nursery for bots and the address."""
    async with trio.open_nursery() as nursery:
        start = partial(chat.serve, network=network, forever=True)
        server = await nursery.start(start, address)
        yield nursery, server.addresses[0]
        nursery.cancel_scope.cancel()


async def next_said(client: chat.Client, name: str) -> str:
    with trio.fail_after(PATIENCE):
        async for event in client:
            if isinstance(event, Said) and event.name == name:
                return event.text
    raise AssertionError("the events ended")


async def test_chat_commands_answers_what_it_knows(autojump_clock: MockClock) -> None:
    network = MemoryNetwork()
    async with (
        chat_of("localhost:22223", network) as (nursery, address),
        chat.Client(address, name="ann", network=network) as ann,
    ):
        nursery.start_soon(partial(load("chat_commands").run, address, ["lobby"], network))
        await trio.sleep(1)
        await ann.say("lobby", "hello")
        for command, reply in {
            "!time": r"it is \d\d:\d\d:\d\d UTC",
            "!roll 6": "ann rolls [1-6]",
            "!roll x": "commands: .*",
            "!help": "commands: !time, !roll SIDES, !find WORDS",
            "!find hello": "ann: hello",
            "!find nothing": "nobody has said that",
        }.items():
            await ann.say("lobby", command)
            assert re.fullmatch(reply, await next_said(ann, "bot"))


async def test_chat_logger_goes_on_where_it_was(autojump_clock: MockClock, tmp_path: Path) -> None:
    network, file = MemoryNetwork(), tmp_path / "log"
    run = partial(load("chat_logger").run, "localhost:22223", "lobby", str(file), network)
    async with (
        chat_of("localhost:22223", network),
        chat.Client("localhost:22223", name="ann", network=network) as ann,
    ):
        await ann.say("lobby", "early")
        for text in ("one", "two"):
            with trio.move_on_after(5):
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(run)
                    await trio.sleep(1)
                    await ann.say("lobby", text)
                    # Its line breaks, and it hears what it missed.
                    network.streams[-1].sever()
                    await ann.say("lobby", f"while {text}")
            await ann.say("lobby", f"after {text}")
        past = [event.number async for event in ann.history("lobby", after=0)]
    logged = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    assert [one["text"] for one in logged if one["type"] == "said"] == [
        "early", "one", "while one", "after one", "two", "while two",
    ]  # fmt: skip
    # Nothing is left out or doubled, to the moment when it was stopped.
    numbers = [one["number"] for one in logged]
    assert numbers == past[: len(numbers)]


@pytest.mark.parametrize(
    ("needs", "script", "asked", "name", "reply"),
    [
        (["sh", "nc", "jq"], "chat_uptime.sh", "!uptime", "uptime", ".*load average.*"),
        (["node"], "chat_greeter.mjs", "hi", "greeter", "hello, bob"),
    ],
)
async def test_a_bot_in_another_language_answers(
    needs: list[str], script: str, asked: str, name: str, reply: str
) -> None:
    for program in needs:
        if shutil.which(program) is None:
            lacking(f"there is no {program}")
    async with (
        chat_of("127.0.0.1:0") as (nursery, address),
        chat.Client(address, name="ann") as ann,
    ):
        host, _, port = address.rpartition(":")
        command = [needs[0], str(EXAMPLES / script), host, port]
        # In a group of its own, because a shell leaves the other programs of its pipe behind.
        start = partial(trio.run_process, command, start_new_session=True, check=False)
        bot = await nursery.start(start)
        with trio.fail_after(PATIENCE):
            async for event in ann:
                if event.type == "joined":
                    break
        async with chat.Client(address, name="bob") as bob:
            await bob.say("lobby", asked)
            assert re.fullmatch(reply, await next_said(ann, name))
        os.killpg(bot.pid, signal.SIGTERM)


async def test_the_bot_in_node_quits_at_ctrl_c() -> None:
    if shutil.which("node") is None:
        lacking("there is no node")
    async with (
        chat_of("127.0.0.1:0") as (nursery, address),
        chat.Client(address, name="ann") as ann,
    ):
        host, _, port = address.rpartition(":")
        command = ["node", str(EXAMPLES / "chat_greeter.mjs"), host, port]
        bot = await nursery.start(partial(trio.run_process, command))
        with trio.fail_after(PATIENCE):
            async for event in ann:
                if event.type == "joined":
                    bot.send_signal(signal.SIGINT)
                if isinstance(event, Left):
                    assert event.reason == "quit"
                    break
            assert await bot.wait() == 0


# The bots that are written with `Client`, each with what stands behind the addresses.
BOTS = {
    "chat_commands": ["{}"],
    "chat_logger": ["{}", "lobby", "/dev/null"],
    "chat_bridge": ["{}", "lobby", "{}", "lobby"],
}


@pytest.mark.parametrize("name", BOTS)
def test_a_bot_with_no_server_says_so_in_one_line(name: str) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
        arguments = [argument.format(address) for argument in BOTS[name]]
        command = [sys.executable, str(EXAMPLES / f"{name}.py"), *arguments]
        run = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert run.stderr == f"error: cannot connect to {address}: connection refused\n"
    assert run.returncode == 1


@pytest.mark.parametrize("name", BOTS)
async def test_a_bot_ends_at_ctrl_c_without_a_traceback(name: str) -> None:
    async with chat_of("127.0.0.1:0") as (nursery, address):
        arguments = [argument.format(address) for argument in BOTS[name]]
        command = [sys.executable, str(EXAMPLES / f"{name}.py"), *arguments]
        start = partial(trio.run_process, command, check=False, capture_stderr=True)
        async with chat.Client(address, name="ann") as ann:
            result: list[subprocess.CompletedProcess[bytes]] = []

            async def run(task_status: trio.TaskStatus[trio.Process]) -> None:
                result.append(await start(task_status=task_status))

            bot = await nursery.start(run)
            with trio.fail_after(PATIENCE):
                async for event in ann:
                    if event.type == "joined":
                        break
                bot.send_signal(signal.SIGINT)
                await bot.wait()
                await trio.testing.wait_all_tasks_blocked()
        assert (result[0].returncode, result[0].stderr) == (130, b"")


async def test_the_bot_of_the_readme_hears_itself_and_leaves() -> None:
    for program in ("sh", "nc", "jq"):
        if shutil.which(program) is None:
            lacking(f"there is no {program}")
    readme = (EXAMPLES.parent / "README.md").read_text(encoding="utf-8")
    (script,) = re.findall(r"```sh\n(\(printf .*?)```", readme, re.DOTALL)
    async with chat_of("127.0.0.1:0") as (_nursery, address):
        host, _, port = address.rpartition(":")
        script = script.replace("sleep 60", "sleep 0").replace("localhost 22223", f"{host} {port}")
        with trio.fail_after(PATIENCE):
            run = partial(trio.run_process, ["sh", "-c", script], capture_stdout=True)
            assert (await run()).stdout == b"builds bot: green\nall 120 tests\n"
