"""The General Decimal Arithmetic test cases, both over the wire and inside longer expressions.

They are Mike Cowlishaw's, and come with CPython's own tests (on Debian in a package of their own,
such as `libpython3.11-testsuite`), or from the folder that `TRIONET_DECIMAL_CASES` names. Left out
are cases that the calculator cannot be asked:

- NaN, infinity and payloads, as operands; precisions above 100; exponents beyond ±999999;
- roundings other than half even, unless half even gives the published result too, because the
  result is exact or because there is no tie;
- results that depend on narrower exponent limits: overflow, underflow and subnormal results;
- cases that CPython leaves out too: see `NOT_PYTHONS`.

A case without a result (a division by zero, an invalid operation) must be answered by an error.
"""

from __future__ import annotations

import importlib.util
import os
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import MAX_EMAX, MIN_EMIN, ROUND_HALF_EVEN, Context, Decimal
from functools import partial
from pathlib import Path

import pytest
import trio

from needs import lacking
from trionet import LineStream, Server, encode_lines
from trionet.calc import BOUNDS, MAX_PRECISION, serve
from trionet.testing import MemoryNetwork

# How each operation is written, and how many of its cases can be asked. Fewer would mean that the
# files are no longer read correctly.
OPERATIONS = {
    "add": ("{0} + {1}", 1500),
    "subtract": ("{0} - {1}", 500),
    "multiply": ("{0} * {1}", 220),
    "divide": ("{0} / {1}", 450),
    "divideint": ("{0} // {1}", 260),
    "remainder": ("{0} % {1}", 400),
    "power": ("{0} ^ {1}", 700),
    "squareroot": ("sqrt({0})", 3300),
    "abs": ("abs({0})", 55),
    "min": ("min({0}, {1})", 180),
    "max": ("max({0}, {1})", 190),
    "plus": ("{0}", 80),
    "minus": ("-{0}", 75),
}

# CPython's test_decimal leaves these out too. In the first, decNumber restricts operands but the
# specification does not; in the others, the published result is not correctly rounded.
NOT_PYTHONS = {
    *["powx1183", "powx1184", "powx4001", "powx4002", "powx4003", "powx4005", "powx4008"],
    *["powx4010", "powx4012", "powx4014"],
    *["powx4302", "powx4303", "powx4342", "powx4343"],
}

NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
NO_RESULT = {
    "Division_by_zero",
    "Division_impossible",
    "Division_undefined",
    "Invalid_operation",
}
OUT_OF_BOUNDS = {"Overflow", "Underflow", "Subnormal"}


def directory() -> Path | None:
    if told := os.environ.get("TRIONET_DECIMAL_CASES"):
        return Path(told)
    spec = importlib.util.find_spec("test")
    places = (spec.submodule_search_locations if spec is not None else None) or []
    found = [path for place in places if (path := Path(place, "decimaltestdata")).is_dir()]
    return found[0] if found else None


CASES = directory()


@dataclass
class Case:
    name: str
    operands: list[str]
    expected: Decimal | None


def cases(operation: str) -> Iterator[tuple[int, Case]]:
    """The cases of one file that the calculator can be asked, each with its precision."""
    assert CASES is not None
    precision, rounding = 0, ""
    for line in (CASES / f"{operation}.decTest").read_text(encoding="utf-8").splitlines():
        line = line.partition("--")[0].strip()
        if directive := re.fullmatch(r"(\w+)\s*:\s*(\S+)", line):
            name, value = directive.groups()
            precision = int(value) if name.lower() == "precision" else precision
            rounding = value.lower() if name.lower() == "rounding" else rounding
        elif " -> " in line:
            left, _, right = line.partition("->")
            name, asked, *operands = left.replace("'", "").replace('"', "").split()
            result, *flags = right.replace("'", "").replace('"', "").split()
            if asked.lower() != operation or name in NOT_PYTHONS or precision > MAX_PRECISION:
                continue
            if OUT_OF_BOUNDS & {*flags} or not all(map(is_askable, operands)):
                continue
            if NO_RESULT & {*flags}:
                yield precision, Case(name, operands, None)
            elif is_askable(result) and (
                rounding == "half_even"
                or "Inexact" not in flags
                or is_rounded_alike(operation, operands, precision, rounding)
            ):
                yield precision, Case(name, operands, Decimal(result))


def is_rounded_alike(operation: str, operands: list[str], precision: int, rounding: str) -> bool:
    """Return whether the kind of rounding makes no difference. Only the case has the result."""
    results = {
        getattr(
            Context(prec=precision, rounding=each, Emax=MAX_EMAX, Emin=MIN_EMIN),
            {"divideint": "divide_int", "squareroot": "sqrt"}.get(operation, operation),
        )(*map(Decimal, operands))
        for each in (f"ROUND_{rounding.upper()}", ROUND_HALF_EVEN)
    }
    return len(results) == 1


def is_askable(text: str) -> bool:
    if NUMBER.fullmatch(text) is None:
        return False
    _, _, exponent = text.lower().partition("e")
    within = BOUNDS.max_exponent
    return abs(int(exponent or 0)) <= within and abs(Decimal(text).adjusted()) <= within


def questions(operation: str, case: Case, precision: int) -> Iterator[str]:
    """Several expressions with the same result."""
    template = OPERATIONS[operation][0]
    grouped = [f"({operand})" for operand in case.operands]
    # A power binds more closely than the sign in front of its base.
    plain = template.format(*(grouped if operation == "power" else case.operands))
    yield plain
    yield f" (( {template.format(*(f'+(--{operand})' for operand in grouped))} ))="
    if case.expected is not None:
        yield "-(-ans * 1) + 0"
    # `ans` is rounded, so it can only stand for a number that does not have too many digits.
    if len(Decimal(case.operands[0]).as_tuple().digits) <= precision:
        yield case.operands[0]
        yield f"({template.format('(ans)', *grouped[1:])})"


@pytest.fixture(autouse=True)
def all_cases() -> None:
    if CASES is None:
        lacking("this Python comes without its own tests")


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_the_cases_of_general_decimal_arithmetic(operation: str) -> None:
    by_precision: dict[int, list[Case]] = defaultdict(list)
    for precision, case in cases(operation):
        by_precision[precision].append(case)
    asked = 0
    for precision, some in sorted(by_precision.items()):
        lines = [(case, [*questions(operation, case, precision)]) for case in some]
        replies = iter(await ask([line for _, own in lines for line in own], precision))
        for case, own in lines:
            for line in own:
                check(case, line, next(replies))
        asked += len(some)
    assert asked >= OPERATIONS[operation][1]


def check(case: Case, line: str, reply: str) -> None:
    about = f"{case.name}: {line!r} is {reply!r}, and not {case.expected}"
    if line == case.operands[0] and "ans" not in line and case.expected is not None:
        # Asked only to set `ans` for the next line; or the operation is `plus`.
        assert Decimal(reply) == Decimal(case.operands[0]) or Decimal(reply) == case.expected, about
    elif case.expected is None:
        assert reply.startswith("error: ") or line == case.operands[0], about
    else:
        assert not reply.startswith("error: "), about
        assert Decimal(reply) == case.expected, about


async def ask(lines: list[str], precision: int) -> list[str]:
    """Ask a server all lines in one session, and return the answers."""
    network = MemoryNetwork()
    replies: list[str] = []
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            server: Server = await nursery.start(
                partial(serve, "127.0.0.1:0", precision=precision, network=network)
            )
            stream = await network.connect(server.addresses[0])
            nursery.start_soon(stream.send_all, encode_lines(["ann", *lines]))
            reader = LineStream(stream)
            while len(replies) < len(lines):
                batch = await reader.receive_batch()
                assert batch
                replies += [str(line) for line in batch]
            nursery.cancel_scope.cancel()
    await trio.aclose_forcefully(stream)
    return replies
