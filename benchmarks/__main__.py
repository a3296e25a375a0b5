"""Measure trionet's servers against their peers and against the limit.

    python -m benchmarks                    everything, in about 40 minutes
    python -m benchmarks --quick            a little of everything, in less than a minute
    python -m benchmarks chat calc          some parts: chat, calc, one, idle, drain, ...
    python -m benchmarks --peers trionet,limit,go --rounds 3
    python -m benchmarks --out DIR          also write results.json, results.md and chart.svg

The table goes to standard output, and progress to standard error.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks import machine, measures, report
from benchmarks.builds import Builds
from benchmarks.chart import chart
from benchmarks.parts import calc, chat, drain, history, hostile, idle, start, web
from benchmarks.peers.table import LABELS
from benchmarks.plan import FULL, QUICK, Plan
from benchmarks.results import Results
from benchmarks.run import Run, tell

PARTS: Mapping[str, Callable[[Run], None]] = {
    "chat": chat.measure,
    "calc": calc.measure,
    "one": calc.measure_one,
    "idle": idle.measure,
    "drain": drain.measure,
    "start": start.measure,
    "hostile": hostile.measure,
    "history": history.measure,
    "web": web.measure,
}

# Above this load average, other programs disturb the measurement.
BUSY = 0.5


def charted(plan: Plan) -> Sequence[str]:
    """Return the measures that the chart shows."""
    return [
        measures.fan_out(chat.MEMBERS, 32).key,
        measures.fan_out(plan.crowd, 32).key,
        measures.one_message(plan.crowd, 50).key,
        measures.join(plan.crowd).key,
        *(measures.calculator(depth).key for depth in calc.DEPTHS),
    ]


def main() -> None:
    """Run what the command line asks for."""
    options, plan, names = _arguments()
    machine.allow_descriptors()
    described = machine.describe()
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    described["load_before"] = load
    if load is not None and load > BUSY:
        tell(f"other programs are running (load average {load:.1f}): figures will vary")
    if described["server_core"] is None:
        tell("server and load generator share a core and disturb each other")
    results = Results()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as directory:
        run = Run(plan, Builds(Path(directory)), results, names)
        for part in options.parts or PARTS:
            try:
                PARTS[part](run)
            except KeyboardInterrupt:
                tell("interrupted: these are the results so far")
                break
    tell(f"took {time.monotonic() - began:.0f} s")
    text = report.as_text(results, plan, described)
    sys.stdout.write(text)
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / "results.md").write_text(text)
        (options.out / "results.json").write_text(report.as_json(results, plan, described))
        (options.out / "chart.svg").write_text(chart(results, charted(plan)))


def _arguments() -> tuple[argparse.Namespace, Plan, Sequence[str] | None]:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}; default all")
    parser.add_argument("--quick", action="store_true", help="less of everything")
    parser.add_argument("--rounds", type=int, metavar="N", help="times that all peers are run")
    parser.add_argument("--peers", metavar="NAME,...", help=f"of {', '.join(LABELS)}; default all")
    parser.add_argument("--out", type=Path, metavar="DIR", help="where to put files")
    parser.add_argument(
        "--history-file", type=Path, metavar="FILE", help="made by benchmarks.make_history"
    )
    options = parser.parse_args()
    for part in options.parts:
        if part not in PARTS:
            parser.error(f"there is no part {part}; there are {', '.join(PARTS)}")
    names = options.peers.split(",") if options.peers else None
    for name in names or ():
        if name not in LABELS:
            parser.error(f"there is no peer {name}; there are {', '.join(LABELS)}")
    plan = QUICK if options.quick else FULL
    if options.rounds is not None:
        if options.rounds < 1:
            parser.error("--rounds must be at least 1")
        plan = replace(plan, rounds=options.rounds)
    plan = replace(plan, history_file=options.history_file)
    return options, plan, names


if __name__ == "__main__":
    main()
