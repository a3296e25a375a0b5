"""Try trionet on the lowest versions of its dependencies that `pyproject.toml` allows.

    python tools/lowest.py                print these versions, as pip takes them
    python tools/lowest.py --run          run the demo and a tenth of the tests in a new environment
    python tools/lowest.py --run --all    run the demo and all tests
    python tools/lowest.py --run --python python3.12 --keep DIR -- -k test_hub

A lower bound that nobody tries is a guess. The linters are left out: they check the source, and one
version of each is enough. Indirect dependencies are the newest ones, as for a user who has old
versions only of what trionet names.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent

# Tools that read the source and do not run it.
LINTERS = frozenset({"import-linter", "mypy", "ruff"})

# Run one test in this many.
A_TENTH = 10

_REQUIREMENT = re.compile(r"([A-Za-z0-9._-]+) *>= *([0-9][0-9A-Za-z.]*) *(;.*)?")


def pins(project: Mapping[str, Any]) -> Iterator[str]:
    """Yield a pin to the lowest version of each dependency, including those of the extras.

    Args:
        project: the table ``project`` of a ``pyproject.toml``.

    Raises:
        ValueError: a dependency has no lower bound, or has more than a lower bound.
    """
    listed = [*project["dependencies"]]
    for extra in project["optional-dependencies"].values():
        listed += extra
    for requirement in listed:
        found = _REQUIREMENT.fullmatch(requirement)
        if found is None:
            raise ValueError(f"{requirement!r}: write NAME >= VERSION")
        name, version, marker = found.groups()
        if name not in LINTERS:
            yield f"{name}=={version}" + (f" {marker}" if marker else "")


def lowest() -> list[str]:
    """Return the pins for trionet."""
    return list(pins(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]))


def run(python: str, directory: Path, tests: Sequence[str]) -> int:
    """Install the lowest versions, and run the demo and tests.

    Args:
        python: the interpreter that makes the environment.
        directory: where the environment goes.
        tests: arguments for pytest.

    Returns:
        The status of the first command that failed, or 0.
    """
    subprocess.run([python, "-m", "venv", "--clear", directory], check=True)
    ours = directory / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    pip: list[str | Path] = [ours, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, *lowest(), "-e", ROOT], check=True)
    # Every worker of pytest-xdist must find the plugin `part`.
    environment = os.environ | {"PYTHONPATH": str(ROOT / "tools")}
    commands: list[list[str | Path]] = [
        [ours.with_name("trionet"), "demo"],
        [ours.with_name("trionet"), "chat", "serve", "--help"],
        [ours, "-m", "pytest", "-p", "part", *tests],
    ]
    for command in commands:
        status = subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode
        if status:
            print(f"failed: {' '.join(map(str, command))}", file=sys.stderr)
            return status
    return 0


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--run", action="store_true", help="install the versions and run tests")
    parser.add_argument("--all", action="store_true", help="run all tests, not a tenth of them")
    parser.add_argument("--python", default=sys.executable, help="default: the current interpreter")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep the environment in DIR")
    parser.add_argument("pytest", nargs="*", help="further arguments for pytest, after --")
    options = parser.parse_args()
    if not options.run:
        print("\n".join(lowest()))
        return
    tests = [*options.pytest] if options.all else [f"--part={A_TENTH}", *options.pytest]
    with tempfile.TemporaryDirectory() as directory:
        raise SystemExit(run(options.python, options.keep or Path(directory), tests))


if __name__ == "__main__":
    main()
