"""Run the conformance suite and the chat's model with all sends deferred, and with none.

    python tools/deferring.py [--part N] [--mode always|never] [-- ARGUMENTS OF PYTEST]

In production a server defers sends when input wakes three tasks or more together, so which of them
a test meets depends on its timing. Here it does not. ``--part N`` runs one test in N, always the
same ones.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

from trionet.connection.deferred_sends import FORCED_BY

ROOT = Path(__file__).resolve().parent.parent

TESTS = ("tests/conformance", "tests/chat/session/test_model.py", "tests/connection")

# Tests of the suite itself: a part of it has no test for some sentences.
NOT_IN_A_PART = "--deselect=tests/conformance/test_completeness.py"


def command(part: int, arguments: list[str]) -> list[str]:
    """Return the command that runs one test in `part`."""
    parts = ["-p", "part", f"--part={part}", NOT_IN_A_PART] if part > 1 else []
    return [sys.executable, "-m", "pytest", "-q", *parts, *TESTS, *arguments]


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--part", type=int, default=1, metavar="N", help="run one test in N")
    parser.add_argument("--mode", choices=("always", "never"), help="default: both")
    parser.add_argument("pytest", nargs="*", help="further arguments for pytest, after --")
    options = parser.parse_args()
    status = 0
    for mode in (options.mode,) if options.mode else ("always", "never"):
        print(f"sends are deferred: {mode}", flush=True)
        environment = os.environ | {FORCED_BY: mode, "PYTHONPATH": str(ROOT / "tools")}
        run = command(options.part, options.pytest)
        status |= subprocess.run(run, cwd=ROOT, env=environment, check=False).returncode
    sys.exit(status)


if __name__ == "__main__":
    main()
