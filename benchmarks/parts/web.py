"""Browsers: the same room over WebSockets, over TCP in JSON lines, and over TCP in plain lines.

The targets are ratios to JSON lines over TCP in the same run. Plain lines have no target: they are
in the same table for comparison.
"""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from typing import Any

from benchmarks import measures
from benchmarks.machine import memory_of
from benchmarks.peers.table import JSON_LINES, PLAIN_LINES, TRIONET, WEB, Peer, chosen
from benchmarks.processes import Failed, Load, ServerProcess
from benchmarks.run import Run, tell

HUNDRED = 100
TALKERS = 20
FLIGHT = 512
SIZE = 32

# How many join at a time where memory is measured, and how long a server may then settle.
GROUP = 500
SETTLE_SECONDS = 0.5


def measure(run: Run) -> None:
    """Run all peers in turn, round after round."""
    for round_ in range(1, run.plan.rounds + 1):
        tell(f"web, round {round_} of {run.plan.rounds}")
        idle: dict[str, float] = {}
        for peer in chosen(WEB, run.names):
            _thousand(run, peer, round_)
            _hundred(run, peer, round_)
            _idle(run, peer, round_, idle)


def _started(run: Run, peer: Peer) -> AbstractContextManager[tuple[ServerProcess, Load]]:
    wires = {PLAIN_LINES: "plain", JSON_LINES: "json"}
    # trionet's second address is that for browsers.
    return run.started(peer, wire=wires.get(peer.name, "web"), second=peer.name == TRIONET)


def _thousand(run: Run, peer: Peer, round_: int) -> None:
    members = run.plan.crowd
    what = f"web: {members:,} members"
    expected = (measures.WEB_JOIN, measures.WEB_ONE, measures.WEB_ONE_CPU)
    if not run.able(what, peer):
        return
    with run.attempt(what, peer, *expected) as trial:
        run.need_clients(members)
        with _started(run, peer) as (_, load):
            answer = load.ask("join", n=members, group=members, limit=run.plan.join_limit)
            trial.take(measures.WEB_JOIN, round_, answer["seconds"])
            answer = load.ask(
                "ping",
                count=run.plan.pings,
                warmup=run.plan.pings // 10,
                size=SIZE,
                limit=run.plan.ping_limit,
            )
            trial.take(measures.WEB_ONE, round_, answer["p50"] * 1000, **answer)
            if answer["server_cpu"]:
                each = answer["server_cpu"] / answer["count"] * 1000
                trial.take(measures.WEB_ONE_CPU, round_, each)


def _hundred(run: Run, peer: Peer, round_: int) -> None:
    what = "web: pipelined"
    if not run.able(what, peer):
        return
    with (
        run.attempt(what, peer, measures.WEB_HUNDRED) as trial,
        _started(run, peer) as (_, load),
    ):
        load.ask("join", n=HUNDRED, group=HUNDRED, limit=run.plan.join_limit)
        answer = _talk(run, load)
        trial.take(measures.WEB_HUNDRED, round_, answer["deliveries"] / answer["seconds"], **answer)


def _talk(run: Run, load: Load) -> dict[str, Any]:
    answer = load.ask(
        "talk",
        talkers=TALKERS,
        flight=FLIGHT,
        size=SIZE,
        warmup=run.plan.warmup,
        seconds=run.plan.seconds,
        patience=run.plan.patience,
    )
    if answer["missing"] or answer["faults"]:
        raise Failed(f"{answer['missing']} lines missing, {answer['faults']} wrong")
    return answer


def _idle(run: Run, peer: Peer, round_: int, idle: dict[str, float]) -> None:
    members = run.plan.crowd
    what = "web: memory"
    if not run.able(what, peer):
        return
    with run.attempt(what, peer, measures.WEB_IDLE) as trial:
        run.need_clients(members)
        with _started(run, peer) as (server, load):
            # The first ones also pay for what is loaded only once.
            load.ask("join", n=HUNDRED, group=HUNDRED, limit=run.plan.join_limit)
            empty = memory_of(server.pid)
            load.ask("join", n=members, group=GROUP, limit=run.plan.join_limit)
            time.sleep(SETTLE_SECONDS)
            full = memory_of(server.pid)
            if empty is None or full is None:
                raise Failed("this OS does not tell how much memory a process has")
            idle[peer.name] = (full - empty) / members
            trial.take(measures.WEB_IDLE, round_, idle[peer.name])
            if peer.name == TRIONET and JSON_LINES in idle:
                trial.take(measures.WEB_IDLE_MORE, round_, idle[TRIONET] - idle[JSON_LINES])
