"""Count the instructions that the history in memory adds to a busy room, with callgrind.

    python -m tools.cost_of_ring [--rounds 15] [--members 100] [--talkers 20] [--together 1]

In each round every talker says some messages at once, and the next round begins when everybody has
them all. This is counted in a server without a history. How it divides a round among batches
changes the count by some hundredths, as much as the ring adds; so what a full ring takes to keep a
message is counted by itself, in a process of its own. Only what the processes themselves execute is
counted. The kernel takes about as long again, the same with and without a ring. It takes some four
minutes, and needs valgrind.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from tools.cost_of_metrics import Server, members_of, started

# Appends so many events of a room, as a chat does, or only makes them. The ring is full after 1,000
# texts.
_KEEP = """
import sys
from trionet.chat.history.history import kept_of
from trionet.chat.history.ring import Ring
from trionet.chat.state.events import Said

events, together, is_kept = map(int, sys.argv[1:])
ring = Ring()
for number in range(1, events * together, together):
    texts = [f"what each of them says in {number:06d}" for _ in range(together)]
    event = Said("lobby", number, 1_750_000_000_000 + number, 0, "m3", texts)
    if is_kept:
        for kept in kept_of([event]):
            ring.append(kept)
"""
_FEW, _MANY = 2_000, 6_000

# How many times it counts; the median is told.
_TIMES = 3


class BusyRoom:
    """Members of a chat, some of whom talk."""

    def __init__(self, server: Server, members: int, talkers: int) -> None:
        self._server = server.process.pid
        self._members = members_of(server.port, members)
        self._talkers = talkers
        self._round = 0

    def talk(self, rounds: int, together: int) -> None:
        """Let each talker say so many messages at once in each round."""
        for _ in range(rounds):
            self._round += 1
            line = b"what each of them says in %06d\n" % self._round
            os.kill(self._server, signal.SIGSTOP)
            for member in self._members[: self._talkers]:
                member.sendall(line * together)
            os.kill(self._server, signal.SIGCONT)
            for number, member in enumerate(self._members):
                # Nobody hears what it says itself.
                talkers = self._talkers - (number < self._talkers)
                _read_lines(member, talkers * together)


def _read_lines(member: socket.socket, lines: int) -> None:
    while lines > 0:
        piece = member.recv(65536)
        if not piece:
            raise SystemExit("the server closed a connection")
        lines -= piece.count(b"\n")


def measure(members: int, talkers: int, together: int, rounds: int) -> float:
    """Return how many instructions a message takes without a history."""
    options = "--max-clients", "0", "--max-per-address", "0", "--history", "none"
    with started(*options) as server:
        room = BusyRoom(server, members, talkers)
        room.talk(1, together)
        counts = [server.counted(lambda: room.talk(rounds, together)) for _ in range(_TIMES)]
    return statistics.median(counts) / (rounds * talkers * together)


def measure_ring(together: int) -> float:
    """Return how many instructions a full ring takes to keep a message."""
    kept, made = (
        _instructions(_MANY, together, is_kept) - _instructions(_FEW, together, is_kept)
        for is_kept in (1, 0)
    )
    return (kept - made) / (_MANY - _FEW) / together


def _instructions(events: int, together: int, is_kept: int) -> int:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "out")
        command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}"]
        given = map(str, (events, together, is_kept))
        subprocess.run(
            [*command, sys.executable, "-c", _KEEP, *given],
            # Otherwise dicts differ from one process to the next.
            env={**os.environ, "PYTHONHASHSEED": "0"},
            stderr=subprocess.DEVNULL,
            check=True,
        )
        found = re.search(r"^(?:totals|summary): (\d+)$", out.read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1])


def main() -> None:
    """Count, and print the share."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--members", type=int, default=100)
    parser.add_argument("--talkers", type=int, default=20)
    parser.add_argument("--together", type=int, default=1, help="messages of a talker at once")
    asked = parser.parse_args()
    given = asked.members, asked.talkers, asked.together, asked.rounds
    without = measure(*given)
    ring = measure_ring(asked.together)
    print(f"a message to {asked.members}: {without:,.0f} instructions without a history")
    print(f"to keep it: {ring:,.0f}")
    print(f"the ring's share: {ring / (without + ring):.2%}")


if __name__ == "__main__":
    main()
