"""Attacks are carried out and bounded, and the other client's clock tells what they did."""

from __future__ import annotations

import socket
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import measures
from benchmarks.attackers import Attacker, Gang
from benchmarks.attacks import ATTACKS, LINE
from benchmarks.builds import Builds
from benchmarks.parts.hostile import carry_out, scaled
from benchmarks.plan import QUICK
from benchmarks.probe import Latencies, Probe
from benchmarks.processes import Failed, ServerProcess
from benchmarks.results import Results
from benchmarks.run import Run
from needs import lacking

# Seconds: shorter than any attack that tells something, long enough to see each step.
PLAN = replace(QUICK, attack_seconds=0.3, attack_patience=5.0)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    if not Path("/proc/self/status").exists():
        lacking("what is resident is read from /proc, which Linux alone has")
    return Run(PLAN, Builds(tmp_path), Results())


@pytest.mark.parametrize("name", ["none", "strangers", "slow", "tls", "joiners", "calc-bad"])
def test_an_attack_is_carried_out_and_measured(run: Run, name: str) -> None:
    attack = ATTACKS[name]
    count = min(3, attack.attackers)
    figures = carry_out(run, attack, count)
    assert figures.keys() <= measures.ATTACK_FIGURES.keys()
    assert 0 < figures["p50"] <= figures["p99"] <= figures["max"]
    assert figures["memory"] >= 0
    # Something is sent, and never more than the attack says.
    times = 1 + attack.per_second * PLAN.attack_seconds
    assert 0 <= figures["sent"] * (1 << 20) <= count * len(attack.payload) * times
    assert bool(figures["sent"]) == bool(attack.payload)
    assert ("each" in figures) == bool(count)
    # At least those of the attackers whom the server serves; it may close the others at once.
    served = 0 if attack.is_tls or attack.logs_in else count
    assert figures["descriptors"] >= served


def test_every_attack_is_bounded_in_lines_and_in_bytes() -> None:
    for attack in ATTACKS.values():
        assert len(attack.payload) * attack.attackers <= 64 << 20, attack.name
        if attack.per_second:
            assert attack.payload.count(b"\n") == 1
            assert len(attack.payload) <= LINE + 1


def test_a_tenth_of_an_attack_has_a_tenth_of_the_attackers_and_at_least_one() -> None:
    assert scaled(ATTACKS["who"], 0.1) == 20
    assert scaled(ATTACKS["letters"], 0.01) == 1
    assert scaled(ATTACKS["none"], 1) == 0


def test_percentiles_are_those_of_the_lines_that_took_longest() -> None:
    latencies = Latencies([0.01 * number for number in range(1, 101)])
    assert latencies.percentile(50) == pytest.approx(0.51)
    assert latencies.percentile(99) == pytest.approx(1.0)
    assert Latencies([0.5]).percentile(99) == 0.5


# Passes lines on to all others; stands still for a while at line 5, and loses line 7.
FAULTY = """
import socket, threading, time
listener = socket.create_server(("127.0.0.1", 0))
print(f"listening on 127.0.0.1:{listener.getsockname()[1]}", flush=True)
socks, lock = [], threading.Lock()
def serve(sock):
    lines = sock.makefile("rb")
    name = lines.readline().strip()
    with lock:
        socks.append(sock)
        sock.sendall(b"*** welcome\\n")
    heard = 0
    for line in lines:
        heard += 1
        if heard == 5:
            time.sleep(0.4)
        if heard == 7:
            continue
        with lock:
            for other in socks:
                if other is not sock:
                    other.sendall(name + b": " + line)
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
"""


def test_a_server_that_stands_still_delays_each_line_of_that_time_and_a_lost_line_is_counted(
    tmp_path: Path,
) -> None:
    program = tmp_path / "faulty.py"
    program.write_text(FAULTY)
    looks = []
    with (
        ServerProcess([sys.executable, str(program)]) as server,
        Probe((server.host, int(server.port)), is_calculator=False) as probe,
    ):
        latencies = probe.watch(0.6, 5.0, lambda: looks.append(time.monotonic()))
    assert latencies.lost == 1
    assert len(latencies.seconds) == 30 - 1
    assert max(latencies.seconds) >= 0.35
    # Not the one line at which it stood still, but those that were due meanwhile, too.
    assert sum(seconds > 0.1 for seconds in latencies.seconds) >= 8
    assert len(looks) > 10


def test_a_server_that_does_not_answer_has_no_figures() -> None:
    program = (
        "import socket\n"
        "listener = socket.create_server(('127.0.0.1', 0))\n"
        "print(f'listening on 127.0.0.1:{listener.getsockname()[1]}', flush=True)\n"
        "while True: listener.accept()[0].close()\n"
    )
    with (
        ServerProcess([sys.executable, "-c", program]) as server,
        pytest.raises((Failed, OSError)),
        Probe((server.host, int(server.port)), is_calculator=True),
    ):
        pass


def test_an_attacker_that_is_cut_off_stops_and_disturbs_no_other() -> None:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    attacker = Attacker(ours)
    attacker.push(b"x" * 10)
    assert attacker.sent == 10
    theirs.close()
    attacker.push(b"x" * 10)
    attacker.push(b"x" * 10)
    assert (attacker.sent, len(attacker.rest)) == (10, 0)
    ours.close()


def test_attackers_send_nothing_new_before_the_kernel_has_taken_the_rest() -> None:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    attacker = Attacker(ours)
    payload = b"x" * (4 << 20)
    attacker.push(payload)
    assert 0 < attacker.sent < len(payload)
    attacker.push(payload)
    assert attacker.sent + len(attacker.rest) == len(payload)
    for end in (ours, theirs):
        end.close()


def test_a_gang_that_cannot_log_in_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.attackers.LOGIN_PATIENCE", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        gang = Gang(ATTACKS["slow"], ("127.0.0.1", deaf.getsockname()[1]))
        gang.connect(2)
        with pytest.raises(TimeoutError, match="not all attackers are logged in"):
            gang.log_in()
        for attacker in gang.attackers:
            attacker.sock.close()
        gang.close()
