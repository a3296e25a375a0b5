"""Put a shared chat's Redis through every fault, again and again, on virtual time.

    python tools/chaos_log.py [FIRST_SEED [LAST_SEED]] [--orders FIRST LAST]

Three servers are one chat over a Redis in memory. Connections and answers get lost, nodes are cut
off for longer than their lease, and Redis stops or loses its data. Afterwards all servers must have
the same state, and all members must have been told the same, once. The tests run a few seeds.

What happens follows from the seed. An order seeds the rest: in which order Trio runs tasks that are
ready at the same time, and how long the pauses after a failure are. Some faults need one order in a
few hundred. So a failure tells both numbers, and with them it comes again. Default: order 0. (The
script starts itself anew where PYTHONHASHSEED is not 0, because the order of a set counts too.)
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from functools import partial
from pathlib import Path

import trio
import trio.testing

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "support"))

from chaos import Chaos, order_tasks
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
    if os.environ.get("PYTHONHASHSEED") != "0":
        os.environ["PYTHONHASHSEED"] = "0"
        os.execv(sys.executable, [sys.executable, *sys.argv])
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("first", type=int, nargs="?")
    parser.add_argument("last", type=int, nargs="?")
    parser.add_argument("--orders", type=int, nargs=2, default=(0, 0))
    given = parser.parse_args()
    first = 0 if given.first is None else given.first
    last = given.last if given.last is not None else 999 if given.first is None else first
    orders = range(given.orders[0], given.orders[1] + 1)
    logging.disable(logging.CRITICAL)
    failed = runs = 0
    for seed in range(first, last + 1):
        for order in orders:
            order_tasks(seed, order)
            faults = trio.run(run, seed, clock=trio.testing.MockClock(autojump_threshold=0))
            runs += 1
            if faults:
                failed += 1
                print(f"seed {seed}, order {order}:", *faults, sep="\n    ", flush=True)
    print(f"{runs} runs, {failed} failed")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
