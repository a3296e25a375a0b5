"""What the OS reports about the process: the same as Prometheus's own library, in small steps."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
from prometheus_client import ProcessCollector

from trionet.program import process_readings as module
from trionet.program.process_readings import process_readings

linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has these files")


def values() -> dict[str, float]:
    return {one.name: one.values[""] for one in process_readings() if one is not None}


@linux
def test_the_readings_are_those_of_the_library_of_prometheus() -> None:
    theirs = {one.samples[0].name: one for one in ProcessCollector(registry=None).collect()}
    ours = {one.name: one for one in process_readings() if one is not None}
    assert {name: (one.kind, one.meaning) for name, one in ours.items()} == {
        name: (one.type, one.documentation) for name, one in theirs.items()
    }
    for name in ("process_start_time_seconds", "process_max_fds"):
        assert ours[name].values[""] == theirs[name].samples[0].value
    # Whoever lists them has one more open meanwhile.
    listed = theirs["process_open_fds"].samples[0].value
    assert ours["process_open_fds"].values[""] in (listed, listed - 1)
    for name in ("process_resident_memory_bytes", "process_cpu_seconds_total"):
        assert ours[name].values[""] == pytest.approx(theirs[name].samples[0].value, rel=0.2)


@linux
@pytest.mark.parametrize("told", [True, False])
def test_descriptors_are_counted_in_small_steps_where_the_kernel_does_not_tell_how_many(
    monkeypatch: pytest.MonkeyPatch, told: bool
) -> None:
    if not told:
        monkeypatch.setattr(module, "_told_count", lambda _folder: 0)
    elif not module._told_count(Path("/proc/self/fd")):
        pytest.skip("this kernel does not tell how many there are")
    before = values()["process_open_fds"]
    with ExitStack() as stack:
        for _ in range(600):
            stack.callback(os.close, os.dup(0))
        steps = [*process_readings()].count(None)
        assert values()["process_open_fds"] == before + 600
    assert steps == 0 if told else steps >= 2


def test_there_are_none_where_the_files_are_missing(tmp_path: Path) -> None:
    assert [*process_readings(tmp_path)] == []


@linux
def test_the_name_of_the_program_and_no_limit_are_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(module, "_told_count", lambda _folder: 0)
    own = tmp_path / "self"
    (own / "fd").mkdir(parents=True)
    (tmp_path / "stat").write_text("cpu 1 2 3\nbtime 1000\n")
    (own / "stat").write_text("7 (a) b) S " + " ".join(map(str, range(1, 51))))
    (own / "limits").write_text("Limit  Soft Limit\nMax open files  unlimited  unlimited  files\n")
    read = {one.name: one.values[""] for one in process_readings(tmp_path) if one is not None}
    ticks = os.sysconf("SC_CLK_TCK")
    assert read["process_cpu_seconds_total"] == pytest.approx((11 + 12) / ticks)
    assert read["process_start_time_seconds"] == pytest.approx(1000 + 19 / ticks)
    assert read["process_virtual_memory_bytes"] == 20
    assert read["process_max_fds"] == float("inf")
    assert read["process_open_fds"] == 0
