"""A sample of what a peer sees: the same with all sends deferred, and with none."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent

# One test in so many; `python tools/deferring.py` runs all of them.
SAMPLE = 20


@pytest.mark.parametrize("mode", ["always", "never"])
def test_a_sample_of_the_suite_passes_with_deferring_forced(mode: str) -> None:
    arguments = ["--mode", mode, "--part", str(SAMPLE), "--", "-n0"]
    # Without what an outer run tells its own workers.
    environment = {key: text for key, text in os.environ.items() if "PYTEST" not in key}
    run = subprocess.run(
        [sys.executable, "tools/deferring.py", *arguments],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert " passed" in run.stdout
