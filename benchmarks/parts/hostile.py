"""Attacks: what they cost the server in memory, and other members in latency."""

from __future__ import annotations

import importlib.util
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks import measures
from benchmarks.attacks import ATTACKS, Attack
from benchmarks.builds import Unavailable
from benchmarks.machine import (
    begin_peak,
    cores,
    descriptors_of,
    on_core,
    peak_of,
    processor_time,
    resident_of,
)
from benchmarks.peers.table import ANY_PORT, TRIONET, Peer
from benchmarks.probe import Probe
from benchmarks.processes import Failed, Gang, ServerProcess
from benchmarks.run import Run, tell

MIB = 1 << 20


def measure(run: Run) -> None:
    """Run all attacks, one at a time, each against its own server."""
    if run.names is not None and TRIONET not in run.names:
        return
    for round_ in range(1, run.plan.attack_rounds + 1):
        tell(f"hostile, round {round_} of {run.plan.attack_rounds}")
        for attack in ATTACKS.values():
            _attack(run, attack, round_)


def _attack(run: Run, attack: Attack, round_: int) -> None:
    peer = Peer(name=TRIONET, label=TRIONET, command=lambda _builds: [])
    if not run.able(attack.name, peer):
        return
    count = scaled(attack, run.plan.attack_scale)
    expected = [measures.attack(attack.name, what) for what in measures.ATTACK_FIGURES]
    with run.attempt(attack.name, peer, *expected) as trial:
        run.need_clients(count)
        figures = carry_out(run, attack, count)
        for what, figure in figures.items():
            trial.take(
                measures.attack(attack.name, what), round_, figure, show=False, attackers=count
            )
        tell(
            f"  {attack.title}: {figures['memory']:.1f} MiB more, another's line p99 "
            f"{figures['p99']:.1f} ms, at most {figures['max']:.1f}"
        )


def scaled(attack: Attack, scale: float) -> int:
    """Return how many attackers there are."""
    return max(1, round(attack.attackers * scale)) if attack.attackers else 0


def carry_out(run: Run, attack: Attack, count: int) -> dict[str, float]:
    """Attack a server, and return those of `measures.ATTACK_FIGURES` that it has."""
    plan = run.plan
    chosen = cores()
    with (
        _served(run, attack) as (server, target),
        on_core(chosen and chosen[1]),
        Probe((server.host, int(server.port)), is_calculator=attack.is_calculator) as probe,
        Gang(attack.name, count, plan.attack_seconds, target) as gang,
    ):
        before = resident_of(server.pid)
        if before is None:
            raise Failed("this OS does not tell how much memory is resident")
        begin_peak(server.pid)
        descriptors_before = descriptors_of(server.pid)
        resident, descriptors = before, 0
        looked_at = 0.0

        def look() -> None:
            nonlocal resident, descriptors, looked_at
            if (now := time.monotonic()) < looked_at + 0.05:
                return
            looked_at = now
            resident = max(resident, resident_of(server.pid) or 0.0)
            descriptors = max(descriptors, descriptors_of(server.pid) - descriptors_before)

        used = processor_time(server.pid)
        began = time.perf_counter()
        gang.begin()
        latencies = probe.watch(plan.attack_seconds, plan.attack_patience, look)
        took = time.perf_counter() - began
        used_after = processor_time(server.pid)
        sent = gang.answer(plan.attack_seconds + plan.attack_patience)["sent"] / MIB
        look()
        # The kernel's own record misses no peak.
        grown = max(0.0, (peak_of(server.pid) or resident) - before, resident - before) / 1024
    figures = {
        "sent": sent,
        "memory": grown,
        "p50": 1000 * latencies.percentile(50),
        "p99": 1000 * latencies.percentile(99),
        "max": 1000 * max(latencies.seconds),
        "lost": float(latencies.lost),
        "descriptors": float(descriptors),
    }
    if count:
        figures["each"] = 1024 * grown / count
    if sent:
        figures["times"] = grown / sent
    if used is not None and used_after is not None:
        figures["cpu"] = 100 * (used_after - used) / took
    return figures


@contextmanager
def _served(run: Run, attack: Attack) -> Iterator[tuple[ServerProcess, str]]:
    """Start a server, and yield the address to attack."""
    command = [sys.executable, "-m", "trionet.cli.main", *attack.serve, ANY_PORT]
    if not attack.is_tls:
        with ServerProcess(command) as server:
            yield server, f"{server.host}:{server.port}"
        return
    certificate = _certificate(run.builds.directory)
    options = ("--tls-cert", str(certificate), "--tls-key", str(certificate))
    with ServerProcess([*command, f"tls:{ANY_PORT}", *options]) as server:
        host, port = server.next_address()
        yield server, f"{host.removeprefix('tls:')}:{port}"


def _certificate(directory: Path) -> Path:
    """Return a file with a certificate and its key."""
    if importlib.util.find_spec("trustme") is None:
        raise Unavailable("trustme is not installed (pip install trionet[bench])")
    import trustme

    path = directory / "certificate.pem"
    if not path.exists():
        trustme.CA().issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(path))
    return path
