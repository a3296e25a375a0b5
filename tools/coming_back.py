"""Cut members off again and again while they are told the past, on virtual time.

    python tools/coming_back.py [FIRST_SEED [LAST_SEED]] [--orders FIRST LAST] [--only MODEL]

Four members in three rooms lose their connections in many ways, come back, and lose them again
before they are told everything. Each must have been told each event once, or that it has missed it.
There are two models of this. In `past` they only talk, much, and are resumed. In `lives` they do
everything that a program can do, are taken over by others who have their tokens, are not always
held, and the server ends and begins again. A seed runs in both, with a history in memory, with one
in a file, and with one in a file that forgets what is older than some seconds. The tests run a few
seeds.

What happens follows from the seed; an order seeds in which order Trio runs tasks that are ready at
the same time. A failure tells both numbers, and with them it comes again. Default: order 0. (The
script starts itself anew where PYTHONHASHSEED is not 0, because the order of a set counts too.)
"""

from __future__ import annotations

import argparse
import itertools
import logging
import os
import sys
import traceback
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import trio
import trio.testing

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "support"))

from chaos import order_tasks
from coming_back import HISTORIES, ComingBack, History
from whole_lives import WholeLives, make_small

MODELS: dict[str, type[ComingBack | WholeLives]] = {"past": ComingBack, "lives": WholeLives}


def run(model: str, seed: int, order: int, history: History, happened: Counter[str]) -> list[str]:
    """Run one seed, count what happened, and return what is wrong afterwards."""
    order_tasks(seed, order)
    make_small(setattr, seed)
    with TemporaryDirectory() as folder:
        members = MODELS[model](seed, history, Path(folder))
        try:
            trio.run(members.run, clock=trio.testing.MockClock(autojump_threshold=0))
        except ExceptionGroup:
            # A member was told something that it could not believe.
            return [traceback.format_exc()]
    happened.update(members.counts())
    return list(members.faults())


def main() -> None:
    """Run the seeds of the command line."""
    if os.environ.get("PYTHONHASHSEED") != "0":
        os.environ["PYTHONHASHSEED"] = "0"
        os.execv(sys.executable, [sys.executable, *sys.argv])
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("first", type=int, nargs="?")
    parser.add_argument("last", type=int, nargs="?")
    parser.add_argument("--orders", type=int, nargs=2, default=(0, 0))
    parser.add_argument("--only", choices=MODELS, action="append", default=None)
    given = parser.parse_args()
    first = 0 if given.first is None else given.first
    last = given.last if given.last is not None else 99 if given.first is None else first
    logging.disable(logging.CRITICAL)
    happened: Counter[str] = Counter()
    failed = runs = 0
    for seed in range(first, last + 1):
        for order in range(given.orders[0], given.orders[1] + 1):
            for model, history in itertools.product(given.only or MODELS, HISTORIES):
                runs += 1
                if faults := run(model, seed, order, history, happened):
                    failed += 1
                    where = f"{model}, seed {seed}, order {order}, {history}:"
                    print(where, *faults, sep="\n    ", flush=True)
    counts = ", ".join(f"{count:,} {what}" for what, count in happened.items())
    print(f"{runs} runs, {failed} failed; {counts}")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
