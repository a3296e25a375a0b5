"""Put a shared chat's Redis through every fault, again and again, on virtual time.

    python tools/chaos_log.py [FIRST_SEED [LAST_SEED]]

Three servers are one chat over a Redis in memory. Connections and answers get lost, nodes are cut
off for longer than their lease, and Redis stops or loses its data. Afterwards all servers must have
the same state, and all members must have been told the same, once. The tests run a few seeds.
"""

from __future__ import annotations

import logging
import sys
from functools import partial
from pathlib import Path

import trio
import trio.testing

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "support"))

from chaos import Chaos
from shared_chat import Cluster
from trionet.chat.cluster import upkeep
from trionet.chat.cluster.snapshots import Snapshots
from trionet.chat.serving import shared_log


async def run(seed: int) -> list[str]:
    """Run one seed, and return what is wrong afterwards."""
    async with trio.open_nursery() as nursery:
        cluster = Cluster(nursery)
        shared_log.RedisLink = lambda server: cluster.redis.link(server.host)  # type: ignore
        upkeep.Snapshots = partial(Snapshots, 60, 60) if seed % 2 else Snapshots  # type: ignore
        for _ in range(3):
            await cluster.start()
        chaos = Chaos(cluster, seed)
        await chaos.run()
        faults = chaos.faults()
        nursery.cancel_scope.cancel()
    return faults and [*chaos.happened, *faults]


def main() -> None:
    """Run the seeds of the command line."""
    seeds = [int(word) for word in sys.argv[1:]] or [0, 999]
    first, last = seeds[0], seeds[-1]
    logging.disable(logging.CRITICAL)
    failed = 0
    for seed in range(first, last + 1):
        faults = trio.run(run, seed, clock=trio.testing.MockClock(autojump_threshold=0))
        if faults:
            failed += 1
            print(f"seed {seed}:", *faults, sep="\n    ", flush=True)
    print(f"{last - first + 1} seeds, {failed} failed")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
