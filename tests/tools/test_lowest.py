"""The lowest versions are those of pyproject.toml; a tenth of the tests is always the same one."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.lowest import LINTERS, lowest, pins
from tools.part import part_of

ROOT = Path(__file__).parent.parent.parent


def project(*dependencies: str, **extras: list[str]) -> dict[str, object]:
    return {"dependencies": list(dependencies), "optional-dependencies": extras}


def test_each_lower_bound_becomes_a_pin_and_keeps_its_marker() -> None:
    found = project(
        "trio >= 0.27", "typer>=0.26", bench=["uvloop >= 0.21; sys_platform != 'win32'"]
    )
    assert list(pins(found)) == [
        "trio==0.27", "typer==0.26", "uvloop==0.21 ; sys_platform != 'win32'",
    ]  # fmt: skip


def test_linters_judge_the_source_and_are_left_out() -> None:
    assert list(pins(project("a >= 1", dev=[f"{name} >= 1" for name in sorted(LINTERS)]))) == [
        "a==1"
    ]


@pytest.mark.parametrize(
    "requirement", ["trio", "trio == 0.27", "trio >= 0.27, < 1", "trio > 0.27"]
)
def test_a_dependency_without_one_lower_bound_is_refused(requirement: str) -> None:
    with pytest.raises(ValueError, match=r"write NAME >= VERSION"):
        list(pins(project(requirement)))


def test_every_dependency_of_trionet_has_its_pin() -> None:
    names = [re.split("==", pin)[0] for pin in lowest()]
    assert {"trio", "outcome", "typer", "pytest", "hypothesis"} <= set(names)
    run = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "lowest.py")],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert run.stdout.splitlines() == lowest()


@given(st.lists(st.text(min_size=1), min_size=1), st.integers(1, 20))
def test_each_test_is_in_one_part_and_always_the_same(names: list[str], parts: int) -> None:
    for name in names:
        assert 0 <= part_of(name, parts) < parts
        assert part_of(name, parts) == part_of(name, parts)


def run_pytest(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "part", "-q", *options],
        cwd=folder, capture_output=True, text=True, check=False,
        env={"PYTHONPATH": str(ROOT / "tools"), "PATH": ""},
    )  # fmt: skip


def test_the_parts_together_are_all_tests(tmp_path: Path) -> None:
    (tmp_path / "test_many.py").write_text(
        "import pytest\n\n\n@pytest.mark.parametrize('n', range(60))\ndef test_it(n): pass\n"
    )
    passed = 0
    for part in range(3):
        run = run_pytest(tmp_path, "--part=3", f"--part-of={part}")
        found = re.search(r"(\d+) passed, (\d+) deselected", run.stdout)
        assert found, run.stdout
        assert int(found[1]) + int(found[2]) == 60
        passed += int(found[1])
    assert passed == 60
    assert "60 passed" in run_pytest(tmp_path).stdout


def test_a_part_that_does_not_exist_is_a_usage_error(tmp_path: Path) -> None:
    run = run_pytest(tmp_path, "--part=3", "--part-of=3")
    assert run.returncode == 4
    assert "--part must be at least 1" in run.stderr
