"""`serve`: check the arguments, listen, and run a `Server` until it has ended.

`trionet.running_server` does the serving.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from functools import partial
from itertools import count
from typing import Any, TypeAlias, cast

import trio

from trionet.abc import Listener, Network, TellsExpiry
from trionet.argument_checks import check_backlog, check_limits, check_network
from trionet.connection.acceptors import close_all
from trionet.connection.connection import Connection
from trionet.connection.first_line import Opening
from trionet.connection.line_function import LineFunction, serve_with
from trionet.connection.serving_options import ServingOptions
from trionet.connection.serving_options import WhenFull as WhenFull
from trionet.connection.when_slow import WhenSlow
from trionet.events import ServerEvent
from trionet.function_checks import check_callback, check_handler, is_line_function
from trionet.limits import Limits
from trionet.metrics import Reading
from trionet.notices import EncodeNotice, encode_notice
from trionet.running_server import Server as Server
from trionet.transport.addresses import check_addresses, check_decodes
from trionet.transport.network import SYSTEM

# What serves a connection: an async function, or a plain one that is called with each line.
Handler: TypeAlias = Callable[[Connection[Any]], Awaitable[object]] | LineFunction

# Returns what a server runs inside of; see `serve`.
Lifespan: TypeAlias = Callable[[Server], AbstractAsyncContextManager[Any]]


async def serve(
    handler: Handler,
    *addresses: str,
    limits: Limits | None = None,
    when_full: WhenFull = WhenFull.REFUSE,
    when_slow: WhenSlow = WhenSlow.DISCONNECT,
    encode_notice: EncodeNotice = encode_notice,
    refuse_http: bool = True,
    identifies: bool = False,
    on_drain: Callable[[], object] | None = None,
    on_event: Callable[[ServerEvent], object] | None = None,
    opening: Opening | None = None,
    lifespan: Lifespan | None = None,
    decode: bool = True,
    encode_web_notice: EncodeNotice | None = None,
    log_connections: bool = True,
    numbers: count[int] | None = None,
    backlog: int | None = None,
    network: Network = SYSTEM,
    task_status: trio.TaskStatus[Server] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve lines on addresses until drained or cancelled.

    Args:
        handler: an async function, or a plain function that answers lines.

            An async function is called with a `Connection` for each peer, in a task of its own.
            When it returns, the connection is closed; when it raises, the error is logged to
            ``trionet.server`` and the connection is closed. Errors
            that the peer caused need not be caught, and are not logged, whether they come alone or
            in an ``ExceptionGroup``: ``trio.BrokenResourceError`` once the connection is broken;
            ``trio.EndOfChannel`` once ``connection.lines`` have ended; ``trio.ClosedResourceError``
            once the peer was given up; and a `trionet.BadLine` from ``receive_batch``, which the
            peer is told as ``error: REASON``.

            A plain function is called with each good line, a ``str``, and returns the line to
            answer, or ``None``. Bad lines are answered ``error: REASON``. If it raises, the answers
            to the lines before are sent, the error is logged and the connection is closed. Nobody
            else is served while it runs, so it must not block, and should take microseconds. For
            short answers this is the fastest way to write a service, and the simplest. A lambda
            counts as the other kind: it may pass a connection on.
        addresses: see `trionet.parse_address`; at least one.
        limits: default ``Limits()``.
        when_full: what happens beyond `Limits.max_clients`; by default an answer and a close.
        when_slow: what happens beyond `Limits.max_waiting`; by default the peer is given up.
        encode_notice: turns what the toolkit itself tells a peer, a `trionet.Notice`, into whole
            lines in the service's wire format; default `trionet.encode_notice`, which writes
            ``error: REASON``. If it raises, or returns anything but at least one whole line, that
            is logged to ``trionet.connection`` once, and the peer gets the default's line.
        refuse_http: close a connection unanswered when its first line is an HTTP request line, so
            that no web page can talk to this server through a visitor's browser; default ``True``.
        identifies: whether the handler calls `Connection.identify` when it knows who the peer is.
            Then the login deadline runs until it does; by default it runs until the first whole
            line has come.
        on_drain: called once when a drain begins, before the inputs end; default ``None``.
        on_event: called with each `trionet.ServerEvent`: a connection was opened or refused, its
            peer was identified, it was closed. Default ``None``. What it or `on_drain` raises is
            logged to ``trionet.server``, each fault once, and ends nothing. What is not an
            ``Exception``, such as a ``SystemExit``, is not a fault, here or in a handler: it ends
            the server at once, as a cancellation does.
        opening: a first line that makes a peer's lines longer than `Limits.max_line`, for a service
            with two wire formats; default ``None``.
        lifespan: called with the `Server`, returns an async context manager, inside which the
            server runs. It is entered when the addresses are listened on and before anybody is
            accepted, and left when the last handler has ended. What it yields is the `Server.state`
            that all handlers share, such as a pool of connections to a database. What it raises
            ends the server, and is raised here. Default ``None``.
        decode: whether lines are texts; default ``True``. With ``False``, lines are bytes with
            their ends, LF or CR LF as they came, for plain functions too; only a peer's last one
            may have none. `Connection.send` and what a plain function returns add none. Limits,
            deadlines and the rate hold as for texts, but no line is refused because it is not
            UTF-8. ``web:`` addresses are refused: the lines of a WebSocket are texts.
        encode_web_notice: the same as `encode_notice`, for peers of ``web:`` addresses, where a
            service speaks another format with them; default ``None``: as with all others.
        log_connections: whether to log each connection, with level INFO, to the logger
            ``trionet.connections``; default ``True``. The log has ``opened`` when its first byte
            comes, ``login``, ``refused``, ``closed``. A connection from which no byte comes is not
            logged. `serve` itself sets up no logging; without any, Python shows nothing below
            WARNING. `trionet.run` does.
        numbers: numbers the connections, in `Connection.id`, in events and in the log. Give one
            ``itertools.count(1)`` to several servers, and no number comes twice. `trionet.run` does
            so with its services. Default: a count of its own, from 1 on.
        backlog: connections that the kernel holds ready before they are accepted; default 4,096 or
            what the kernel allows.
        network: where to listen; default the OS's own.
        task_status: is handed the `Server` once it accepts connections.

    Raises:
        TypeError: an argument is of the wrong kind, such as a handler that takes no argument; the
            message says what to write. This and the next two are raised before anything is listened
            on.
        ValueError: there is no address, `backlog` is out of bounds, or ``decode=False`` is given
            with a ``web:`` address.
        AddressError: an address cannot be read.
        ListenError: an address cannot be listened on; the others are not listened on either.

    Cancellation: immediate: listeners and connections are closed and handlers cancelled. For a
    graceful end, call `Server.drain`.

    Resource handling: closes everything that it opened, however it ends.
    """
    options = check_call(
        handler,
        addresses,
        limits=limits,
        when_full=when_full,
        when_slow=when_slow,
        encode_notice=encode_notice,
        refuse_http=refuse_http,
        identifies=identifies,
        on_drain=on_drain,
        on_event=on_event,
        opening=opening,
        lifespan=lifespan,
        decode=decode,
        encode_web_notice=encode_web_notice,
        log_connections=log_connections,
        numbers=numbers,
        backlog=backlog,
        network=network,
    )
    listeners: list[Listener] = []
    try:
        for address in addresses:
            listeners += await network.listen(address, backlog=backlog)
        if is_line_function(handler):
            handler = partial(serve_with, cast(LineFunction, handler))
        serves = cast(Callable[[Connection[Any]], Awaitable[object]], handler)
        server = Server(serves, listeners, options)
        if hasattr(network, "certificate_expiry"):
            server.metrics.add(partial(_certificate, cast(TellsExpiry, network)))
        async with nullcontext() if lifespan is None else lifespan(server) as server.state:
            await server.run(task_status)
    finally:
        await close_all(listeners)


def _certificate(network: TellsExpiry) -> list[Reading]:
    """Return what a network tells of its certificate, if it uses one."""
    expiry = network.certificate_expiry()
    if expiry is None:
        return []
    meaning = "When the certificate expires, in Unix time."
    name = "trionet_certificate_expires_timestamp_seconds"
    return [Reading.gauge(name, meaning, expiry, combine="min")]


def check_call(
    handler: object,
    addresses: Sequence[object],
    *,
    caller: str = "serve",
    limits: Limits | None = None,
    lifespan: object = None,
    backlog: object = None,
    network: object = SYSTEM,
    **options: Any,
) -> ServingOptions:
    """Refuse arguments that `serve` cannot use.

    `trionet.run` calls this first, so that the messages name `caller`, the function that the user
    called. All other arguments are those of `serve`.

    Returns:
        Those that concern all connections.

    Raises:
        TypeError, ValueError, AddressError: as `serve`.
    """
    check_handler(handler, caller=caller, identifies=options.get("identifies") is True)
    checked = ServingOptions(limits=Limits() if limits is None else limits, **options)
    check_serving(
        addresses,
        caller=caller,
        limits=checked.limits,
        on_event=checked.on_event,
        backlog=backlog,
        network=network,
    )
    check_callback("lifespan", lifespan)
    for address in addresses:
        check_decodes(cast(str, address), decode=checked.decode)
    return checked


def check_serving(
    addresses: Sequence[object],
    *,
    caller: str,
    limits: object,
    on_event: object,
    backlog: object,
    network: object,
) -> None:
    """Refuse arguments that no server can use.

    A service whose own ``serve`` passes these arguments on calls this first: the calculator and the
    chat do. `caller` is the function that the user called, for the messages; all other arguments
    are those of `serve`.

    Raises:
        TypeError, ValueError, AddressError: as `serve`.
    """
    check_addresses(addresses, caller=caller)
    check_limits(limits)
    check_callback("on_event", on_event)
    check_backlog(backlog)
    check_network(network)
