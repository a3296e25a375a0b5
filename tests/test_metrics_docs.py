"""docs/metrics.md: its table has every metric that is served, its alerts and its example work."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
from prometheus_client.parser import text_string_to_metric_families
from trio.testing import MockClock

import trionet
from trionet import Reading, calc, chat
from trionet.chat.cluster.statistics import LogStatistics
from trionet.chat.serving.chat_metrics import readings_of_log
from trionet.program.metrics_page import measure_lag
from trionet.testing import LineClient, MemoryNetwork

DOCUMENT = Path(__file__).parent.parent / "docs" / "metrics.md"
TEXT = DOCUMENT.read_text(encoding="utf-8")

# | `name` | type | `label` | meaning |
ROW = re.compile(r"^\| `(trionet_\w+)` \| (\w+) \| (?:`(\w+)`)? ?\| (.+) \|$", re.MULTILINE)


class Certified(MemoryNetwork):
    """A network that has a certificate."""

    def certificate_expiry(self) -> float | None:
        return 2e9


async def served() -> dict[str, Reading]:
    """Return the readings of a chat and of a calculator, and of the program around them."""
    found: list[Reading] = []
    network = Certified()
    async with trio.open_nursery() as nursery:
        services: list[Callable[..., Awaitable[None]]] = [chat.serve, calc.serve]
        for number, serve in enumerate(services):
            server: trionet.Server = await nursery.start(
                partial(serve, f"localhost:{7000 + number}", network=network)
            )
            found += server.metrics.read()
        process = trionet.Metrics()
        nursery.start_soon(measure_lag, process)
        await trio.testing.wait_all_tasks_blocked()
        found += process.read()
        nursery.cancel_scope.cancel()
    found += readings_of_log(
        LogStatistics(
            available=True, lag=0.0, pending=0, pending_bytes=0, entries=0, resends=0, resyncs=0,
            lives=1, nodes=1,
        )
    )  # fmt: skip
    return {reading.name: reading for reading in found}


async def test_the_tables_have_every_metric_with_its_type_and_label(
    autojump_clock: MockClock,
) -> None:
    told = {name: (kind, label) for name, kind, label, _ in ROW.findall(TEXT)}
    assert told == {
        reading.name: (reading.kind, "" if reading.kind == "histogram" else reading.label)
        for reading in (await served()).values()
    }


async def test_the_page_names_every_value_of_a_label(autojump_clock: MockClock) -> None:
    for reading in (await served()).values():
        if reading.label and reading.kind == "counter":
            assert [value for value in reading.values if f"`{value}`" not in TEXT] == []


def alerts() -> list[dict[str, str]]:
    (block,) = re.findall(r"^```yaml\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    rules: list[dict[str, str]] = []
    for line in block.splitlines():
        key, colon, value = line.strip().removeprefix("- ").partition(": ")
        if key == "alert":
            rules.append({})
        if rules and colon:
            rules[-1][key] = value
    return rules


async def test_the_alerts_ask_for_metrics_that_there_are(autojump_clock: MockClock) -> None:
    readings = await served()
    assert len(alerts()) >= 8
    for rule in alerts():
        assert rule.keys() >= {"alert", "expr", "summary"}
        # YAML takes what stands behind a colon as it is, unless it has one itself.
        assert ": " not in rule["expr"]
        assert " #" not in rule["expr"]
        assert rule["expr"].count("(") == rule["expr"].count(")")
        for name in re.findall(r"trionet_\w+", rule["expr"]):
            assert name.removesuffix("_bucket") in readings
        for name, label, value in re.findall(r'(\w+)\{(\w+)!?="(\w+)"\}', rule["expr"]):
            if name in readings:
                assert readings[name].label == label
                assert value in readings[name].values


async def test_the_numbers_of_ones_own_are_served(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    (block,) = re.findall(r"^```python\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    example: dict[str, Any] = {"__name__": "example"}
    # What is defined there is found by its name when annotations are looked at.
    exec(compile(block, DOCUMENT.name, "exec"), example)
    network = MemoryNetwork()
    async with trio.open_nursery() as nursery:
        server: trionet.Server = await nursery.start(
            partial(
                trionet.serve,
                example["board"],
                "localhost:7000",
                lifespan=example["lifespan"],
                network=network,
            )
        )
        await nursery.start(
            partial(trionet.serve_metrics, "localhost:9100", server.metrics.steps, network=network)
        )
        async with LineClient(await network.connect("localhost:7000")) as client:
            await client.send("a hello", "b 0123456789x")
            await trio.testing.wait_all_tasks_blocked()
            async with await network.connect("localhost:9100") as stream:
                await stream.send_all(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n")
                answer = b""
                while piece := await stream.receive_some():
                    answer += piece
        nursery.cancel_scope.cancel()
    body = answer.partition(b"\r\n\r\n")[2].decode()
    families = {family.name: family for family in text_string_to_metric_families(body)}
    assert families["board_texts"].samples[0].value == 2
    assert families["board_text_bytes"].samples[0].value == 1
