"""Metrics over HTTP: a small server of its own beside the services.

It is a service like any other, behind `trionet.serve`: so it accepts, isolates and closes as they
do, with limits of its own, and none of its connections counts for theirs. It goes on answering
while they drain.

The head of a request is read by the rules for web pages (`trionet.transport.web.heads`), and one
request is answered on each connection. Prometheus and load balancers need no more.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain
from types import ModuleType
from typing import TypeAlias

import trio

from trionet.abc import Network
from trionet.argument_checks import check_network
from trionet.connection.connection import Connection
from trionet.errors import AddressError, TrionetError
from trionet.function_checks import check_callback
from trionet.limits import Limits
from trionet.metrics import Histogram, Metrics, Reading, add_up
from trionet.notices import Notice
from trionet.program.process_readings import process_readings
from trionet.server import Server, serve
from trionet.transport.addresses import InheritedAddress, TCPAddress, parse_address
from trionet.transport.network import SYSTEM
from trionet.transport.web.answers import encode_answer, encode_refusal
from trionet.transport.web.heads import BadHead, Head, end_of_head, read_head
from trionet.transport.web.requests import HEALTH

METRICS = "/metrics"

# What answers a request, by its path. It is told whether to leave the body out.
Answers: TypeAlias = Mapping[str, Callable[[bool], Awaitable[bytes]]]

# A head is received in pieces of at most this many bytes: what a scraper sends fits in one.
_PIECE = 4096

# How long a connection may take until it is answered, and again until it has taken the answer, in
# seconds: half of what a scrape may take by default.
_SECONDS = 5.0

# Prometheus, a load balancer and a person or two. With a bound for each host, one that opens
# connections and says nothing does not lock the others out. One that scrapes again and again on 16
# connections made the members of a chat of 100 wait 5 times as long for a message. With a bound of
# 10 a second it is twice as long.
_LIMITS = Limits(
    max_clients=64,
    max_per_address=16,
    connect_rate=10,
    write_timeout=_SECONDS,
    linger_seconds=1,
    linger_total_seconds=_SECONDS,
)

# How often the event loop's lag is looked at, in seconds. One look costs some 30 µs, so this takes
# 0.01 % of a core. A shorter lag is seen only by chance, a longer one always.
_LOOK_SECONDS = 0.25
_LAGS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)

# How often a process that is one of several tells its numbers, in seconds. Telling takes 0.3 ms;
# with 10,000 connections 20 to 50, and then it is told less often, so that it takes no more than a
# twentieth of a core.
_REPORT_SECONDS = 0.25
_REPORT_PART = 0.05


async def serve_metrics(
    address: str,
    read: Callable[[], Iterable[Reading | None]],
    *,
    is_ready: Callable[[], bool] = lambda: True,
    network: Network = SYSTEM,
    task_status: trio.TaskStatus[Server] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve metrics over HTTP until cancelled: ``/metrics``, and ``/healthz`` beside it.

    ``trionet.run(metrics=...)`` does this for a whole program. Inside Trio::

        server = await nursery.start(partial(trionet.serve, handler, "localhost:7000"))
        nursery.start_soon(trionet.serve_metrics, "localhost:9100", server.metrics.steps)

    Args:
        address: where, ``HOST:PORT`` or ``fd:NAME``; with no host, on all interfaces.
        read: returns the readings of the moment, such as `trionet.Metrics.steps`. Those of one name
            are added up, so it may return those of several servers or processes. Wherever there is
            ``None`` in place of one, other tasks run.
        is_ready: whether ``/healthz`` is 200; else it is 503. By default it always is.
        network: where to listen; default the OS's own.
        task_status: is handed the `Server` once it accepts connections.

    Raises:
        TypeError: an argument is of the wrong kind; raised before anything is listened on.
        AddressError: the address cannot be read, or is not one with a port.
        ListenError: it cannot be listened on.
        TrionetError: the library is missing; the message says how to install it.

    Cancellation: immediate; its connections are closed.

    Resource handling: closes everything that it opened.
    """
    where = parse_address(address)
    is_plain = isinstance(where, InheritedAddress) and not (where.is_tls or where.is_web)
    if not (is_plain or isinstance(where, TCPAddress)):
        raise AddressError(f"metrics are served on HOST:PORT, not on {address!r}")
    check_callback("read", read, arguments=0, optional=False)
    check_callback("is_ready", is_ready, arguments=0, optional=False)
    check_network(network)
    text = _import_text()
    answers = {
        METRICS: partial(_metrics, text.Page(), lambda: chain(process_readings(), read())),
        HEALTH: partial(_health, is_ready),
    }
    await serve(
        partial(_answer, answers),
        address,
        limits=_LIMITS,
        encode_notice=_encode_notice,
        refuse_http=False,
        network=network,
        task_status=task_status,
    )


async def serve_program_metrics(
    address: str,
    servers: Sequence[Server],
    *,
    are_all: int,
    network: Network = SYSTEM,
    task_status: trio.TaskStatus[Server] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve the metrics of all servers of a program, and its event loop's lag, until cancelled.

    Args:
        address: see `serve_metrics`, also for what is raised and closed.
        servers: those that have begun to listen; there may come more.
        are_all: how many there will be. Until then, and while one drains, the program is not ready.
        network: where to listen; default the OS's own.
        task_status: is handed the page's `Server` once it accepts connections.
    """
    process = Metrics()

    def read() -> Iterator[Reading | None]:
        return chain(process.steps(), *(server.metrics.steps() for server in servers))

    def is_ready() -> bool:
        return len(servers) == are_all and not any(server.is_draining for server in servers)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(measure_lag, process)
        await serve_metrics(
            address, read, is_ready=is_ready, network=network, task_status=task_status
        )


async def report_metrics(
    tell: Callable[[list[Reading]], object], servers: Sequence[Server]
) -> None:
    """Tell the metrics of all servers of a program again and again, until cancelled.

    A process that is one of several does this in place of `serve_program_metrics`.

    Args:
        tell: called with the readings, the last time when this is cancelled.
        servers: those that have begun to listen; there may come more.
    """
    process = Metrics()

    def read() -> Iterator[Reading | None]:
        return chain(process.steps(), *(server.metrics.steps() for server in servers))

    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(measure_lag, process)
            while True:
                began = trio.current_time()
                tell(await _collected(read))
                took = trio.current_time() - began
                await trio.sleep(max(_REPORT_SECONDS, took / _REPORT_PART))
    finally:
        tell(add_up(filter(None, read())))


async def _collected(read: Callable[[], Iterable[Reading | None]]) -> list[Reading]:
    """Return the readings, one of each name. Other tasks run meanwhile, as the readings allow."""
    readings: list[Reading] = []
    for reading in read():
        if reading is None:
            await trio.lowlevel.checkpoint()
        else:
            readings.append(reading)
    # A name must stand on the page once, whoever gives it.
    return add_up(readings)


async def measure_lag(metrics: Metrics) -> None:
    """Measure how late the event loop is, until cancelled.

    Args:
        metrics: where it is told.
    """
    lag = Histogram(_LAGS)
    meaning = "How late a task ran whose time had come."
    metrics.add(lambda: [lag.reading("trionet_event_loop_lag_seconds", meaning)])
    while True:
        due = trio.current_time() + _LOOK_SECONDS
        await trio.sleep_until(due)
        lag.observe(max(0.0, trio.current_time() - due))


def _import_text() -> ModuleType:
    """Return the module that writes the text, which needs a library of its own."""
    try:
        from trionet.program import metrics_text
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != "prometheus_client":
            raise
        raise TrionetError(
            "metrics need the extra `metrics`: pip install 'trionet[metrics]'"
        ) from error
    return metrics_text


async def _answer(answers: Answers, connection: Connection) -> None:
    """Answer the one request of a connection."""
    outbox = connection.outbox
    with trio.move_on_after(_SECONDS):
        outbox.put(await _answer_to(connection.stream, answers))
    with trio.move_on_after(_SECONDS):
        await outbox.flush()
        return
    outbox.give_up()


async def _answer_to(stream: trio.abc.ReceiveStream, answers: Answers) -> bytes:
    data, seen = bytearray(), 0
    try:
        while not (end := end_of_head(data, seen=seen)):
            seen = len(data)
            piece = await stream.receive_some(_PIECE)
            if not piece:
                return b""
            data += piece
        return await _decide(read_head(bytes(data[:end]), allows_body=True), answers)
    except BadHead as bad:
        return encode_refusal(bad.status, str(bad), without_body=data[:5] == b"HEAD ")


async def _decide(head: Head, answers: Answers) -> bytes:
    # HTTP/1.0, which some load balancers speak, needs no Host (RFC 9112, 3.2).
    if len(head.all("host")) != 1 and (head.version > (1, 0) or head.all("host")):
        raise BadHead(400, "a request has one Host")
    answer = answers.get(head.path)
    if answer is None:
        raise BadHead(404, "there is nothing here")
    if head.method not in ("GET", "HEAD"):
        raise BadHead(405, "only GET and HEAD are answered")
    return await answer(head.method == "HEAD")


async def _metrics(
    page: Callable[[Sequence[Reading]], tuple[str, bytes]],
    read: Callable[[], Iterable[Reading | None]],
    without_body: bool,
) -> bytes:
    media_type, body = page(await _collected(read))
    return encode_answer(200, body, media_type=media_type, without_body=without_body)


async def _health(is_ready: Callable[[], bool], without_body: bool) -> bytes:
    if is_ready():
        return encode_answer(200, b"ok\n", without_body=without_body)
    return encode_refusal(503, "the server is closing", without_body=without_body)


def _encode_notice(notice: Notice) -> bytes:
    return encode_refusal(503, notice.reason)
