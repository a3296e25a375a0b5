"""The machine of the measurements: what it is, which cores to use, how many clients it can hold."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PACKAGES = ("trionet", "trio", "typer", "uvloop", "twisted")

# Descriptors for everything that is not a client.
SPARE = 100


def cores() -> tuple[int, int] | None:
    """Return a core for the server and one for the load; ``None``: leave the choice to the OS.

    The two are not threads of one core, if the OS says which are.
    """
    if not hasattr(os, "sched_getaffinity"):
        return None
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) < 2:
        return None
    first = allowed[0]
    others = [core for core in allowed[1:] if _core_id(core) != _core_id(first)] or allowed[1:]
    return first, others[0]


def _core_id(core: int) -> str:
    try:
        topology = Path(f"/sys/devices/system/cpu/cpu{core}/topology")
        return (topology / "thread_siblings_list").read_text().strip()
    except OSError:
        return str(core)


@contextmanager
def on_core(core: int | None) -> Iterator[None]:
    """Run what the block starts on one core."""
    if core is None or not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def allow_descriptors() -> int:
    """Let this process, and those it starts, open as many files as the OS allows."""
    try:
        import resource
    except ImportError:
        return 512
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY:
        hard = 1 << 20
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def most_clients() -> int:
    """Return how many clients one process can hold."""
    return allow_descriptors() - SPARE


def memory_of(pid: int) -> float | None:
    """Return the proportional set size of a process, in KiB."""
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return float(line.split()[1])
    except OSError:
        pass
    return None


def resident_of(pid: int) -> float | None:
    """Return the resident memory of a process in KiB; only Linux tells."""
    return _status(pid, "VmRSS")


def peak_of(pid: int) -> float | None:
    """Return the peak of the resident memory of a process since `begin_peak`, in KiB."""
    return _status(pid, "VmHWM")


def begin_peak(pid: int) -> None:
    """Let the kernel measure the peak of a process's memory from now on."""
    with suppress(OSError):
        Path(f"/proc/{pid}/clear_refs").write_text("5")


def _status(pid: int, name: str) -> float | None:
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return float(line.split()[1])
    except OSError:
        pass
    return None


def descriptors_of(pid: int) -> int:
    """Return how many files and sockets a process has open; 0 if the OS does not report it."""
    try:
        return len(list(Path(f"/proc/{pid}/fd").iterdir()))
    except OSError:
        return 0


def describe() -> dict[str, object]:
    """Describe the machine and the programs on it."""
    chosen = cores()
    return {
        "system": f"{platform.system()} {platform.release()}",
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gib": _memory(),
        "server_core": chosen and chosen[0],
        "load_core": chosen and chosen[1],
        "descriptors": allow_descriptors(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "packages": {name: _version(name) for name in PACKAGES},
        "cc": _says(compiler(), "--version"),
        "go": _says(shutil.which("go"), "version"),
    }


def compiler() -> str | None:
    """Return a C compiler, if one is installed."""
    return next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)


def _says(program: str | None, argument: str) -> str | None:
    if program is None:
        return None
    output = subprocess.run([program, argument], capture_output=True, text=True, check=False).stdout
    return output.partition("\n")[0] or None


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _memory() -> float | None:
    if sys.platform == "win32":
        return None
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)


def processor_time(pid: int) -> float | None:
    """Return the CPU time of another process in seconds; only Linux tells."""
    if sys.platform != "linux":
        return None
    try:
        # The CPU clock of a process, as clock_getcpuclockid(3) makes it.
        return time.clock_gettime((~pid << 3) | 2)
    except OSError:
        return None
