"""Room for thousands of descriptors, and writes to those that somebody made non-blocking."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

resource = pytest.importorskip("resource")

PREPARE = """
import resource
from pathlib import Path
from trionet.program.descriptors import prepare_many_descriptors

soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))
before = sorted(path.name for path in Path("/proc/self/fd").iterdir())
prepare_many_descriptors()
assert sorted(path.name for path in Path("/proc/self/fd").iterdir()) == before
print(Path("/proc/self/status").read_text().partition("FDSize:")[2].split()[0])
print(*resource.getrlimit(resource.RLIMIT_NOFILE))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the size is read from /proc")
@pytest.mark.parametrize(
    ("soft", "hard", "size"), [(256, 4096, 4096), (300, 300, 512), ("soft", "hard", None)]
)
def test_room_is_made_for_as_many_descriptors_as_the_limit_allows(
    soft: object, hard: object, size: int | None
) -> None:
    command = [sys.executable, "-c", PREPARE.format(soft=soft, hard=hard)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    room, now_soft, now_hard = map(int, run.stdout.split())
    assert now_soft == now_hard
    if size is None:
        size = min(16384, now_hard) if now_hard > 0 else 16384
        assert room >= size
    else:
        assert room == size
