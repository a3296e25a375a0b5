"""Plant known faults one at a time, and show which test catches each.

    python tools/plant.py [NAME]... [--tests PATH]... [--patience SECONDS]

Each ``tools/planted/NAME.patch`` plants a fault that a server must never have. The script copies
the project, applies the patch to the copy, and runs the tests there until one fails. Those that
mirror the files of the patch run first. If no test catches a fault, the script ends with status 1.
It needs git to apply the patches.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PATCHES = ROOT / "tools" / "planted"

# Left out: tests that start processes, which are slow and not needed to show these faults, and the
# tests of the tools, among which a test fails as soon as any patch is planted.
PROCESSES = (
    *("benchmarks", "browser", "cli", "conformance", "tools"),
    *("test_cluster.py", "test_deploy.py", "test_redis_server.py", "test_restarts.py"),
)
LEFT_OUT = tuple(f"--ignore=tests/{name}" for name in PROCESSES)
NOT_COPIED = (".git", ".venv*", ".*cache", ".hypothesis", "__pycache__", "build", "dist")

# Seconds for one run. The tests take about 60 s, and longer on a busy machine. A fault may make one
# of them wait for ever.
PATIENCE = 300.0


def first_red_test(
    fault: Path | None, tests: Sequence[str] = ("tests",), *, patience: float = PATIENCE
) -> str | None:
    """Plant a fault in a copy of the project and run the tests there.

    Args:
        fault: the patch; ``None`` runs the tests on an unchanged copy.
        tests: the files and folders to run.
        patience: how long that may take, in seconds.

    Returns:
        The first test that fails, or ``None`` if all pass.
    """
    with tempfile.TemporaryDirectory(prefix="trionet-planted-") as folder:
        copy = Path(folder, "trionet")
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*NOT_COPIED))
        if fault is not None:
            subprocess.run(["git", "apply", str(fault)], cwd=copy, check=True)
            tests = [*mirroring(fault.read_text(), tests), *tests]
        output = run_tests(copy, tests, patience)
    red = re.search(r"^(\S+::.*?) (?:FAILED|ERROR)", output, re.MULTILINE)
    if red:
        return red[1]
    if re.search(r"^=+ .*\bpassed\b.* =+$", output, re.MULTILINE):
        return None
    started = re.findall(r"^(\S+::.*?) *$", output, re.MULTILINE)
    if not started:
        raise RuntimeError(f"the tests did not run:\n{output}")
    return f"{started[-1]} (waits for ever)"


def mirroring(patch: str, tests: Sequence[str]) -> list[str]:
    """Return the folders of tests that mirror the files of a patch, if they are among `tests`."""
    if "tests" not in tests:
        return []
    folders = dict.fromkeys(re.findall(r"^\+\+\+ b/src/trionet/(\w+)/", patch, re.MULTILINE))
    return [f"tests/{name}" for name in folders if (ROOT / "tests" / name).is_dir()]


def run_tests(copy: Path, tests: Sequence[str], patience: float) -> str:
    """Run the tests of a copy until one fails, and return what pytest printed."""
    options = ("-x", "-v", "-n=0", "-p", "no:cacheprovider")
    try:
        return subprocess.run(
            [sys.executable, "-m", "pytest", *options, *tests, *LEFT_OUT],
            cwd=copy,
            env=os.environ | {"PYTHONPATH": str(copy / "src")},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=patience,
            check=False,
        ).stdout
    except subprocess.TimeoutExpired as late:
        return (late.stdout or b"").decode()


def main(arguments: list[str]) -> int:
    """Plant the named faults, or all of them, and return the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="the faults; default: all")
    parser.add_argument("--tests", action="append", metavar="PATH", help="default: all tests")
    parser.add_argument("--patience", type=float, default=PATIENCE, metavar="SECONDS")
    options = parser.parse_args(arguments)
    tests, patience = options.tests or ["tests"], options.patience
    red = first_red_test(None, tests, patience=patience)
    if red is not None:
        print(f"{red} fails without any planted fault: fix that first")
        return 1
    faults = [PATCHES / f"{name}.patch" for name in options.names]
    faults = faults or sorted(PATCHES.glob("*.patch"))
    missed = 0
    for fault in faults:
        red = first_red_test(fault, tests, patience=patience)
        missed += red is None
        print(f"{fault.stem:<22} {'red: ' + red if red else 'NOT CAUGHT'}", flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
