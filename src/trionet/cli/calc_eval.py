"""`trionet calc eval`: the calculator without a server. It loads no Trio, so it starts at once."""

from __future__ import annotations

import errno
import os
import select
import stat
from collections.abc import Iterator
from contextlib import suppress
from decimal import Decimal

from trionet.calc.errors import CalculationError
from trionet.calc.evaluation import Arithmetic
from trionet.calc.grammar import parse
from trionet.calc.number import format_number
from trionet.calc.session import is_quit
from trionet.calc.tokens import BLANK
from trionet.cli.byte_order_mark import without_byte_order_mark
from trionet.cli.program_exit import DONE, FAILED
from trionet.errors import BadLine, system_reason
from trionet.lines import Line, LineDecoder
from trionet.program.descriptors import write_all
from trionet.text.safe import safe_text

_READ_SIZE = 65536


def evaluate_one(expression: str, precision: int) -> int:
    """Print the result of an expression, or why it has none.

    It is an error if the device is full, but not if nobody reads the output any more.

    Args:
        expression: what to calculate.
        precision: significant digits of a result.

    Returns:
        The exit status.
    """
    try:
        result = Arithmetic(precision).evaluate(parse(expression))
    except CalculationError as error:
        _tell(f"error: {error}")
        return FAILED
    try:
        _show([format_number(result)])
    except OSError as error:
        return _lost(error, DONE)
    return DONE


def evaluate_lines(precision: int) -> int:
    """Print the result of each line of standard input, until its end or `q`.

    An error is printed on standard error, with the number of its line. Blank lines are skipped.

    Args:
        precision: significant digits of a result.

    Returns:
        The exit status: `FAILED` if any line failed, or the results could not be written.
    """
    calculator = _Calculator(Arithmetic(precision))
    try:
        for part in _parts():
            if not calculator.take(part):
                break
    except OSError as error:
        return _lost(error, calculator.status)
    return calculator.status


class _Calculator:
    """Calculates lines, and remembers the last result, the line number and the status."""

    def __init__(self, arithmetic: Arithmetic) -> None:
        self._arithmetic = arithmetic
        self._ans: Decimal | None = None
        self._number = 0
        self.status = DONE

    def take(self, part: list[Line]) -> bool:
        """Calculate lines that came together, and return whether to go on: there was no `q`."""
        results: list[str] = []
        has_quit = False
        for line in part:
            self._number += 1
            has_quit = isinstance(line, str) and is_quit(line)
            if has_quit:
                break
            try:
                results += self._answers(line)
            except (CalculationError, BadLine) as error:
                self.status = FAILED
                # On one screen, each error then appears in its place among the results.
                _show(results)
                results = []
                _tell(f"error: line {self._number}: {error}")
        _show(results)
        return not has_quit

    def _answers(self, line: Line) -> list[str]:
        """Return the result of a line; an empty list for a blank line."""
        if isinstance(line, BadLine):
            raise line
        if not line.strip(BLANK):
            return []
        self._ans = self._arithmetic.evaluate(parse(line), self._ans)
        return [format_number(self._ans)]


def _parts() -> Iterator[list[Line]]:
    """Read standard input as it comes. Its last piece counts as a line even without a line end."""
    decoder = LineDecoder(max_unending=1 << 62)
    is_first = True
    while True:
        data = _read()
        lines = decoder.feed(data) if data else decoder.finish()
        if is_first and lines:
            is_first = False
            lines[0] = without_byte_order_mark(lines[0])
        yield lines
        if not data:
            return


def _read() -> bytes:
    while True:
        _wait_input()
        try:
            return os.read(0, _READ_SIZE)
        except BlockingIOError:
            # Another program shares it and has made it non-blocking.
            select.select([0], [], [])
        except OSError:
            # The terminal has hung up, or there is no standard input at all.
            return b""


def _wait_input() -> None:
    """Wait for input. Notice if standard output is a pipe or a socket that nobody reads any more.

    Raises:
        BrokenPipeError: the reader has gone, even if no more input comes.
    """
    mode = os.fstat(1).st_mode
    if not hasattr(select, "poll") or not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)):
        return
    poll = select.poll()
    poll.register(0, select.POLLIN)
    # `poll` reports errors without being asked.
    poll.register(1, 0)
    if 1 in dict(poll.poll()):
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


def _lost(error: OSError, status: int) -> int:
    """Return the exit status when results cannot be written, and print the reason if it matters."""
    if error.errno == errno.EPIPE:
        # Nobody reads the results any more, which is not an error.
        return status
    _tell(f"error: cannot write to standard output: {system_reason(error)}")
    return FAILED


def _show(results: list[str]) -> None:
    write_all(1, "".join(f"{result}\n" for result in results).encode())


def _tell(error: str) -> None:
    with suppress(OSError):
        write_all(2, f"{safe_text(error)}\n".encode())
