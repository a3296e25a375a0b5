"""Tests that a command's module is loaded only when the command is asked for."""

from __future__ import annotations

import subprocess
import sys

import pytest

from trionet.cli.main import COMMANDS


def _loaded_by(*words: str) -> set[str]:
    """Return the modules of commands that a start of the program loads."""
    code = (
        "import sys\n"
        "from trionet.cli.main import main\n"
        "try:\n    main()\n"
        "except SystemExit:\n    pass\n"
        "finally:\n    print('\\n' + '\\n'.join(sys.modules), file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, check=True
    )
    places = {place.partition(":")[0] for place in COMMANDS.values()}
    return places.intersection(done.stderr.splitlines())


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--version",), set()),
        (("calc", "eval", "1+1"), {"trionet.cli.calc_commands"}),
        (("--help",), {place.partition(":")[0] for place in COMMANDS.values()}),
    ],
    ids=["version", "calc eval", "help"],
)
def test_only_the_commands_that_are_asked_for_are_loaded(
    words: tuple[str, ...], expected: set[str]
) -> None:
    assert _loaded_by(*words) == expected
