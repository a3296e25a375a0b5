"""Many members: the memory of each, and what a delivery costs as the room grows."""

from __future__ import annotations

import time

from benchmarks import measures
from benchmarks.machine import memory_of
from benchmarks.peers.table import CHAT, Peer, chosen
from benchmarks.processes import Failed
from benchmarks.run import Run, tell

# How many join at a time. Everybody is told of each, and reads once for each group.
GROUP = 500

# Seconds in which a server frees what joining took.
SETTLE_SECONDS = 0.5

TALKERS = 20
FLIGHT = 512
SIZE = 32


def measure(run: Run) -> None:
    """Run all peers in turn, round after round."""
    for round_ in range(1, run.plan.rounds + 1):
        tell(f"idle, round {round_} of {run.plan.rounds}")
        for peer in chosen(CHAT, run.names):
            if run.plan.idle_peers is None or peer.name in run.plan.idle_peers:
                _memory(run, peer, round_)
                _growth(run, peer, round_)


def _memory(run: Run, peer: Peer, round_: int) -> None:
    members = run.plan.idle
    expected = measures.idle_memory(members)
    if not run.able("memory", peer):
        return
    with run.attempt("memory", peer, expected) as trial:
        run.need_clients(members)
        with run.started(peer) as (server, load):
            empty = memory_of(server.pid)
            load.ask("join", n=members, group=GROUP, limit=run.plan.join_limit)
            time.sleep(SETTLE_SECONDS)
            full = memory_of(server.pid)
            if empty is None or full is None:
                raise Failed("this OS does not tell how much memory a process has")
            trial.take(expected, round_, (full - empty) / members, empty_kib=empty, full_kib=full)


def _growth(run: Run, peer: Peer, round_: int) -> None:
    if not run.able("growth", peer):
        return
    expected = [measures.cost(members) for members in run.plan.growth]
    with run.attempt("growth", peer, *expected) as trial, run.started(peer) as (_, load):
        here = 0
        for members in run.plan.growth:
            run.need_clients(members)
            load.ask("join", n=members - here, group=GROUP, limit=run.plan.join_limit)
            here = members
            answer = load.ask(
                "talk",
                talkers=min(TALKERS, max(1, members // 5)),
                flight=FLIGHT,
                size=SIZE,
                warmup=run.plan.warmup,
                seconds=run.plan.seconds,
                patience=run.plan.patience,
            )
            if not answer["server_cpu"]:
                raise Failed("this OS does not tell a server's processor time")
            if answer["missing"] or answer["faults"]:
                raise Failed(f"{answer['missing']} lines missing, {answer['faults']} wrong")
            each = answer["server_cpu"] / max(1, answer["deliveries"]) * 1e6
            trial.take(measures.cost(members), round_, each, **answer)
