"""Every public function and class says which argument is of the wrong type.

The tests walk through the public names, call each with everything right but one argument, and look
at the answer. `test_checks` has the words of the answers.
"""

from __future__ import annotations

import importlib
import inspect
import re
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from decimal import Decimal
from typing import Any

import pytest
import trio
from trio.testing import MockClock

import trionet
from trionet import BadLine, Connection, Hub, Limits, Outbox, TrionetError, chat
from trionet._lazy import read_stub
from trionet.connection.connection import Shared
from trionet.connection.deadlines import Deadlines
from trionet.connection.safe_notices import safe_notices
from trionet.connection.serving_options import ServingOptions
from trionet.testing import (
    LineClient,
    MemoryNetwork,
    memory_stream_pair,
)

PACKAGES = ["trionet", "trionet.calc", "trionet.chat", "trionet.testing"]

NO_ITEMS: list[object] = []
WRONG = (None, 3, "x", object(), NO_ITEMS)

# Which of the wrong values are right for an argument of this type.
RIGHT: dict[str, tuple[object, ...]] = {
    "None": (None,),
    "str": ("x",),
    "int": (3,),
    "float": (3,),
    "object": WRONG,
    "Hashable": WRONG,
    "File": ("x",),
    "Iterable": (NO_ITEMS,),
    "Sequence": (NO_ITEMS,),
    "Line": ("x",),
}

# What a message may call an argument instead of its name.
CALLED = {
    "addresses": "address",
    "name": "a name",
    "text": "a line|an address|text",
    "texts": "a line",
    "line": "a line",
    "handler": "handler",
    "nursery": "nursery",
    "precision": "precision",
}

# Names that are left out, with the reason.
A_MESSAGE = "an exception: like Python's own, it takes any message"
NO_ARGUMENT = "it takes no argument"
BY_THE_DECODER = "the decoder makes it for each bad line, and a flood has many; nobody else does"
BY_NAME_RULES = "parse_name makes it, for each login"
LEFT_OUT: dict[str, str] = {
    "AddressError": A_MESSAGE,
    "AnswerTimedOut": A_MESSAGE,
    "ConnectError": A_MESSAGE,
    "ConnectionLost": A_MESSAGE,
    "ListenError": A_MESSAGE,
    "ReceiveInterrupted": A_MESSAGE,
    "TrionetError": A_MESSAGE,
    "UnsendableLine": A_MESSAGE,
    "calc.CalculationError": A_MESSAGE,
    "calc.LimitExceeded": A_MESSAGE,
    "calc.MalformedExpression": A_MESSAGE,
    "calc.NotServed": A_MESSAGE,
    "calc.UnfitName": A_MESSAGE,
    "chat.Misunderstood": A_MESSAGE,
    "chat.HistoryError": A_MESSAGE,
    "chat.RedisError": A_MESSAGE,
    "chat.RequestRefused": A_MESSAGE,
    "chat.PasswordWanted": A_MESSAGE,
    "chat.NameRefused": A_MESSAGE,
    "chat.NameTaken": A_MESSAGE,
    "AddressFull": NO_ARGUMENT,
    "ConnectingTooFast": NO_ARGUMENT,
    "Hub": NO_ARGUMENT,
    "Metrics": NO_ARGUMENT,
    "Reading": "Reading.counter and its siblings make it, and check it: test_metrics.py",
    "ServerClosing": NO_ARGUMENT,
    "ServerFull": NO_ARGUMENT,
    "Statistics": "a server makes it, and a program only reads it",
    "testing.cut_whole": NO_ARGUMENT,
    "TCPAddress": "one is made for each peer, and no public function takes one as an address",
    "LineNotUTF8": BY_THE_DECODER,
    "LineTooLong": BY_THE_DECODER,
    "LineUnending": BY_THE_DECODER,
    "InputEnd": "an enumeration: Python says that a value is not a member",
    "WhenFull": "an enumeration: Python says that a value is not a member",
    "WhenSlow": "an enumeration: Python says that a value is not a member",
    "calc.Bounds": "it holds constants, and calc.BOUNDS is the only one",
    "calc.Expression": "parse makes it for each line; Arithmetic.evaluate refuses anything else",
    "calc.Reply": "a session makes it for each line; a program only reads it",
    "chat.Name": BY_NAME_RULES,
    "respond": "it takes a connection that is served: connection/test_responding.py",
}


async def nothing() -> AsyncIterator[str]:
    return
    yield ""


async def echo(connection: Connection) -> None:
    async for line in connection.lines:
        await connection.send(line)


def working() -> Iterator[int]:
    yield 1


def ignore(*_arguments: object) -> None:
    pass


def never(_line: object) -> bool:
    return False


CONTEXT = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class Stage:
    """What calls need, inside a running event loop."""

    def __init__(self, nursery: trio.Nursery, clock: MockClock) -> None:
        self.nursery = nursery
        self.clock = clock
        self.network = MemoryNetwork()
        self.stream, _ = memory_stream_pair()
        self.deadlines = Deadlines()
        self.hub: Hub[Any] = Hub()
        self.board = chat.Switchboard(self.hub)
        self.server = trionet.Server(echo, [], ServingOptions(**self.serving()))
        self.outbox = Outbox(self.stream, nursery)
        self.context = CONTEXT
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.connected, self.other_end = socket.socketpair()
        self.listener = trionet.SocketListener(self.listening.dup())

    async def aclose(self) -> None:
        await self.listener.aclose()
        for sock in (self.listening, self.connected, self.other_end):
            sock.close()

    def serving(self) -> dict[str, Any]:
        return {
            "limits": Limits(),
            "when_full": trionet.WhenFull.WAIT,
            "when_slow": trionet.WhenSlow.DISCONNECT,
            "encode_notice": trionet.encode_notice,
            "refuse_http": True,
            "identifies": False,
            "on_drain": None,
            "on_event": None,
        }


Call = Callable[[Stage], dict[str, Any]]


def served(stage: Stage, **arguments: object) -> dict[str, Any]:
    return {"addresses": "localhost:7000", "network": stage.network, **arguments}


# The arguments of a right call of each; those with defaults may be left out.
CALLS: dict[str, Call] = {
    "BadLine": lambda _: {"reason": "too long", "start": b"x"},
    "Closed": lambda _: {
        "id": 1, "peer": "a", "reason": "b", "seconds": 1.5,
        "bytes_in": 1, "bytes_out": 1, "lines_in": 1, "lines_out": 1,
    },
    "Connection": lambda stage: {
        "stream": stage.stream, "nursery": stage.nursery,
        "shared": Shared(
            options=ServingOptions(), deadlines=stage.deadlines,
            notices=safe_notices(trionet.encode_notice),
        ),
    },
    "Histogram": lambda _: {"bounds": [1, 2]},
    "Identified": lambda _: {"id": 1, "peer": "a", "name": "b"},
    "IdleTimedOut": lambda _: {"seconds": 1},
    "Limits": lambda _: {},
    "InheritedAddress": lambda _: {"name": "a"},
    "LineDecoder": lambda _: {},
    "LineReader": lambda stage: {"stream": stage.stream},
    "LineRejected": lambda _: {"error": BadLine("too long", b"")},
    "LineStream": lambda stage: {"stream": stage.stream},
    "LinesMissed": lambda _: {"count": 1},
    "LoginTimedOut": lambda _: {"seconds": 1},
    "Opened": lambda _: {"id": 1, "peer": "a"},
    "Opening": lambda _: {"begins": b"{", "max_line": 10, "is_met": never},
    "Outbox": lambda stage: {"stream": stage.stream, "nursery": stage.nursery},
    "Refused": lambda _: {"id": 1, "peer": "a", "reason": "b"},
    "RequestTimedOut": lambda _: {"seconds": 1},
    "Server": lambda stage: {
        "handler": echo, "listeners": [], "options": ServingOptions(**stage.serving()),
    },
    "Service": lambda stage: served(stage, handler=echo),
    "SocketListener": lambda stage: {"sock": stage.listening},
    "SocketStream": lambda stage: {"sock": stage.connected, "peer": "a"},
    "SystemNetwork": lambda _: {},
    "TLSAddress": lambda _: {"tcp": trionet.TCPAddress("a", 1)},
    "WebAddress": lambda _: {"below": trionet.TCPAddress("a", 1)},
    "WebSettings": lambda _: {},
    "TLSListener": lambda stage: {"transport": stage.listener, "context": stage.context},
    "TLSStream": lambda stage: {"transport": stage.stream, "context": stage.context},
    "UnixAddress": lambda _: {"path": "/a"},
    "Requests": lambda stage: {"lines": trionet.LineStream(stage.stream)},
    "connect": lambda stage: {"address": "localhost:1", "network": stage.network},
    "encode_line": lambda _: {"text": "a"},
    "encode_lines": lambda _: {"texts": ["a"]},
    "encode_notice": lambda _: {"notice": trionet.ServerFull()},
    "is_http_request": lambda _: {"line": "a"},
    "lingering_close": lambda stage: {"stream": stage.stream},
    "parse_address": lambda _: {"text": "a:1"},
    "run": lambda stage: served(stage, handler=echo),
    "safe_text": lambda _: {"text": "a"},
    "serve_metrics": lambda stage: {
        "address": "localhost:9100", "read": list, "network": stage.network,
    },
    "serve": lambda stage: served(stage, handler=echo),
    "calc.Arithmetic": lambda _: {},
    "calc.Client": lambda _: {"address": "a:1", "name": "ann"},
    "calc.Session": lambda _: {},
    "calc.check_name": lambda _: {"text": "ann"},
    "calc.converse": lambda stage: {
        "stream": stage.stream, "name": "ann", "operations": nothing(),
        "show": ignore, "refuse": ignore,
    },
    "calc.finish": lambda _: {"work": working()},
    "calc.format_number": lambda _: {"number": Decimal(1)},
    "calc.is_quit": lambda _: {"text": "q"},
    "calc.parse": lambda _: {"text": "1"},
    "calc.parsing": lambda _: {"text": "1"},
    "calc.serve": served,
    "chat.Client": lambda _: {"address": "a:1", "name": "ann"},
    "chat.RedisOptions": lambda _: {"url": "redis://localhost"},
    "chat.Session": lambda stage: {
        "board": stage.board, "box": stage.outbox, "wire": chat.plain,
    },
    "chat.State": lambda _: {},
    "chat.Switchboard": lambda stage: {"hub": stage.hub},
    "chat.converse": lambda stage: {
        "lines": trionet.LineStream(stage.stream), "source": nothing(),
        "show": ignore, "warn": ignore,
    },
    "chat.log_in": lambda stage: {"lines": trionet.LineStream(stage.stream), "name": "ann"},
    "chat.parse_name": lambda _: {"text": "ann"},
    "chat.serve": served,
    "testing.LineClient": lambda stage: {"stream": stage.stream},
    "testing.Link": lambda _: {},
    "testing.MemoryListener": lambda stage: {
        "network": stage.network, "address": "a:1", "backlog": 1,
    },
    "testing.MemoryNetwork": lambda _: {},
    "testing.MemoryStream": lambda stage: {
        "incoming": stage.stream._in, "outgoing": stage.stream._out, "peer": "a",
    },
    "testing.RunningHandler": lambda stage: {"server": stage.server, "network": stage.network},
    "testing.ScriptedServer": lambda stage: {"network": stage.network},
    "testing.SendingNowMemoryStream": lambda stage: {
        "incoming": stage.stream._in, "outgoing": stage.stream._out, "peer": "a",
    },
    "testing.clock_stands_still": lambda stage: {"clock": stage.clock},
    "testing.cut_at": lambda _: {"places": [1]},
    "testing.cut_at_random": lambda _: {"seed": 1},
    "testing.cut_bytes": lambda _: {},
    "testing.memory_stream_pair": lambda _: {},
    "testing.run_handler": lambda stage: {"handler": echo, "network": stage.network},
    "testing.start_handler": lambda stage: {
        "nursery": stage.nursery, "handler": echo, "network": stage.network,
    },
}  # fmt: skip

# Single arguments that take a wrong value in silence, with the reason.
INTERNAL = "only the server itself gives it"
ACCEPTED: dict[tuple[str, str], str] = {
    ("Connection", "number"): INTERNAL,
    ("Outbox", "deferred"): INTERNAL,
    ("calc.serve", "task_status"): "Trio gives it",
    ("chat.serve", "task_status"): "Trio gives it",
    ("serve", "task_status"): "Trio gives it",
    ("serve_metrics", "task_status"): "Trio gives it",
}


def public_callables() -> dict[str, Any]:
    found = {}
    for package in PACKAGES:
        module = importlib.import_module(package)
        for name in read_stub(package):
            value = getattr(module, name)
            is_named = inspect.isclass(value) or inspect.isroutine(value)
            if is_named and not getattr(value, "_is_protocol", False):
                found[f"{package}.{name}".removeprefix("trionet.")] = value
    return found


PUBLIC = public_callables()


def test_every_public_function_and_class_is_tried_or_left_out_for_a_reason() -> None:
    assert PUBLIC.keys() == CALLS.keys() | LEFT_OUT.keys()
    assert not CALLS.keys() & LEFT_OUT.keys()
    assert {name for name, _ in ACCEPTED} <= CALLS.keys()


def types_of(parameter: inspect.Parameter) -> set[str]:
    annotation = parameter.annotation
    without_brackets = annotation.__name__ if inspect.isclass(annotation) else str(annotation)
    while (shorter := re.sub(r"\[[^][]*]", "", without_brackets)) != without_brackets:
        without_brackets = shorter
    return {word.strip().rpartition(".")[2] for word in without_brackets.split("|")}


def is_right(wrong: object, parameter: inspect.Parameter) -> bool:
    if wrong is parameter.default:
        return True
    return any(any(wrong is right for right in RIGHT.get(kind, ())) for kind in types_of(parameter))


async def call(function: Any, arguments: dict[str, Any]) -> object:
    signature = inspect.signature(function)
    by_position = any(each.kind is each.VAR_POSITIONAL for each in signature.parameters.values())
    positional = [
        arguments.pop(name)
        for name, each in signature.parameters.items()
        if name in arguments and by_position and each.kind is not each.KEYWORD_ONLY
    ]
    result = function(*positional, **arguments)
    if isinstance(result, AbstractAsyncContextManager) and not isinstance(result, LineClient):
        async with result:
            pass
    elif isinstance(result, AbstractContextManager) and inspect.isfunction(function):
        with result:
            pass
    elif inspect.isawaitable(result):
        return await result
    return result


@pytest.mark.parametrize("name", CALLS)
async def test_an_argument_of_the_wrong_type_is_named(
    name: str, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    function = PUBLIC[name]
    silent: list[str] = []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind is parameter.VAR_KEYWORD or (name, parameter.name) in ACCEPTED:
            continue
        told = re.compile(rf"\b{parameter.name}\b|{CALLED.get(parameter.name, parameter.name)}")
        for wrong in WRONG:
            if is_right(wrong, parameter):
                continue
            stage = Stage(nursery, autojump_clock)
            arguments = CALLS[name](stage)
            arguments[parameter.name] = wrong
            shown = f"{parameter.name}={wrong!r}"
            try:
                with trio.fail_after(5):
                    result = await call(function, arguments)
            except (TypeError, ValueError, TrionetError) as error:
                if not told.search(str(error)) or "\n" in str(error):
                    silent.append(f"{shown} is answered {error!r}")
            except BaseException as error:
                silent.append(f"{shown} ends in {error!r}")
            else:
                silent.append(f"{shown} gives {result!r}")
            finally:
                await stage.aclose()
    assert not silent, "\n".join(silent)
