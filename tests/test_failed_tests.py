"""A test that fails fails no other test; `tests/support/failed_tests.py` sees to that."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SUPPORT = Path(__file__).parent / "support"

# The second test is innocent, and the last one is not: it passes, and leaves a socket open.
TESTS = """
import gc
import socket
import pytest

def test_one():
    sock = socket.socket()
    raise AssertionError("one fails")

def test_two():
    gc.collect()

def test_three():
    with pytest.raises(ValueError):
        raise ValueError(socket.socket())
    gc.collect()
"""


@pytest.mark.parametrize("option", ["-n0", "-n1"])
def test_what_a_failed_test_leaves_open_fails_no_other(tmp_path: Path, option: str) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
    (tmp_path / "conftest.py").write_text(
        "from failed_tests import pytest_runtest_protocol as pytest_runtest_protocol"
    )
    (tmp_path / "test_these.py").write_text(TESTS)
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")
    }
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-pno:cacheprovider", "-ra", option, "test_these.py"],
        cwd=tmp_path, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
        env=environment | {"PYTHONPATH": str(SUPPORT)},
    )  # fmt: skip
    told = [line.split(" - ")[0] for line in run.stdout.splitlines() if line.startswith("FAILED ")]
    assert told == ["FAILED test_these.py::test_one", "FAILED test_these.py::test_three"], run
    assert "unclosed <socket" in run.stdout
