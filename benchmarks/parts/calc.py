"""The calculator: requests with 1 and with 16 in flight, and 1 from few and from many clients."""

from __future__ import annotations

from itertools import product
from pathlib import Path

from benchmarks import measures
from benchmarks.peers.table import CALC, Peer, chosen
from benchmarks.peers.wire import calculate
from benchmarks.run import Run, tell

CLIENTS = 50
DEPTHS = (1, 16)

# How many clients there are, each of which waits for its answer.
CROWDS = (1, 50, 500)

NUMBERS = ("12", "42", "3.24", "-45", "4.5", "-6", "0.1", "1234567.89")


def measure(run: Run) -> None:
    """Run all peers in turn, round after round."""
    cases = run.builds.directory / "operations"
    write_cases(cases)
    for round_ in range(1, run.plan.rounds + 1):
        tell(f"calc, round {round_} of {run.plan.rounds}")
        for peer in chosen(CALC, run.names):
            _serve(run, peer, round_, cases)


def measure_one(run: Run) -> None:
    """Run all peers in turn, round after round, with clients that wait for each answer."""
    cases = run.builds.directory / "operations"
    write_cases(cases)
    for round_ in range(1, run.plan.rounds + 1):
        tell(f"one in flight, round {round_} of {run.plan.rounds}")
        for peer in chosen(CALC, run.names):
            for clients in CROWDS:
                _serve_one(run, peer, round_, cases, clients)


def _serve_one(run: Run, peer: Peer, round_: int, cases: Path, clients: int) -> None:
    if not run.able("one", peer):
        return
    times = {"warmup": run.plan.warmup, "seconds": run.plan.seconds}
    with (
        run.attempt("one", peer, measures.one_in_flight(clients)) as trial,
        run.started(peer) as (_, load),
    ):
        answer = load.ask("calc", n=clients, depth=1, cases=cases, **times)
        rate = answer["requests"] / answer["seconds"]
        trial.take(measures.one_in_flight(clients), round_, rate, **answer)
        if answer["server_cpu"]:
            each = answer["server_cpu"] / max(1, answer["requests"]) * 1e6
            trial.take(measures.one_in_flight_cpu(clients), round_, each, show=False)


def write_cases(path: Path) -> None:
    """Write operations with their results, with which every reply is compared."""
    with path.open("w") as file:
        for left, operator, right in product(NUMBERS, "+-*/", NUMBERS):
            operation = f"{left} {operator} {right}"
            file.write(f"{operation}\t{calculate(operation.encode()).decode()}")


def _serve(run: Run, peer: Peer, round_: int, cases: Path) -> None:
    if not run.able("calc", peer):
        return
    with (
        run.attempt("calc", peer, *map(measures.calculator, DEPTHS)) as trial,
        run.started(peer) as (_, load),
    ):
        for depth in DEPTHS:
            answer = load.ask(
                "calc",
                n=CLIENTS,
                depth=depth,
                warmup=run.plan.warmup,
                seconds=run.plan.seconds,
                cases=cases,
            )
            rate = answer["requests"] / answer["seconds"]
            trial.take(measures.calculator(depth), round_, rate, **answer)
            if answer["server_cpu"]:
                each = answer["server_cpu"] / max(1, answer["requests"]) * 1e6
                trial.take(measures.calculator_cpu(depth), round_, each, show=False)
            busy = 100 * answer["load_cpu"] / answer["seconds"]
            trial.take(measures.calculator_load(depth), round_, busy, show=False)
