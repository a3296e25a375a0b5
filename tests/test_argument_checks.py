"""Misuse is refused at the call, before anything is listened on, with what to write instead."""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock, Mock

import pytest
import trio

import trionet.testing
from trionet import (
    SYSTEM,
    AddressError,
    Connection,
    Hub,
    Limits,
    LineDecoder,
    LineReader,
    LineStream,
    Outbox,
    SystemNetwork,
    WhenFull,
    WhenSlow,
    calc,
    chat,
    encode_line,
    parse_address,
    serve,
)
from trionet.testing import (
    LineClient,
    Link,
    MemoryNetwork,
    ScriptedServer,
    cut_bytes,
    memory_stream_pair,
    run_handler,
)

WHERE = "localhost:7000"


async def echo(connection: Connection) -> None:
    async for line in connection.lines:
        await connection.send(line)


def sync(connection: Connection) -> None:
    pass


def without_any() -> None:
    pass


def print_event(event: object) -> None:
    del event


async def without_argument() -> None:
    pass


async def anything(*arguments: object) -> None:
    pass


# Each argument, at every entry point that has it


async def serve_echo(*addresses: Any, **options: Any) -> None:
    await serve(echo, *addresses, **options)


SERVERS = pytest.mark.parametrize("start", [serve_echo, calc.serve, chat.serve])

Start = Callable[..., Awaitable[None]]


@contextmanager
def refused(error: type[Exception], told: str) -> Iterator[None]:
    """Check that the error comes by itself, not in a group, and is one line."""
    with pytest.raises(error, match=told) as caught:
        yield
    assert type(caught.value) is error
    assert "\n" not in str(caught.value)


@SERVERS
async def test_serving_without_an_address_is_refused(start: Start) -> None:
    with refused(ValueError, "needs at least one address"):
        await start(network=MemoryNetwork())


@SERVERS
@pytest.mark.parametrize(
    ("address", "error", "told"),
    [
        ([WHERE], TypeError, r"one by one: write .*\*addresses"),
        ((WHERE, "localhost:7001"), TypeError, r"one by one: write .*\*addresses"),
        (("localhost", 7000), TypeError, r"one by one"),
        (7777, TypeError, "write 'localhost:7777', not 7777"),
        (True, TypeError, "write 'HOST:PORT', not True"),
        (b"localhost:7000", TypeError, "an address is a text"),
        (Path("/run/x"), TypeError, "an address is a text"),
        (None, TypeError, "an address is a text"),
        ("7777", AddressError, "such as localhost:7777, or :7777 for all interfaces"),
        (
            "tls:7777",
            AddressError,
            "write tls:HOST:PORT, such as tls:localhost:7777, or tls::7777 ",
        ),
        ("", AddressError, "write HOST:PORT"),
    ],
)
async def test_a_value_that_is_not_an_address_is_refused(
    start: Start, address: object, error: type[Exception], told: str
) -> None:
    network = MemoryNetwork()
    with refused(error, told):
        await start(WHERE, address, network=network)
    await network.listen(WHERE)


@SERVERS
@pytest.mark.parametrize(
    ("option", "value", "error", "told"),
    [
        ("limits", {"rate": 1}, TypeError, r"write trionet.Limits\(rate=1\)"),
        ("limits", Limits, TypeError, "limits must be a Limits"),
        ("limits", 10, TypeError, "limits must be a Limits"),
        ("backlog", "5", TypeError, "a whole number from 0 to 65,535, not '5'"),
        ("backlog", True, TypeError, "a whole number from 0 to 65,535, not True"),
        ("backlog", -1, ValueError, "a whole number from 0 to 65,535, not -1"),
        ("backlog", 99999999999, ValueError, "a whole number from 0 to 65,535, not 99999999999"),
        ("on_event", "log", TypeError, "on_event must be a function, not 'log'"),
        ("on_event", echo, TypeError, "write def echo, not async def"),
        ("network", MemoryNetwork, TypeError, r"network must have listen\(\) and connect\(\)"),
        ("network", None, TypeError, r"network must have listen\(\) and connect\(\)"),
    ],
)
async def test_an_option_of_the_wrong_kind_is_refused(
    start: Start, option: str, value: object, error: type[Exception], told: str
) -> None:
    network = MemoryNetwork()
    with refused(error, told):
        await start(WHERE, **{"network": network, option: value})
    await network.listen(WHERE)


@pytest.mark.parametrize(
    ("start", "option", "value", "told"),
    [
        (serve_echo, "when_slow", "drop", "must be WhenSlow.DISCONNECT or WhenSlow.DROP_OLDEST"),
        (serve_echo, "when_slow", WhenFull.WAIT, "must be WhenSlow.DISCONNECT or"),
        (serve_echo, "when_full", "refuse", "must be WhenFull.WAIT or WhenFull.REFUSE"),
        (serve_echo, "when_full", WhenSlow.DISCONNECT, "must be WhenFull.WAIT or"),
        (serve_echo, "refuse_http", "no", "must be True or False, not 'no'"),
        (serve_echo, "encode_notice", b"lost\n", "encode_notice must be a function"),
        (serve_echo, "encode_notice", None, "encode_notice must be a function, not None"),
        (serve_echo, "encode_notice", anything, "write def anything, not async def"),
        (serve_echo, "on_drain", without_argument, "write def without_argument, not async def"),
        (serve_echo, "on_drain", print_event, "on_drain is called with 0 arguments"),
        (serve_echo, "on_event", without_any, "on_event is called with 1 argument"),
        (serve_echo, "identifies", "no", "must be True or False, not 'no'"),
        (calc.serve, "show", without_any, "show is called with 1 argument"),
        (calc.serve, "once", "yes", "must be True or False, not 'yes'"),
        (calc.serve, "show", "print", "show must be a function"),
        (calc.serve, "precision", "28", "precision must be a whole number from 1 to 100, not '28'"),
        (calc.serve, "precision", 28.5, "precision must be a whole number from 1 to 100, not 28.5"),
        (calc.serve, "precision", True, "precision must be a whole number from 1 to 100, not True"),
        (chat.serve, "forever", 1, "must be True or False, not 1"),
        (chat.serve, "show", anything, "write def anything, not async def"),
        (chat.serve, "show_messages", None, "must be True or False, not None"),
    ],
)
async def test_an_option_of_one_server_is_refused(
    start: Start, option: str, value: object, told: str
) -> None:
    with refused(TypeError, told):
        await start(WHERE, **{"network": MemoryNetwork(), option: value})


def test_calculator_client_options_are_checked_when_it_is_made() -> None:
    with refused(TypeError, "write 'localhost:7777', not 7777"):
        calc.Client(7777, name="ann")  # type: ignore[arg-type]
    with refused(AddressError, "such as localhost:7777"):
        calc.Client("7777", name="ann")
    with refused(TypeError, "name must be a text, not 7"):
        calc.Client(WHERE, name=7)  # type: ignore[arg-type]
    with refused(TypeError, r"network must have listen\(\) and connect\(\)"):
        calc.Client(WHERE, name="ann", network=SystemNetwork)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "error", "told"),
    [
        ({"unix_mode": "660"}, TypeError, "a number such as 0o660, not '660'"),
        ({"unix_mode": 6.6}, TypeError, "a number such as 0o660"),
        ({"unix_mode": True}, TypeError, "a number such as 0o660"),
        ({"unix_mode": 660}, ValueError, "from 0 to 0o777, octal, such as 0o660"),
        ({"unix_mode": -1}, ValueError, "from 0 to 0o777"),
        ({"certificate": b"PEM"}, TypeError, "certificate must be the path of a file"),
        ({"certificate": "a", "private_key": 5}, TypeError, "private_key must be the path"),
        ({"ca": object()}, TypeError, "ca must be the path of a file"),
    ],
)
def test_system_network_options_are_checked_when_it_is_made(
    options: dict[str, Any], error: type[Exception], told: str
) -> None:
    with refused(error, told):
        SystemNetwork(**options)
    assert SystemNetwork(unix_mode=0o777, certificate=Path("a"), private_key="b", ca="c")


@pytest.mark.parametrize("network", [SYSTEM, MemoryNetwork()])
async def test_a_network_refuses_a_wrong_address_and_a_wrong_backlog(network: Any) -> None:
    for address in (7777, None, [WHERE]):
        with refused(TypeError, "an address is a text"):
            await network.listen(address)
        with refused(TypeError, "an address is a text"):
            await network.connect(address)
    for backlog in (-1, 1 << 40):
        with refused(ValueError, "backlog must be a whole number"):
            await network.listen("localhost:0", backlog=backlog)
    with refused(TypeError, "backlog must be a whole number"):
        await network.listen("localhost:0", backlog=5.0)


async def test_a_memory_network_refuses_a_wrong_link_and_a_wrong_source() -> None:
    with refused(TypeError, r"link must be a Link: write Link\(capacity=100\)"):
        MemoryNetwork(link=Link)  # type: ignore[arg-type]
    network = MemoryNetwork()
    await network.listen(WHERE)
    for name in ("link", "back"):
        with refused(TypeError, f"{name} must be a Link"):
            await network.connect(WHERE, **{name: {"capacity": 100}})  # type: ignore[arg-type]
    with refused(TypeError, "source must be a host"):
        await network.connect(WHERE, source=7)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "error", "told"),
    [
        ({"capacity": "100"}, TypeError, "capacity must be a whole number"),
        ({"capacity": 1.5}, TypeError, "capacity must be a whole number"),
        ({"latency": "1"}, TypeError, "latency must be a number"),
        ({"latency": math.nan}, ValueError, "latency must be finite"),
        ({"latency": math.inf}, ValueError, "latency must be finite"),
        ({"cut": 5}, TypeError, "cut must make a cut"),
        ({"sends_now": 0}, TypeError, "sends_now must be True or False"),
    ],
)
def test_link_options_are_checked_when_it_is_made(
    options: dict[str, Any], error: type[Exception], told: str
) -> None:
    with refused(error, told):
        Link(**options)
    assert Link(cut=cut_bytes, latency=1, capacity=1)


@pytest.mark.parametrize("value", [7777, b"localhost:1", None, ["localhost:1"], "x" * 1000])
def test_a_wrong_value_is_shown_in_short(value: Any) -> None:
    with pytest.raises((TypeError, AddressError)) as caught:
        parse_address(value)
    assert isinstance(value, str) or len(str(caught.value)) < 150


# How objects show themselves


async def test_a_servers_repr_shows_where_it_listens_and_its_state(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with run_handler(echo) as connect:
        server = connect.server
        where = ", ".join(server.addresses)
        assert repr(server) == f"<Server on {where}: 0 connections>"
        client = await connect("ann")
        await client.expect_silence(1)
        assert repr(server) == f"<Server on {where}: 1 connection>"
        assert repr(connect) == f"<RunningHandler: {server!r}>"
        assert repr(client) == f"<LineClient 'ann': {client.stream!r}>"
        async with trio.open_nursery() as nursery:
            nursery.start_soon(server.drain)
            await trio.testing.wait_all_tasks_blocked()
            assert repr(server) == f"<Server on {where}: 0 connections, draining>"
            await client.send_eof()
        assert repr(server) == f"<Server on {where}: ended>"


async def test_the_reprs_of_listeners_and_streams_show_address_and_state() -> None:
    network = MemoryNetwork()
    (listener,) = await network.listen("127.0.0.1:7000")
    assert repr(listener) == "<MemoryListener on 127.0.0.1:7000: 0 waiting>"
    stream = await network.connect("127.0.0.1:7000")
    assert repr(listener) == "<MemoryListener on 127.0.0.1:7000: 1 waiting>"
    assert repr(network) == ("<MemoryNetwork listening on 127.0.0.1:7000: 1 connections made>")
    assert repr(stream) == "<SendingNowMemoryStream to 127.0.0.1:7000>"
    stream.stall()
    assert repr(stream) == "<SendingNowMemoryStream to 127.0.0.1:7000: stalled>"
    stream.close()
    assert repr(stream) == "<SendingNowMemoryStream to 127.0.0.1:7000: closed>"
    await listener.aclose()
    assert repr(listener) == "<MemoryListener on 127.0.0.1:7000: closed>"
    assert repr(network) == "<MemoryNetwork listening on nothing: 1 connections made>"


async def test_the_reprs_of_sockets_show_address_and_whether_closed() -> None:
    (listener,) = await SYSTEM.listen("127.0.0.1:0")
    assert repr(listener) == f"<SocketListener on {listener.address}>"
    ours = await SYSTEM.connect(listener.address)
    theirs = await listener.accept()
    assert repr(ours) == f"<SocketStream to {listener.address}>"
    for end in (ours, theirs, listener):
        await end.aclose()
        assert repr(end).endswith(": closed>")


def test_no_public_object_shows_its_memory_address() -> None:
    silent = {
        name
        for module in (trionet, trionet.testing, calc, chat)
        for name in module.__all__
        if inspect.isclass(kind := getattr(module, name))
        and not getattr(kind, "_is_protocol", False)
        and kind.__repr__ is object.__repr__
    }
    # Nobody meets it in a log.
    assert silent <= {"LineDecoder"}


async def test_the_repr_of_a_line_stream_says_that_it_is_closed() -> None:
    stream, _ = memory_stream_pair()
    lines = LineStream(stream)
    assert repr(lines) == "<LineStream from right, waiting, 0 lines, 0 bytes in>"
    await lines.aclose()
    assert repr(lines) == "<LineStream from right, closed, 0 lines, 0 bytes in>"


def test_the_repr_of_a_calculator_session_says_whose_it_is() -> None:
    session = calc.Session()
    assert repr(session) == "<trionet.calc.Session of nobody yet: open>"
    session.receive("ann")
    session.receive("q")
    assert repr(session) == "<trionet.calc.Session of ann: ended>"


async def test_the_repr_of_a_calculator_client_tells_connecting_from_closed(
    autojump_clock: trio.abc.Clock,
) -> None:
    network = MemoryNetwork(link=Link(latency=5))
    client = calc.Client(WHERE, name="ann", network=network)
    with trio.move_on_after(1) as scope:
        async with trio.open_nursery() as nursery:
            await nursery.start(functools.partial(calc.serve, WHERE, network=network))
            nursery.start_soon(client.__aenter__)
            await trio.testing.wait_all_tasks_blocked()
            assert repr(client) == "<Client 'ann' of localhost:7000: connecting>"
    assert scope.cancelled_caught
    assert repr(client) == "<Client 'ann' of localhost:7000: closed>"


def test_the_reprs_of_a_client_and_a_system_network_show_their_options() -> None:
    assert repr(calc.Client(WHERE, name="ann")) == (
        "<Client 'ann' of localhost:7000: not connected yet>"
    )
    assert repr(calc.Arithmetic(5)) == "Arithmetic(precision=5)"
    assert repr(SYSTEM) == "SystemNetwork()"
    made = SystemNetwork(certificate=Path("c.pem"), private_key="k.pem", unix_mode=0o600)
    assert repr(made) == "SystemNetwork(certificate='c.pem', private_key='k.pem', unix_mode=0o600)"


@pytest.mark.parametrize(
    ("box", "encode", "told"),
    [
        (object(), encode_line, r"write hub.add\(connection.outbox, encode\), not <object"),
        (None, encode_line, r"write hub.add\(connection.outbox, encode\), not None"),
        (Mock(), None, r"write hub.add\(box, trionet.encode_line\)"),
        (Mock(), "utf-8", "encode must be a function, not 'utf-8'"),
        (Mock(), echo, "write def echo, not async def"),
        (Mock(), without_any, "encode is called with 1 argument"),
        ([], encode_line, r"a member must have put\(lines\): .* not \[\]"),
        (AsyncMock(), encode_line, "put must be an ordinary function, not async"),
    ],
)
async def test_a_hub_refuses_a_wrong_member_and_a_wrong_format(
    box: Any, encode: Any, told: str
) -> None:
    hub: Hub[str] = Hub()
    with refused(TypeError, told):
        hub.add(box, encode)


@pytest.mark.parametrize(
    ("call", "told"),
    [
        # Each character of a text would be a topic.
        (lambda hub: hub.add(Mock(), encode_line, topics="room"), r"write topics=\{'room'\}"),
        (lambda hub: hub.add(Mock(), encode_line, topics=3), r"write topics=\{3\}"),
        (lambda hub: hub.add(Mock(), encode_line, topics=[None]), "a topic must be hashable"),
        (lambda hub: hub.add(Mock(), encode_line, topics=[[]]), "a topic must be hashable"),
        (lambda hub: hub.subscribe(Mock(), None), "topic must be hashable, .* not None"),
        (lambda hub: hub.subscribe(Mock(), []), r"topic must be hashable, .* not \[\]"),
        (lambda hub: hub.publish("x", topic=[]), r"topic must be hashable, .* not \[\]"),
        (lambda hub: hub.publish("x", exclude=[1]), "exclude must be one member"),
        (lambda hub: hub.publish("x", without=5), "without a list of members"),
        (lambda hub: hub.publish("x", entries="5"), "entries must be a whole number, not '5'"),
        # A connection in place of its outbox, for example.
        (lambda hub: hub.tell(object(), "x"), r"a member must have put\(lines\)"),
        (lambda hub: hub.tell_lines(object(), b"x\n"), r"a member must have put\(lines\)"),
        (lambda hub: hub.subscribe(object(), "x"), r"a member must have put\(lines\)"),
        (lambda hub: hub.publish("x", exclude=object()), r"a member must have put\(lines\)"),
        (lambda hub: hub.publish_all("hello"), r"events must be a list .* write \[event\]"),
        (lambda hub: hub.publish_all(None), "events must be a list of events"),
    ],
)
async def test_a_hub_refuses_wrong_arguments_and_goes_on(
    call: Callable[[Hub[str]], object], told: str
) -> None:
    hub: Hub[str] = Hub()
    box = Mock()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(hub.run)
        hub.add(box, encode_line)
        with refused(TypeError, told):
            call(hub)
        with refused(TypeError, "entries must be a whole number, not '5'"):
            await hub.wait_room("5")  # type: ignore[arg-type]
        with refused(TypeError, "size must be a whole number, not 1.5"):
            await hub.wait_room(5, size=1.5)  # type: ignore[arg-type]
        hub.publish("hello")
        await hub.wait_delivered()
        nursery.cancel_scope.cancel()
    box.put.assert_called_once_with(b"hello\n")


async def test_methods_refuse_a_wrong_type_too(autojump_clock: trio.abc.Clock) -> None:
    wrong: Any
    near, far = memory_stream_pair()
    reader, client = LineStream(near), LineClient(far)
    for wrong in (3, "end", None):
        with refused(TypeError, "end must be InputEnd.EOF or "):
            reader.stop(wrong)
    for wrong in ("5", None, 1.5):
        with refused(TypeError, "tokens must be a whole number, not "):
            reader.charge(wrong)
    for wrong in (3, [], "text", None):
        with refused(TypeError, "data must be bytes, not "):
            LineDecoder().feed(wrong)
        with refused(TypeError, "data must be bytes, not "):
            await near.send_all(wrong)
    with refused(TypeError, "a line must be a text, not 3"):
        await client.expect("hello", 3)  # type: ignore[arg-type]
    with refused(TypeError, "seconds must be a number of seconds, not '3'"):
        await client.expect_silence("3")  # type: ignore[arg-type]
    with refused(TypeError, "incoming must be True or False, not 'all'"):
        near.stall(incoming="all")  # type: ignore[arg-type]


async def test_a_stream_that_returns_no_bytes_is_named(autojump_clock: trio.abc.Clock) -> None:
    class Wrong:
        async def receive_some(self, _max_bytes: int | None = None) -> Any:
            return 3

    stream: Any = Wrong()
    with refused(TypeError, r"what a stream's receive_some\(\) returns must be bytes, not 3"):
        await LineReader(stream).receive()


async def test_answer_at_once_must_be_a_function(autojump_clock: trio.abc.Clock) -> None:
    wrong: Any = "yes"
    told: list[str] = []

    async def handler(connection: Connection) -> None:
        with refused(TypeError, "answer must be a function, not 'yes'"):
            connection.answer_at_once(wrong)
        told.append("told")

    async with run_handler(handler) as connect:
        await (await connect()).expect_end()
    assert told == ["told"]


def test_what_is_evaluated_must_be_an_expression() -> None:
    text: Any = "1 + 1"
    with refused(TypeError, r"expression must be an Expression: write calc.parse\("):
        calc.Arithmetic().evaluate(text)
    with refused(TypeError, "ans must be a Decimal"):
        calc.Arithmetic().evaluate(calc.parse("ans"), 3)  # type: ignore[arg-type]
    with refused(TypeError, "line must be a BadLine, not 3"):
        calc.Session().receive(3)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("option", "value", "error", "told"),
    [
        ("stream", None, TypeError, r"a stream must have send_all\(\): None has none"),
        ("nursery", None, TypeError, "nursery must be a Nursery"),
        ("max_waiting", "5", TypeError, "max_waiting must be a whole number"),
        ("max_waiting", -1, ValueError, "max_waiting must be a whole number from 1"),
        ("when_slow", "drop", TypeError, "must be WhenSlow.DISCONNECT or WhenSlow.DROP_OLDEST"),
        ("encode_notice", b"lost", TypeError, "encode_notice must be a function"),
        ("on_overflow", print_event, TypeError, "on_overflow is called with 0 arguments"),
        ("on_blocked", without_argument, TypeError, "not async def"),
    ],
)
async def test_outbox_options_are_checked_when_it_is_made(
    nursery: trio.Nursery, option: str, value: object, error: type[Exception], told: str
) -> None:
    stream, _ = memory_stream_pair()
    arguments: dict[str, Any] = {"stream": stream, "nursery": nursery, option: value}
    with refused(error, told):
        Outbox(arguments.pop("stream"), arguments.pop("nursery"), **arguments)


@pytest.mark.parametrize(
    ("option", "value", "error", "told"),
    [
        ("stream", None, TypeError, r"a stream must have send_all\(\): None has none"),
        ("stream", "localhost:7000", TypeError, r"a stream must have send_all\(\): 'localhost"),
        ("max_line", "4", TypeError, "max_line must be a whole number of bytes, not '4'"),
        ("max_line", -1, ValueError, "max_line must be a number of bytes, and not negative"),
        ("max_unending", 1.5, TypeError, "max_unending must be a whole number of bytes, not 1.5"),
        ("on_bad_line", sync, TypeError, "on_bad_line must be an async function, not <function"),
        ("on_bad_line", without_argument, TypeError, "on_bad_line is called with 1 argument"),
    ],
)
async def test_line_stream_options_are_checked_when_it_is_made(
    option: str, value: object, error: type[Exception], told: str
) -> None:
    stream, _ = memory_stream_pair()
    arguments: dict[str, Any] = {"stream": stream, option: value}
    with refused(error, told):
        LineStream(arguments.pop("stream"), **arguments)


async def test_an_expression_and_a_name_must_be_text(autojump_clock: trio.abc.Clock) -> None:
    wrong: Any
    network, told = MemoryNetwork(), []

    async def identifies(connection: Connection) -> None:
        wrong: Any
        for wrong in (5, b"Ann", None):
            with pytest.raises(TypeError, match=r"a name is a text, such as 'Ann', not ") as caught:
                connection.identify(wrong)
            told.append(caught.value)

    async with run_handler(identifies) as connect:
        await (await connect()).expect_end()
    assert len(told) == 3
    async with trio.open_nursery() as nursery:
        await nursery.start(functools.partial(calc.serve, WHERE, network=network))
        async with calc.Client(WHERE, name="ann", network=network) as client:
            for wrong in (5, b"1 + 1", None):
                with refused(TypeError, "an expression is a text, such as '12 "):
                    await client(wrong)
            assert await client("1 + 1") == 2
        nursery.cancel_scope.cancel()


async def test_a_test_that_mixes_up_ends_is_told_so() -> None:
    network: Any = WHERE
    with refused(TypeError, r"network must have listen\(\) and connect\(\)"):
        ScriptedServer(network)
    stream, _ = memory_stream_pair()
    text: Any = "hello"
    with refused(TypeError, r"takes bytes, and send\(\) text: not 'hello'"):
        await LineClient(stream).send_bytes(text)


@pytest.mark.parametrize("line", [b"hello", None, 5, ["a", "b"]])
async def test_a_line_that_is_sent_must_be_text(line: Any) -> None:
    stream, _ = memory_stream_pair()
    with refused(TypeError, "a line is a text, such as 'hello', not "):
        encode_line(line)
    with refused(TypeError, "a line is a text, such as 'hello', not "):
        await LineStream(stream).send("good", line)


@pytest.mark.parametrize(
    ("seconds", "error", "told"),
    [
        ("5", TypeError, "seconds must be a number of seconds, not '5'"),
        (-1, ValueError, "not negative"),
        (math.nan, ValueError, "seconds must be a number of seconds"),
    ],
)
async def test_the_seconds_of_a_drain_are_checked_before_it_begins(
    seconds: Any, error: type[Exception], told: str
) -> None:
    async with run_handler(echo) as connect:
        client = await connect()
        with refused(error, told):
            await connect.server.drain(seconds)
        assert connect.server.drain_deadline == math.inf
        await client.send("hello")
        assert await connect.server.drain(math.inf) == ()
