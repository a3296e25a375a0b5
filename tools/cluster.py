"""Test clusters of three node processes, with more rounds than the tests have.

    python tools/cluster.py [--seeds 20] [--first 1] [--losses 5]

Runs tests/test_cluster.py and tests/test_cluster_members.py with that many seeds of connections
that break at random, and with that many rounds of each way in which a stream can lose its end. A
seed takes some 20 seconds. The tests themselves run two seeds and one round. The status is that of
pytest.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).parent.parent / "tests"
FILES = ("test_cluster.py", "test_cluster_members.py")


def main() -> int:
    """Run the tests, and return their status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--losses", type=int, default=5)
    given = parser.parse_args()
    seeds = range(given.first, given.first + given.seeds)
    variables = {
        "TRIONET_TESTS_MUST_RUN": "1",
        "TRIONET_TESTS_CLUSTER_SEEDS": " ".join(map(str, seeds)),
        "TRIONET_TESTS_CLUSTER_LOSSES": " ".join(["cut flush replica"] * given.losses),
    }
    command = [sys.executable, "-m", "pytest", "-n0", *(str(TESTS / file) for file in FILES)]
    return subprocess.run(command, env={**os.environ, **variables}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
