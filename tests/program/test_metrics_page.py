"""Metrics over HTTP: what is answered, how long it may take, and what becomes of it in a drain."""

from __future__ import annotations

import builtins
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import ExitStack, asynccontextmanager
from functools import partial
from typing import Any

import pytest
import trio
from prometheus_client.parser import text_string_to_metric_families
from trio.testing import MockClock

import trionet
from trionet import AddressError, Connection, ListenError, Reading, TrionetError, serve_metrics
from trionet.metrics import Histogram, Metrics
from trionet.program import process_readings
from trionet.program.metrics_page import measure_lag, serve_program_metrics
from trionet.testing import MemoryNetwork

PAGE = "127.0.0.1:9100"


def jobs() -> list[Reading]:
    histogram = Histogram([1, 2])
    for value in (0.5, 1.5, 9):
        histogram.observe(value)
    return [
        Reading.gauge("jobs_waiting", "Jobs that wait.", 3),
        Reading.counter("jobs_total", "Jobs done.", {'a "b"': 1, "c": 2}, label="kind"),
        histogram.reading("job_seconds", "How long one took."),
    ]


@asynccontextmanager
async def served(
    read: Callable[[], Iterable[Reading | None]] = jobs, **options: Any
) -> AsyncIterator[MemoryNetwork]:
    network = MemoryNetwork()
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(serve_metrics, PAGE, read, network=network, **options))
        yield network
        nursery.cancel_scope.cancel()


async def received(stream: trio.abc.Stream) -> bytes:
    data = b""
    with trio.fail_after(3600):
        while piece := await stream.receive_some():
            data += piece
    return data


async def ask(network: MemoryNetwork, *lines: str, ends: bool = True) -> tuple[int, str, bytes]:
    """Send a request, and return the answer's status, its head and its body."""
    async with await network.connect(PAGE) as stream:
        await stream.send_all("\r\n".join([*lines, "", ""]).encode() if ends else lines[0].encode())
        head, _, body = (await received(stream)).partition(b"\r\n\r\n")
    return int(head.split()[1]), head.decode(), body


async def get(network: MemoryNetwork, path: str, method: str = "GET") -> tuple[int, str, bytes]:
    return await ask(network, f"{method} {path} HTTP/1.1", "Host: anybody")


async def test_prometheus_reads_what_was_read(autojump_clock: MockClock) -> None:
    async with served() as network:
        status, head, body = await get(network, "/metrics?x=1")
    assert status == 200
    assert "\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n" in head
    assert "\r\nConnection: close" in head
    families = {family.name: family for family in text_string_to_metric_families(body.decode())}
    assert families["jobs_waiting"].type == "gauge"
    assert families["jobs_waiting"].documentation == "Jobs that wait."
    assert {
        (sample.name, *sample.labels.values()): sample.value
        for name in ("jobs_waiting", "jobs", "job_seconds")
        for sample in families[name].samples
    } == {
        ("jobs_waiting",): 3,
        ("jobs_total", 'a "b"'): 1,
        ("jobs_total", "c"): 2,
        ("job_seconds_bucket", "1.0"): 1,
        ("job_seconds_bucket", "2.0"): 2,
        ("job_seconds_bucket", "+Inf"): 3,
        ("job_seconds_count",): 3,
        ("job_seconds_sum",): 11,
    }


async def test_a_name_stands_on_the_page_once(autojump_clock: MockClock) -> None:
    def twice() -> list[Reading]:
        other = Histogram([1.5])
        other.observe(1.2)
        return [*jobs(), *jobs(), other.reading("job_seconds", "The same by another service.")]

    async with served(twice) as network:
        _, _, body = await get(network, "/metrics")
    lines = body.decode().splitlines()
    assert lines.count("# TYPE jobs_waiting gauge") == 1
    assert "jobs_waiting 6.0" in lines
    assert [line for line in lines if line.startswith("job_seconds_bucket")] == [
        'job_seconds_bucket{le="1.0"} 2.0',
        'job_seconds_bucket{le="1.5"} 3.0',
        'job_seconds_bucket{le="2.0"} 5.0',
        'job_seconds_bucket{le="+Inf"} 7.0',
    ]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the descriptors")
async def test_others_run_while_the_descriptors_are_counted(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As before Linux 6.2.
    monkeypatch.setattr(process_readings, "_told_count", lambda _folder: 0)

    async def turns_of_others(network: MemoryNetwork) -> int:
        turns = 0

        async def count() -> None:
            nonlocal turns
            while True:
                await trio.lowlevel.checkpoint()
                turns += 1

        async with trio.open_nursery() as nursery:
            nursery.start_soon(count)
            _, _, body = await get(network, "/metrics")
            nursery.cancel_scope.cancel()
        assert b"\nprocess_open_fds " in body
        return turns

    async with served() as network:
        before = await turns_of_others(network)
        with ExitStack() as stack:
            for _ in range(2560):
                stack.callback(os.close, os.dup(0))
            assert await turns_of_others(network) >= before + 9


async def test_head_is_answered_with_the_same_head_and_no_body(autojump_clock: MockClock) -> None:
    async with served() as network:
        assert (await get(network, "/healthz", "HEAD"))[1:] == (
            (await get(network, "/healthz"))[1],
            b"",
        )


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        (["GET /healthz HTTP/1.1", "Host: a"], 200),
        # Load balancers may speak HTTP/1.0 without a Host.
        (["GET /healthz HTTP/1.0"], 200),
        (["GET / HTTP/1.1", "Host: a"], 404),
        (["GET /metrics/ HTTP/1.1", "Host: a"], 404),
        (["POST /nothing HTTP/1.1", "Host: a"], 404),
        (["POST /metrics HTTP/1.1", "Host: a", "Content-Length: 3"], 405),
        (["DELETE /healthz HTTP/1.1", "Host: a"], 405),
        (["GET /metrics HTTP/1.1"], 400),
        (["GET /metrics HTTP/1.1", "Host: a", "Host: b"], 400),
        (["GET  /metrics HTTP/1.1", "Host: a"], 400),
        (["GET /metrics HTTP/1.1", "Host : a"], 400),
        (["\0"], 400),
        (["GET /metrics HTTP/2.0", "Host: a"], 505),
        (["GET /metrics HTTP/1.1", "Host: a", f"Cookie: {'x' * 20_000}"], 431),
    ],
)
async def test_a_request_is_answered_or_refused(
    autojump_clock: MockClock, lines: list[str], status: int
) -> None:
    async with served() as network:
        answered, head, _ = await ask(network, *lines)
        assert answered == status
        assert ("Allow: GET, HEAD" in head) == (status == 405)
        assert "Connection: close" in head
        # And nobody else is harmed.
        assert (await get(network, "/healthz"))[0] == 200


async def test_whoever_sends_no_whole_request_is_closed_in_time(autojump_clock: MockClock) -> None:
    async with served() as network:
        began = trio.current_time()
        async with await network.connect(PAGE) as stream:
            await stream.send_all(b"GET /metrics HTTP/1.1\r\n")
            assert await received(stream) == b""
        assert trio.current_time() - began <= 10


async def test_whoever_does_not_read_is_closed_in_time(autojump_clock: MockClock) -> None:
    def much() -> list[Reading]:
        values = {f"value{number}": 1.0 for number in range(20_000)}
        return [Reading.gauge("much", "Much.", values, label="value")]

    async with served(much) as network:
        stream = await network.connect(PAGE)
        await stream.send_all(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n")
        await trio.sleep(20)
        # What the network held is there; then the connection has ended.
        data = b""
        with pytest.raises(trio.BrokenResourceError):
            while True:
                piece = await stream.receive_some()
                data += piece
                if not piece:
                    raise trio.BrokenResourceError
        assert len(data) < len(page_of(much()))


def page_of(readings: list[Reading]) -> bytes:
    from trionet.program.metrics_text import Page

    return Page()(readings)[1]


async def test_other_tasks_run_while_much_is_read(autojump_clock: MockClock) -> None:
    turns = 0

    def much() -> Iterator[Reading | None]:
        before = turns
        for _ in range(100):
            yield None
        yield Reading.gauge("turns", "Turns of another task meanwhile.", turns - before)

    async with served(much) as network, trio.open_nursery() as nursery:

        async def run() -> None:
            nonlocal turns
            while True:
                turns += 1
                await trio.lowlevel.checkpoint()

        nursery.start_soon(run)
        body = (await get(network, "/metrics"))[2]
        nursery.cancel_scope.cancel()
    # In the first round and in the last one, either task may run first.
    assert any(b"\nturns %d.0\n" % number in body for number in (99, 100, 101))


async def test_one_host_has_some_connections_and_others_are_answered_still(
    autojump_clock: MockClock,
) -> None:
    async with served() as network:
        silent = [await network.connect(PAGE) for _ in range(16)]
        assert (await get(network, "/metrics"))[0] == 503
        await trio.sleep(10)
        assert (await get(network, "/metrics"))[0] == 200
        for stream in silent:
            await stream.aclose()


async def test_a_host_that_asks_again_and_again_is_slowed_down(autojump_clock: MockClock) -> None:
    async with served() as network:
        answers = [(await get(network, "/metrics"))[0] for _ in range(60)]
        assert answers == [200] * 50 + [503] * 10
        async with await network.connect(PAGE, source="10.0.0.7") as stream:
            await stream.send_all(b"GET /metrics HTTP/1.0\r\n\r\n")
            assert (await received(stream)).startswith(b"HTTP/1.1 200 ")
        await trio.sleep(1)
        answers = [(await get(network, "/metrics"))[0] for _ in range(11)]
        assert answers == [200] * 10 + [503]


async def test_health_says_whether_it_is_ready(autojump_clock: MockClock) -> None:
    ready = True
    async with served(is_ready=lambda: ready) as network:
        assert (await get(network, "/healthz"))[::2] == (200, b"ok\n")
        ready = False
        assert (await get(network, "/healthz"))[::2] == (503, b"503 the server is closing\n")
        assert (await get(network, "/metrics"))[0] == 200


async def test_a_program_is_ready_when_all_listen_until_one_drains(
    autojump_clock: MockClock,
) -> None:
    network = MemoryNetwork()
    servers: list[trionet.Server] = []

    async def echo(connection: Connection) -> None:
        async for line in connection.lines:
            await connection.send(line)
        # Whoever drains waits for it.
        await trio.sleep(3)

    async with trio.open_nursery() as nursery:
        await nursery.start(
            partial(serve_program_metrics, PAGE, servers, are_all=2, network=network)
        )
        assert (await get(network, "/healthz"))[0] == 503
        for port in (7000, 7001):
            server = await nursery.start(
                partial(trionet.serve, echo, f"127.0.0.1:{port}", network=network)
            )
            servers.append(server)
        assert (await get(network, "/healthz"))[0] == 200
        async with await network.connect("127.0.0.1:7000"), trio.open_nursery() as draining:
            for _ in range(2):
                async with await network.connect("127.0.0.1:7001") as stream:
                    await stream.send_all(b"hi\n")
                    await stream.receive_some()
            draining.start_soon(servers[0].drain)
            await trio.sleep(1)
            assert (await get(network, "/healthz"))[0] == 503
            _, _, body = await get(network, "/metrics")
        # Both servers together; the connections to this page count nowhere.
        assert b"\ntrionet_connections_opened_total 3.0\n" in body
        assert b'\ntrionet_lines_total{direction="in"} 2.0\n' in body
        assert b"\ntrionet_event_loop_lag_seconds_count " in body
        nursery.cancel_scope.cancel()


async def test_the_lag_of_the_event_loop_is_how_late_a_task_runs(mock_clock: MockClock) -> None:
    metrics = Metrics()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(measure_lag, metrics)
        for seconds in (0.25, 0.25, 0.25 + 0.8):
            await trio.testing.wait_all_tasks_blocked()
            mock_clock.jump(seconds)
        await trio.testing.wait_all_tasks_blocked()
        (reading,) = metrics.read()
        assert reading.sum == pytest.approx(0.8)
        assert {bound for bound, count in reading.values.items() if count} == {"0.0005", "1.0"}
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("address", ["unix:/run/x", "tls:localhost:1", "web:localhost:1"])
async def test_metrics_are_served_over_tcp_alone(address: str) -> None:
    with pytest.raises(AddressError, match="metrics are served on HOST:PORT"):
        await serve_metrics(address, jobs)


async def test_an_address_in_use_is_an_error_that_names_it(autojump_clock: MockClock) -> None:
    async with served() as network:
        with pytest.raises(ListenError, match=PAGE):
            await serve_metrics(PAGE, jobs, network=network)


async def test_without_the_library_the_error_names_the_extra(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import_really = builtins.__import__

    def import_without(name: str, *arguments: Any) -> object:
        if name.startswith("prometheus_client"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return import_really(name, *arguments)

    monkeypatch.delitem(__import__("sys").modules, "trionet.program.metrics_text", raising=False)
    monkeypatch.delattr("trionet.program.metrics_text", raising=False)
    monkeypatch.setattr(builtins, "__import__", import_without)
    with pytest.raises(TrionetError, match=r"extra `metrics`: pip install 'trionet\[metrics\]'"):
        await serve_metrics(PAGE, jobs, network=MemoryNetwork())
