"""Compiles programs in C and Go, each once, into the directory of a run."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from benchmarks.machine import compiler

# Seconds. The first Go program on a machine compiles Go's own library too.
PATIENCE = 300


class Unavailable(Exception):
    """Something is not installed; the message says what."""


class Builds:
    """Compiles sources, and remembers the programs.

    Args:
        directory: where the programs go.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._programs: dict[str, str] = {}

    def program(self, name: str, *sources: Path) -> str:
        """Return the path of the program compiled from ``.c`` or ``.go`` files.

        Raises:
            Unavailable: there is no compiler, or it fails.
        """
        if name not in self._programs:
            self._programs[name] = self._compile(name, *sources)
        return self._programs[name]

    def _compile(self, name: str, *sources: Path) -> str:
        target = str(self.directory / name)
        if sources[0].suffix == ".go":
            go = shutil.which("go")
            if go is None:
                raise Unavailable("go is not installed")
            command = [go, "build", "-o", target, *map(str, sources)]
        else:
            cc = compiler()
            if cc is None:
                raise Unavailable("there is no C compiler")
            command = [cc, "-O3", "-o", target, *map(str, sources)]
        result = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=PATIENCE
        )
        if result.returncode:
            first, *_ = result.stderr.strip().splitlines() or ["no reason given"]
            raise Unavailable(f"{name} does not compile: {first}")
        return target
