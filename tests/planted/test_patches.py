from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def test_there_is_a_patch_for_each_fault_that_a_room_must_never_have() -> None:
    assert {patch.stem for patch in HERE.glob("*.patch")} == {
        "leaked_task", "log_split_in_two", "lost_line", "messages_swapped", "name_freed_too_early",
        "second_leave_notice",
    }  # fmt: skip


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git to try a patch")
@pytest.mark.parametrize("patch", sorted(HERE.glob("*.patch")), ids=lambda patch: patch.stem)
def test_each_fault_can_still_be_planted(patch: Path) -> None:
    check = ["git", "apply", "--check", str(patch)]
    run = subprocess.run(check, cwd=HERE.parent.parent, capture_output=True, text=True, check=False)
    assert run.returncode == 0, f"the source has changed: make {patch.name} anew\n{run.stderr}"
