"""Every block of code in the docs and the README runs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def python_blocks(document: str) -> list[str]:
    return re.findall(
        r"^```python\n(.*?)^```$", (ROOT / document).read_text(), re.MULTILINE | re.DOTALL
    )


def run_as_tests(folder: Path, blocks: list[str]) -> None:
    for number, block in enumerate(blocks):
        (folder / f"test_block_{number}.py").write_text(block)
    options = ["-q", "-p", "no:cacheprovider", "-o", "trio_mode=true", "-W", "error"]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", *options], cwd=folder,
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr


def test_the_guide_to_testing_runs(tmp_path: Path) -> None:
    blocks = python_blocks("docs/testing.md")
    assert len(blocks) >= 6
    run_as_tests(tmp_path, blocks)


def test_the_service_of_the_readme_passes_the_test_of_the_readme(tmp_path: Path) -> None:
    service, its_test = python_blocks("README.md")
    assert len(service.strip().splitlines()) <= 12
    run_as_tests(tmp_path, [service + its_test])


@pytest.mark.parametrize("link", re.findall(r"\]\(([^)#:]+)\)", (ROOT / "README.md").read_text()))
def test_what_the_readme_links_to_is_there(link: str) -> None:
    assert (ROOT / link).exists()
