"""How long programs take to start: whole processes, including the start of the interpreter."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks import measures
from benchmarks.peers.table import TRIONET, Peer
from benchmarks.processes import HERE, Failed
from benchmarks.results import Measure
from benchmarks.run import Run, tell

SELF = Peer(name=TRIONET, label="start", command=lambda _builds: [])

PROGRAMS: Sequence[tuple[Measure, Sequence[str]]] = (
    (measures.BARE_PYTHON, (sys.executable, "-c", "pass")),
    (measures.IMPORT_TRIO, (sys.executable, "-c", "import trio")),
    (measures.IMPORT_TRIONET, (sys.executable, "-c", "import trionet")),
    (measures.BARE_TYPER, (sys.executable, str(HERE / "bare_typer.py"), "--version")),
    (measures.TRIONET_VERSION, (str(Path(sys.executable).with_name("trionet")), "--version")),
)


def measure(run: Run) -> None:
    """Start all programs in turn, repeatedly."""
    with run.attempt("start", SELF, *(measure_ for measure_, _ in PROGRAMS)) as trial:
        for _, command in PROGRAMS:
            _seconds(command)  # the files come into the kernel's cache
        for round_ in range(1, run.plan.rounds + 1):
            tell(f"start, round {round_} of {run.plan.rounds}")
            taken: dict[str, list[float]] = {}
            for _ in range(run.plan.starts):
                for measure_, command in PROGRAMS:
                    taken.setdefault(measure_.key, []).append(_seconds(command))
            for measure_, _ in PROGRAMS:
                trial.take(measure_, round_, 1000 * statistics.median(taken[measure_.key]))


def _seconds(command: Sequence[str]) -> float:
    began = time.perf_counter()
    try:
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise Failed(str(error)) from None
    return time.perf_counter() - began
