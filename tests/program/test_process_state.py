"""The state of the process that SIGUSR1 has logged."""

from __future__ import annotations

import json
import signal
from collections.abc import Mapping
from functools import partial
from typing import Any

import trio

import trionet
from trionet.program.process_state import state_of_process, task_tree
from trionet.program.serving import serve_until_signalled
from trionet.program.signals import Ending
from trionet.testing import MemoryNetwork, run_handler


async def hear(connection: trionet.Connection) -> None:
    async for _ in connection.lines:
        pass


def names_in(tree: dict[str, Any]) -> list[str]:
    found = [tree["task"]] if "task" in tree else []
    for nursery in tree.get("nurseries", []):
        for task in nursery:
            found += names_in(task)
    return found


async def test_the_state_has_the_connections_the_queues_and_the_tasks() -> None:
    async with run_handler(hear) as connect:
        ann = await connect()
        await ann.send("hello")
        await trio.testing.wait_all_tasks_blocked()
        server = connect.server
        server.queues["jobs"] = lambda: 3
        server.queues["broken"] = lambda: 1 // 0
        state: Any = state_of_process([server], {"standard output": lambda: 0})
    (one,) = state["connections"]
    assert (one["id"], one["bytes_in"], one["bytes_out"], one["waiting"]) == (1, 6, 0, 0)
    assert one["peer"].startswith("127.0.0.1:")
    assert one["since"].endswith("Z")
    assert state["queues"] == {
        "outboxes": 0,
        "standard output": 0,
        "jobs": 3,
        "broken": "failed: ZeroDivisionError",
    }
    names = names_in(state["tasks"])
    assert one["peer"] in names
    assert any("Acceptors._accept" in name for name in names)
    json.dumps(state)


async def test_the_state_is_bounded_and_says_how_much_more_there_is() -> None:
    async with run_handler(hear) as connect:
        for _ in range(300):
            await connect()
        await trio.testing.wait_all_tasks_blocked()
        state: Any = state_of_process([connect.server], {})
    *shown, last = state["connections"]
    assert len(shown) + last["more"] == 300
    assert len(json.dumps(state)) < 65536
    handlers = [name for name in names_in(state["tasks"]) if name.startswith("127.0.0.1:")]
    assert 0 < len(handlers) < 300
    assert '{"more": ' in json.dumps(state["tasks"])


async def test_deep_and_wide_trees_are_bounded() -> None:
    async def grow(depth: int) -> None:
        async with trio.open_nursery() as nursery:
            for _ in range(3 if depth < 4 else 1):
                if depth < 60:
                    nursery.start_soon(grow, depth + 1, name="x" * 500)
            await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(grow, 0)
        await trio.testing.wait_all_tasks_blocked()
        assert len(json.dumps(task_tree(trio.lowlevel.current_root_task()))) < 50_000
        nursery.cancel_scope.cancel()
    assert task_tree(None) == {}


async def test_sigusr1_has_it_shown_and_the_server_goes_on() -> None:
    ending = Ending()
    before = signal.getsignal(signal.SIGUSR1)
    shown = trio.Event()
    states: list[Mapping[str, object]] = []

    def show_state(state: Mapping[str, object]) -> None:
        states.append(state)
        shown.set()

    network = MemoryNetwork()
    serve = partial(trionet.serve, hear, "127.0.0.1:7", network=network)
    listening = trio.Event()
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(
                partial(
                    serve_until_signalled, [serve], ending,
                    show=lambda _line: listening.set(), show_state=show_state,
                )
            )  # fmt: skip
            await listening.wait()
            signal.raise_signal(signal.SIGUSR1)
            await shown.wait()
            ending.take(signal.SIGTERM)
    (state,) = states
    assert state["connections"] == []
    assert signal.getsignal(signal.SIGUSR1) is before
