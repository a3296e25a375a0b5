"""Plant known faults, one after the other, and show the test that goes red.

    python tests/planted/plant.py [NAME]...

Each ``NAME.patch`` beside this file is a fault that a room must never have. It is planted in a copy
of the project; the tests run there until one fails. A fault that no test catches ends the command
with status 1. Needs git, to apply the patches.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent.parent

# What starts processes is slow; these faults are shown
# without them.
TESTS = (
    "tests",
    *(f"--ignore=tests/{name}" for name in ("benchmarks", "cli", "conformance", "planted")),
)
LEFT_OUT = (".*", "__pycache__", "build", "dist")

# The tests take some 30 s; a fault may make one of them wait for ever.
SECONDS = 120


def first_red_test(fault: Path | None) -> str | None:
    """Plant a fault in a copy, and return the test that fails there; ``None``: none does."""
    with tempfile.TemporaryDirectory(prefix="trionet-planted-") as folder:
        copy = Path(folder, "trionet")
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*LEFT_OUT))
        if fault is not None:
            subprocess.run(["git", "apply", str(fault)], cwd=copy, check=True)
        output = run_tests(copy)
    red = re.search(r"^(\S+::.*?) (?:FAILED|ERROR)", output, re.MULTILINE)
    if red:
        return red[1]
    if re.search(r"^=+ .*\bpassed\b.* =+$", output, re.MULTILINE):
        return None
    started = re.findall(r"^(\S+::.*?) *$", output, re.MULTILINE)
    if not started:
        raise RuntimeError(f"the tests did not run:\n{output}")
    return f"{started[-1]} (waits for ever)"


def run_tests(copy: Path) -> str:
    """Run the tests of a copy until one fails, and return what pytest printed."""
    try:
        return subprocess.run(
            [sys.executable, "-m", "pytest", "-x", "-v", "-n=0", "-p", "no:cacheprovider", *TESTS],
            cwd=copy,
            env=os.environ | {"PYTHONPATH": str(copy / "src")},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS,
            check=False,
        ).stdout
    except subprocess.TimeoutExpired as late:
        return (late.stdout or b"").decode()


def main(names: list[str]) -> int:
    """Plant the named faults, or all, and return the exit status."""
    red = first_red_test(None)
    if red is not None:
        print(f"without any fault {red} is red already: nothing can be shown")  # noqa: T201
        return 1
    faults = [HERE / f"{name}.patch" for name in names] or sorted(HERE.glob("*.patch"))
    missed = 0
    for fault in faults:
        red = first_red_test(fault)
        missed += red is None
        print(f"{fault.stem:<22} {'red: ' + red if red else 'NOT CAUGHT'}", flush=True)  # noqa: T201
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
