"""`trionet calc eval`: the calculator without a server."""

from __future__ import annotations

import inspect
import os
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import trio

from known_names import KNOWN
from trionet import calc
from trionet.cli.calc_commands import calc_eval

if TYPE_CHECKING:
    from tests.cli.conftest import Program, Programs

UNKNOWN = f"({KNOWN})"


async def evaluate(programs: Programs, *arguments: str, **options: Any) -> Program:
    return await programs.start("calc", "eval", *arguments, **options)


@pytest.mark.parametrize(
    ("arguments", "result"),
    [
        (["2 * (3 + 4)"], "14"),
        (["1 / 3"], "0." + "3" * 28),
        (["1 / 3", "--precision", "5"], "0.33333"),
        (["--precision", "100", "1 / 3"], "0." + "3" * 100),
        # An expression that begins with a minus is not an option.
        (["-1 + 2"], "1"),
        (["-1"], "-1"),
        (["--precision", "3", "-1/3"], "-0.333"),
        (["--", "-1 + 2"], "1"),
        (["--1"], "1"),
        (["-e"], "-2.718281828459045235360287471"),
        # As for `expr`.
        (["2", "+", "3"], "5"),
        (["7", "-", "-2", "="], "9"),
    ],
    ids=str,
)
async def test_the_result_is_printed(programs: Programs, arguments: list[str], result: str) -> None:
    program = await evaluate(programs, *arguments)
    await program.expect(result)
    await program.expect_end(0)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["2 (3)"], "expected an operator at column 3 (write 2*(3))"),
        (["-x"], f"unknown name x at column 2 {UNKNOWN}"),
        (["1 +"], "expected a number at column 4"),
        ([""], "expected an expression, such as 12 + 42"),
        (["1 / 0"], "division by zero"),
        (["ans"], "ans is the last result, and there is none yet"),
        (["\x1b[2J"], "unexpected U+001B at column 1"),
        (["1 + caf\udce9"], f"unknown name caf at column 5 {UNKNOWN}"),
    ],
    ids=str,
)
async def test_the_reason_for_no_result_is_one_line_with_status_1(
    programs: Programs, arguments: list[str], reason: str
) -> None:
    program = await evaluate(programs, *arguments)
    await program.expect_error(f"error: {reason}")
    await program.expect_end(1)


async def test_without_an_expression_each_line_of_input_is_calculated(programs: Programs) -> None:
    program = await evaluate(programs)
    # Each result comes as soon as its line has come.
    for typed, result in (("12 + 42\n", "54"), ("ans / 4\r\n", "13.5"), ("\n \t\n-ans\n", "-13.5")):
        await program.type(typed)
        await program.expect(result)
    await program.type("2 * 21")
    await program.end_input()
    await program.expect("42")
    await program.expect_end(0)


async def test_a_failed_line_is_reported_with_its_number_and_the_others_go_on(
    programs: Programs,
) -> None:
    program = await evaluate(programs)
    await program.type("1 + 1\n\n2 +\n1 / 0\n" + "1" * 5000 + "\nans\n q \n7\n")
    await program.expect("2", "2")
    await program.expect_error(
        "error: line 3: expected a number at column 4",
        "error: line 4: division by zero",
        "error: line 5: line is longer than 4096 bytes",
    )
    # A `q` ends the input, whatever follows.
    await program.expect_end(1)


async def test_a_byte_order_mark_is_not_part_of_the_first_line(programs: Programs) -> None:
    program = await evaluate(programs, real=True)
    await program.type("\ufeff1 + \n\ufeff2\n")
    await program.end_input()
    await program.expect_error(
        "error: line 1: expected a number at column 4",
        "error: line 2: unexpected U+FEFF at column 1",
    )
    await program.expect_end(1)


async def test_on_one_screen_errors_appear_among_the_results(programs: Programs) -> None:
    program = await evaluate(programs, stderr=subprocess.STDOUT, real=True)
    await program.type("1 + 1\n2 +\n3 + 3\n")
    await program.end_input()
    await program.expect("2", "error: line 2: expected a number at column 4", "6")
    await program.expect_end(1)


async def test_eval_ends_when_nobody_reads_its_results_any_more(programs: Programs) -> None:
    ours, theirs = os.pipe()
    program = await evaluate(programs, stdout=theirs)
    os.close(theirs)
    os.close(ours)
    await program.type("1 + 1\n")
    # The input is still open.
    await program.expect_end(0)


async def test_it_ends_when_a_socket_has_no_reader_any_more(programs: Programs) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        program = await evaluate(programs, stdout=theirs.fileno())
        await program.type("1 + 1\n")
        assert await trio.to_thread.run_sync(ours.recv, 100) == b"2\n"
        ours.close()
        # Nothing is typed any more, and the input is still open.
        await program.expect_end(0)


async def test_without_any_input_there_are_no_results(programs: Programs) -> None:
    program = await evaluate(programs, stdin=subprocess.DEVNULL)
    await program.expect_end(0)


@pytest.mark.parametrize("precision", ["0", "101", "x"])
async def test_an_impossible_precision_is_a_usage_error(programs: Programs, precision: str) -> None:
    program = await evaluate(programs, "--precision", precision, "1")
    assert "--precision" in await program.within_patience(program.err.rest)
    await program.expect_end(2)


def test_the_default_precision_is_the_calculators() -> None:
    parameters = inspect.signature(calc_eval).parameters
    assert parameters["precision"].default == calc.DEFAULT_PRECISION


def test_eval_loads_only_what_it_needs() -> None:
    program = (
        "import sys; sys.argv[1:] = ['calc', 'eval', '2 * (3 + 4)']\n"
        "try:\n    from trionet.cli.main import main; main()\n"
        "finally:\n    print(*sys.modules)"
    )
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=True
    )
    result, modules = run.stdout.splitlines()
    assert result == "14"
    assert "trionet.calc.grammar" in modules.split()
    assert not {"trio", "prompt_toolkit", "platformdirs", "rich"} & set(modules.split())
