"""The chat under load: deliveries, one message at a time, joining, a member that never reads."""

from __future__ import annotations

import sys
from collections import Counter
from typing import Any

from benchmarks import measures
from benchmarks.peers.table import ANY_PORT, CHAT, Peer, chosen
from benchmarks.processes import Failed, Load
from benchmarks.run import Run, Trial, tell

MEMBERS = 100
TALKERS = 20
FLIGHT = 512
# Bytes that the talker sends, with the line end. Receivers get the talker's name before them.
SIZES = (32, 512)

FIREHOSE = Peer(
    name="firehose",
    label="a firehose",
    command=lambda _builds: [sys.executable, "-m", "benchmarks.firehose", ANY_PORT],
)


def measure(run: Run) -> None:
    """Run all peers in turn, round after round."""
    for round_ in range(1, run.plan.rounds + 1):
        tell(f"chat, round {round_} of {run.plan.rounds}")
        _ceiling(run, round_)
        for peer in chosen(CHAT, run.names):
            _hundred(run, peer, round_)
            _thousand(run, peer, round_)


def _ceiling(run: Run, round_: int) -> None:
    with (
        run.attempt("ceiling", FIREHOSE, measures.CEILING) as trial,
        run.started(FIREHOSE) as (_, load),
    ):
        answer = load.ask("drink", n=MEMBERS, warmup=run.plan.warmup, seconds=run.plan.seconds)
        trial.take(measures.CEILING, round_, answer["deliveries"] / answer["load_cpu"], **answer)


def _hundred(run: Run, peer: Peer, round_: int) -> None:
    what = f"{MEMBERS} members"
    if not run.able(what, peer):
        return
    expected = [measures.fan_out(MEMBERS, size) for size in SIZES]
    with (
        run.attempt(what, peer, *expected, measures.STALLED) as trial,
        run.started(peer) as (_, load),
    ):
        load.ask("join", n=MEMBERS, group=MEMBERS, limit=run.plan.join_limit)
        for size in SIZES:
            _talk(run, trial, load, MEMBERS, size, round_)
        if run.plan.stall_peers is None or peer.name in run.plan.stall_peers:
            _stall(run, trial, load, round_)


def _stall(run: Run, trial: Trial, load: Load, round_: int) -> None:
    """Compare windows with a member that never reads with windows without one, in turn."""
    without: Counter[str] = Counter()
    with_: Counter[str] = Counter()
    for _ in range(run.plan.stall_pairs):
        without.update(_totals(_window(run, load, SIZES[0])))
        load.ask("stall", n=1)
        _window(run, load, max(SIZES), seconds=run.plan.stall_fill)
        with_.update(_totals(_window(run, load, SIZES[0])))
        load.ask("unstall")
    trial.take(measures.STALLED, round_, with_["deliveries"] / without["deliveries"])
    if with_["deliveries"] and without["server_cpu"]:
        costs = [window["server_cpu"] / window["deliveries"] for window in (with_, without)]
        trial.take(measures.STALLED_COST, round_, costs[0] / costs[1])


def _totals(answer: dict[str, Any]) -> dict[str, Any]:
    return {key: answer[key] for key in ("deliveries", "server_cpu")}


def _thousand(run: Run, peer: Peer, round_: int) -> None:
    members = run.plan.crowd
    what = f"{members:,} members"
    if not run.able(what, peer) or not (
        run.plan.crowd_peers is None or peer.name in run.plan.crowd_peers
    ):
        return
    join, p50, p99 = (
        measures.join(members),
        measures.one_message(members, 50),
        measures.one_message(members, 99),
    )
    expected = [measures.fan_out(members, size) for size in SIZES]
    with run.attempt(what, peer, join, p50, p99, *expected) as trial:
        run.need_clients(members)
        with run.started(peer) as (_, load):
            answer = load.ask("join", n=members, group=members, limit=run.plan.join_limit)
            trial.take(join, round_, answer["seconds"])
            for size in SIZES:
                _talk(run, trial, load, members, size, round_)
            answer = load.ask(
                "ping",
                count=run.plan.pings,
                warmup=run.plan.pings // 10,
                size=SIZES[0],
                limit=run.plan.ping_limit,
            )
            trial.take(p50, round_, answer["p50"] * 1000, **answer)
            trial.take(p99, round_, answer["p99"] * 1000)


# A window with too few messages is measured with up to so many others, and these figures are added.
MORE_WINDOWS = 4
SUMMED = ("deliveries", "missing", "faults", "seconds", "server_cpu", "load_cpu")


def _talk(run: Run, trial: Trial, load: Load, members: int, size: int, round_: int) -> None:
    answer = _window(run, load, size)
    for _ in range(MORE_WINDOWS):
        if answer["deliveries"] >= run.plan.messages * members:
            break
        more = _window(run, load, size)
        answer.update({key: answer[key] + more[key] for key in SUMMED})
    if answer["missing"] or answer["faults"]:
        raise Failed(f"{answer['missing']} lines missing, {answer['faults']} wrong")
    deliveries = max(1, answer["deliveries"])
    trial.take(measures.fan_out(members, size), round_, deliveries / answer["seconds"], **answer)
    if answer["server_cpu"]:
        each = answer["server_cpu"] / deliveries * 1e6
        trial.take(measures.fan_out_cpu(members, size), round_, each, show=False)
    busy = 100 * answer["load_cpu"] / answer["seconds"]
    trial.take(measures.fan_out_load(members, size), round_, busy, show=False)


def _window(run: Run, load: Load, size: int, *, seconds: float | None = None) -> dict[str, Any]:
    return load.ask(
        "talk",
        talkers=TALKERS,
        flight=FLIGHT,
        size=size,
        warmup=run.plan.warmup,
        seconds=run.plan.seconds if seconds is None else seconds,
        patience=run.plan.patience,
    )
