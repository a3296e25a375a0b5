"""Which command lines of pytest start workers; `tests/support/workers.py` decides."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SUPPORT = Path(__file__).parent / "support"

# Plugins that these tests do not need. Loading them would double the time.
NOT_LOADED = ("cacheprovider", "trio", "trionet", "hypothesispytest", "platformdirs")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project whose two tests tell whether they run in a worker."""
    (tmp_path / "pytest.ini").write_text("[pytest]\ntestpaths = tests\n")
    tests = tmp_path / "tests"
    tests.mkdir()
    (tests / "conftest.py").write_text(
        "from workers import pytest_cmdline_main as pytest_cmdline_main"
    )
    for name in ("one", "two"):
        (tests / f"test_{name}.py").write_text(
            "import os\n\n"
            f"def test_{name}():\n"
            "    worker = os.environ.get('PYTEST_XDIST_WORKER', 'no worker')\n"
            "    with open('ran', 'a') as ran: ran.write(f'{worker}\\n')\n"
        )
    return tmp_path


def workers(project: Path, *arguments: str, status: int = 0) -> set[str]:
    """Run pytest with two cores, and return where the tests ran."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")
    }
    run = subprocess.run(
        [sys.executable, "-m", "pytest", *(f"-pno:{plugin}" for plugin in NOT_LOADED), *arguments],
        cwd=project, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
        env=environment | {"PYTHONPATH": str(SUPPORT), "PYTEST_XDIST_AUTO_NUM_WORKERS": "2"},
    )  # fmt: skip
    assert run.returncode == status, run.stdout + run.stderr
    return set((project / "ran").read_text().split("\n")) - {""}


@pytest.mark.parametrize(
    "arguments",
    [
        ["tests/test_one.py::test_one"],
        ["tests/test_one.py"],
        ["tests/test_one.py", "tests/test_two.py"],
        ["-n0"],
        ["--pdb"],
        ["-p", "no:xdist"],
    ],
    ids=" ".join,
)
def test_no_worker_is_started(project: Path, arguments: list[str]) -> None:
    assert workers(project, *arguments) == {"no worker"}


@pytest.mark.parametrize("arguments", [[], ["tests"], ["-k", "test"]], ids=" ".join)
def test_all_cores_are_used(project: Path, arguments: list[str]) -> None:
    assert workers(project, *arguments) == {"gw0", "gw1"}


def test_the_number_on_the_command_line_counts_for_a_single_file_too(project: Path) -> None:
    assert workers(project, "-n1", "tests/test_one.py") == {"gw0"}
