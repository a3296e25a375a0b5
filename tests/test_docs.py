"""Every block of code in the docs and the README runs."""

from __future__ import annotations

import os
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


def test_the_guide_to_testing_and_the_service_of_the_readme_with_its_test_run(
    tmp_path: Path,
) -> None:
    blocks = python_blocks("docs/testing.md")
    assert len(blocks) >= 6
    service, its_test = python_blocks("README.md")
    assert len(service.strip().splitlines()) <= 12
    # All in one run, because a run of pytest takes most of a second to begin.
    for number, block in enumerate(blocks):
        (tmp_path / f"test_block_{number}.py").write_text(block)
    (tmp_path / "test_readme.py").write_text(service + its_test)
    options = ["-v", "-p", "no:cacheprovider", "-o", "trio_mode=true", "-W", "error"]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", *options], cwd=tmp_path,
        capture_output=True, text=True, check=False, timeout=120,
        # Or hypothesis makes its tables of all characters anew in the folder, for two seconds.
        env=os.environ | {"HYPOTHESIS_STORAGE_DIRECTORY": str(ROOT / ".hypothesis")},
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr
    assert "test_readme.py::" in run.stdout


@pytest.mark.parametrize("link", re.findall(r"\]\(([^)#:]+)\)", (ROOT / "README.md").read_text()))
def test_what_the_readme_links_to_is_there(link: str) -> None:
    assert (ROOT / link).exists()
