"""A pytest plugin that runs one test in N, always the same ones: ``-p part --part N``.

The choice depends only on the names of the tests. So a run can be repeated, all workers of
pytest-xdist agree, and a new test does not move others to another part. ``--part-of K`` chooses
another part, from 0 to N - 1.
"""

from __future__ import annotations

import zlib

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("part")
    group.addoption("--part", type=int, default=1, metavar="N", help="run one test in N")
    group.addoption("--part-of", type=int, default=0, metavar="K", help="which of the N parts")


def part_of(name: str, parts: int) -> int:
    """Return the part that a test belongs to, counted from 0."""
    return zlib.crc32(name.encode()) % parts


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the tests of the other parts."""
    parts, wanted = config.getoption("--part"), config.getoption("--part-of")
    if parts < 1 or not 0 <= wanted < parts:
        raise pytest.UsageError("--part must be at least 1, and --part-of from 0 to one less")
    chosen = [item for item in items if part_of(item.nodeid, parts) == wanted]
    left_out = [item for item in items if part_of(item.nodeid, parts) != wanted]
    config.hook.pytest_deselected(items=left_out)
    items[:] = chosen
