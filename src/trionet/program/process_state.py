"""The state of the process, for whoever wonders what a server is doing: SIGUSR1 has it logged.

It is plain data, bounded in bytes whatever the server has: where something is left out, ``more``
says how much. It has addresses and names, as the log has, and nothing of what anybody sent.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from heapq import nsmallest
from pathlib import PurePath
from typing import Any

import trio

from trionet.connection.connection import Connection
from trionet.program.log_format import time_of
from trionet.server import Server

# What the connections and the tasks of one record may take, as JSON.
_CONNECTION_BYTES = 16384
_TASK_BYTES = 32768

# How many tasks of one nursery are shown: those of a server that has thousands look alike. And how
# deep: deeper ones would be too much for an encoder.
_TASKS_OF_A_NURSERY = 20
_DEPTH = 40

# How many characters of a name are shown.
_NAME = 100


def state_of_process(
    servers: Sequence[Server], queues: Mapping[str, Callable[[], object]]
) -> dict[str, object]:
    """Return the connections, the queues, and the tree of nurseries and tasks. Never a checkpoint.

    Call it inside Trio. It takes some 3 µs for each task.

    Args:
        servers: what runs in this process.
        queues: other queues of the program: functions that return what waits in them, by name.
    """
    shown, more = _within(
        _CONNECTION_BYTES, [one for server in servers for one in server.connections]
    )
    waiting: dict[str, object] = {
        "outboxes": sum(one.waiting for server in servers for one in server.connections)
    }
    for asked in (queues, *(server.queues for server in servers)):
        waiting.update({name: _asked(ask) for name, ask in [*asked.items()][:_TASKS_OF_A_NURSERY]})
    return {
        "pid": os.getpid(),
        "servers": [
            {"addresses": list(server.addresses)[:_TASKS_OF_A_NURSERY], "state": repr(server)[-60:]}
            for server in servers[:_TASKS_OF_A_NURSERY]
        ],
        "connections": [*shown, {"more": more}] if more else shown,
        "queues": waiting,
        "tasks": task_tree(trio.lowlevel.current_root_task()),
    }


def _connection(connection: Connection) -> dict[str, object]:
    age = trio.current_time() - connection.opened_at
    told: dict[str, object] = {
        "id": connection.id,
        "peer": connection.peer,
        "since": time_of(time.time() - age),
        "bytes_in": connection.bytes_in,
        "bytes_out": connection.bytes_out,
        "waiting": connection.waiting,
    }
    if connection.name is not None:
        told["name"] = connection.name[:_NAME]
    return told


def _within(most: int, connections: Sequence[Connection]) -> tuple[list[dict[str, object]], int]:
    """Return those at the beginning that fit, and how many more there are."""
    shown: list[dict[str, object]] = []
    for connection in connections:
        one = _connection(connection)
        most -= len(json.dumps(one))
        if most < 0:
            break
        shown.append(one)
    return shown, len(connections) - len(shown)


def _asked(ask: Callable[[], object]) -> object:
    """Return what a function of the service says about a queue."""
    try:
        answer = ask()
        return answer if isinstance(answer, int) else str(answer)[:_NAME]
    except Exception as error:
        return f"failed: {type(error).__name__}"


def task_tree(root: trio.lowlevel.Task | None) -> dict[str, Any]:
    """Return a task and what runs in its nurseries: ``task``, ``at`` and ``nurseries``.

    Args:
        root: the task. If there is none, so is the tree.
    """
    if root is None:
        return {}
    tree = _task(root)
    left = _TASK_BYTES
    # Level by level, so that thousands of handlers do not hide the tasks beside them.
    level = [(root, tree)]
    for _ in range(_DEPTH):
        below: list[tuple[trio.lowlevel.Task, dict[str, Any]]] = []
        for task, told in level:
            for nursery in task.child_nurseries:
                tasks = nursery.child_tasks
                children: list[dict[str, Any]] = []
                for child in nsmallest(_TASKS_OF_A_NURSERY, tasks, key=lambda one: one.name):
                    one = _task(child)
                    left -= len(json.dumps(one))
                    if left < 0:
                        break
                    children.append(one)
                    below.append((child, one))
                if len(children) < len(tasks):
                    children.append({"more": len(tasks) - len(children)})
                    left -= 20
                told.setdefault("nurseries", []).append(children)
                left -= 20
                if left < 0:
                    return tree
        level = below
    return tree


def _task(task: trio.lowlevel.Task) -> dict[str, Any]:
    where = None
    for frame, line in task.iter_await_frames():
        module = str(frame.f_globals.get("__name__", ""))
        # What it waits for is always in Trio in the end: the place before that tells more.
        if where is None or not module.startswith(("trio.", "outcome")):
            name = PurePath(frame.f_code.co_filename).name
            where = f"{module[:_NAME]} {name[:_NAME]}:{line} {frame.f_code.co_name[:_NAME]}"
    told = {"task": task.name[:_NAME]}
    if where is not None:
        told["at"] = where
    return told
