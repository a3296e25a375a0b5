"""SIGTERM to a full room: when all are told, when all are closed, and when the process ends."""

from __future__ import annotations

import time

from benchmarks import measures
from benchmarks.parts.idle import GROUP
from benchmarks.peers.table import CHAT, TRIONET, Peer, chosen
from benchmarks.processes import Failed
from benchmarks.run import Run, tell

LIMIT = 30.0

STEPS = ("all are told", "all are closed", "the process is gone")


def measure(run: Run) -> None:
    """Drain in each round. None of the peers drains: SIGTERM just ends them."""
    for round_ in range(1, run.plan.rounds + 1):
        tell(f"drain, round {round_} of {run.plan.rounds}")
        for peer in chosen(CHAT, run.names):
            if peer.name == TRIONET:
                _drain(run, peer, round_)


def _drain(run: Run, peer: Peer, round_: int) -> None:
    members = run.plan.idle
    expected = [measures.drained(members, step) for step in STEPS]
    if not run.able("drain", peer):
        return
    with run.attempt("drain", peer, *expected) as trial:
        run.need_clients(members)
        with run.started(peer) as (server, load):
            load.ask("join", n=members, group=GROUP, limit=run.plan.join_limit)
            began = time.perf_counter()
            load.begin("drain", pid=server.pid, limit=LIMIT)
            status = server.wait(LIMIT)
            gone = time.perf_counter() - began
            answer = load.answer(LIMIT)
            if answer["told"] != members or status != 0:
                raise Failed(f"{answer['told']} of {members} were told, status {status}")
            figures = (answer["told_seconds"], answer["closed_seconds"], gone)
            for measure_, figure in zip(expected, figures, strict=True):
                trial.take(measure_, round_, figure)
