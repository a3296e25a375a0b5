from __future__ import annotations

import pytest

from trionet._start import is_command_line


@pytest.mark.parametrize(
    ("arguments", "original"),
    [
        (["/venv/bin/trionet", "chat", "join"], ["python", "/venv/bin/trionet", "chat", "join"]),
        (["trionet"], ["python", "trionet"]),
        # While Python looks for the module.
        (["-m", "calc", "eval"], ["python", "-m", "trionet", "calc", "eval"]),
        (["-m"], ["python", "-X", "utf8", "-m", "trionet"]),
        (["-m", "demo"], ["python", "-mtrionet", "demo"]),
        (["-m", "demo"], ["python", "-m", "trionet.cli.main", "demo"]),
    ],
)
def test_the_command_line_is_known_from_the_start(
    arguments: list[str], original: list[str]
) -> None:
    assert is_command_line(arguments, original)


@pytest.mark.parametrize(
    ("arguments", "original"),
    [
        ([], []),
        ([""], ["python"]),
        (["-c"], ["python", "-c", "import trionet"]),
        (["server.py"], ["python", "server.py"]),
        # A package that imports trionet.
        (["-m", "trionet"], ["python", "-m", "shop", "trionet"]),
        (["-m"], ["python", "-mpytest"]),
    ],
)
def test_another_program_keeps_its_own_way_with_ctrl_c(
    arguments: list[str], original: list[str]
) -> None:
    assert not is_command_line(arguments, original)
