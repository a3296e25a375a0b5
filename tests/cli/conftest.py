"""The real program, started on pipes or on a pseudo-terminal, and always ended.

Most are started by a fork, which is fast, and some are started for real. `forkserver` says what
each of the two shows.
"""

from __future__ import annotations

import codecs
import fcntl
import os
import re
import select
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
import trio

from emulator import WindowScreen
from forkserver import ForkServer, TrioProcess
from trionet.testing import LineClient
from trionet.transport.network import SYSTEM

# Seconds to wait for what takes a fraction of one, even on a loaded machine. Then the test fails.
PATIENCE = 60

# The interpreter's arguments for a real start. A terminal first becomes the controlling terminal
# of the program, so that Ctrl-C can be typed on it.
_REAL = ("-m", "trionet.cli.main")
_TAKE_TERMINAL = "import fcntl, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0)"
_REAL_ON_TERMINAL = ("-c", f"{_TAKE_TERMINAL}; from trionet.cli.main import main; main()")

_ROWS, _COLUMNS = 100, 80


class Output:
    """What a program prints, read as it arrives."""

    def __init__(self) -> None:
        self.text = ""
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._taken = 0
        self._ended = False
        self._more = trio.lowlevel.ParkingLot()

    def feed(self, data: bytes) -> None:
        self.text += self._decode(data, not data)
        self._ended = not data
        self._more.unpark_all()

    async def line(self) -> str:
        """Return the next line, or at the end of the output the rest, which should be empty."""
        while (end := self.text.find("\n", self._taken)) < 0 and not self._ended:
            await self._more.park()
        start, self._taken = self._taken, len(self.text) if end < 0 else end + 1
        return self.text[start : None if end < 0 else end]

    async def rest(self) -> str:
        """Return everything up to the end of the output."""
        while not self._ended:
            await self._more.park()
        start, self._taken = self._taken, len(self.text)
        return self.text[start:]


class Errors(Output):
    """Standard error: of each line of a log only the reason, and no lines about connections.

    Those are in `log`.
    """

    _BEGIN = re.compile(
        r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (debug|info|warning|error) \S+ \S+ \S+ ?"
    )
    _LOGGED = re.compile(
        r"\S+Z info (listening - - .*|(opened|login|refused|closed) \d+ \S+( .*)?)"
    )

    async def line(self) -> str:
        line = await super().line()
        while self._LOGGED.fullmatch(line):
            line = await super().line()
        return self._BEGIN.sub("", line)

    async def rest(self) -> str:
        lines = (await super().rest()).splitlines(keepends=True)
        return "".join(
            self._BEGIN.sub("", line) for line in lines if not self._LOGGED.fullmatch(line.strip())
        )

    @property
    def log(self) -> list[str]:
        """The lines about connections so far, without their times and levels."""
        return [
            line.split(" ", 2)[2]
            for line in self.text.splitlines()
            if self._LOGGED.fullmatch(line) and " listening " not in line
        ]


class Program:
    """A started program. A wait longer than `PATIENCE` fails, and tells what was printed so far."""

    def __init__(self, arguments: tuple[str, ...], process: trio.Process | TrioProcess) -> None:
        self.process = process
        self.out, self.err = Output(), Errors()
        self._arguments = arguments

    async def expect(self, *lines: str) -> None:
        """Check that these lines come next on standard output."""
        for line in lines:
            await self._expect("out", self.out.line, line)

    async def expect_error(self, *lines: str) -> None:
        """Check that these lines come next on standard error."""
        for line in lines:
            await self._expect("err", self.err.line, line)

    async def expect_end(self, status: int = 0) -> None:
        """Check that nothing more comes on either output, and that the program ends."""
        await self._expect("out", self.out.rest, "")
        await self._expect("err", self.err.rest, "")
        assert await self.within_patience(self.process.wait) == status, self.told()

    async def address(self) -> str:
        """Return the ADDRESS of the next line, `listening on ADDRESS`."""
        line = await self.within_patience(self.out.line)
        match = re.fullmatch(r"listening on (\S+)", line)
        assert match, f"no address in {line!r}\n{self.told()}"
        return match[1]

    async def type(self, text: str) -> None:
        """Write to standard input."""
        assert self.process.stdin is not None
        await self.process.stdin.send_all(text.encode())

    async def end_input(self) -> None:
        assert self.process.stdin is not None
        await self.process.stdin.aclose()

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    async def within_patience(self, wait: Callable[[], Any]) -> Any:
        try:
            with trio.fail_after(PATIENCE):
                return await wait()
        except trio.TooSlowError:
            raise AssertionError(f"it took longer than {PATIENCE} s\n{self.told()}") from None

    def told(self) -> str:
        return (
            f"trionet {' '.join(self._arguments)} (status {self.process.returncode})\n"
            f"standard output:\n{self.out.text}\nstandard error:\n{self.err.text}"
        )

    async def _expect(self, where: str, read: Callable[[], Any], expected: str) -> None:
        found = await self.within_patience(read)
        assert found == expected, f"{where}: expected {expected!r}, got {found!r}\n{self.told()}"


class Screen:
    """What a terminal shows, as far as a line editor needs it. It never scrolls.

    Attributes:
        erased: how often everything from the cursor on was erased.
    """

    _SEQUENCE = re.compile(r"\x1b\[([?>]?)([0-9;]*) ?([A-Za-z])|\x1b\][^\x07]*\x07|\x1b[=>78]")

    def __init__(self) -> None:
        self.erased = 0
        self._cells: dict[tuple[int, int], str] = {}
        self._row = self._column = 0
        # What it showed before `break_rows`, if nothing was drawn since.
        self._unbroken: tuple[dict[tuple[int, int], str], int, int] | None = None
        self._unread = ""
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode

    @property
    def lines(self) -> list[str]:
        """The lines, without blank lines at the end or blanks at the end of a line."""
        rows = [row for (row, _), cell in self._cells.items() if cell != " "]
        return [
            "".join(self._cells.get((row, column), " ") for column in range(_COLUMNS)).rstrip()
            for row in range(max(rows, default=-1) + 1)
        ]

    def feed(self, data: bytes) -> bytes:
        """Show bytes, and return the terminal's answers to the questions in them."""
        text, self._unread, answers = self._unread + self._decode(data), "", b""
        at = 0
        while at < len(text):
            if text[at] == "\x1b":
                match = self._SEQUENCE.match(text, at)
                if match is None:
                    # The bytes end in the middle of a sequence.
                    self._unread = text[at:]
                    break
                answers += self._control(match[1], match[2], match[3])
                at = match.end()
            else:
                self._put(text[at])
                at += 1
        return answers

    def break_rows(self, columns: int) -> None:
        """Break the rows that are longer than a narrower terminal, as most terminals do."""
        self._unbroken = self._unbroken or (self._cells, self._row, self._column)
        self._cells, self._row, self._column = self._unbroken
        cells: dict[tuple[int, int], str] = {}
        cursor = self._row, self._column
        added = 0
        for row in range(max([self._row, *(row for row, _ in self._cells)]) + 1):
            own = {column: cell for (at, column), cell in self._cells.items() if at == row}
            for column, cell in own.items():
                cells[row + added + column // columns, column % columns] = cell
            if row == self._row:
                cursor = row + added + self._column // columns, self._column % columns
            added += max(column for column in (0, *own)) // columns
        self._cells, (self._row, self._column) = cells, cursor

    def _put(self, character: str) -> None:
        self._unbroken = None
        match character:
            case "\r":
                self._column = 0
            case "\n":
                self._row += 1
            case "\b":
                self._column = max(self._column - 1, 0)
            case "\a":
                pass
            case _:
                self._cells[self._row, self._column] = character
                self._column += 1

    def _control(self, private: str | None, numbers: str | None, command: str | None) -> bytes:
        if private:
            return b""
        if command != "n":
            self._unbroken = None
        number = int((numbers or "").partition(";")[0] or 0)
        match command:
            case "A":
                self._row -= number or 1
            case "B":
                self._row += number or 1
            case "C":
                self._column += number or 1
            case "D":
                self._column = max(self._column - (number or 1), 0)
            case "K":
                self._erase(lambda row, column: row == self._row and column >= self._column)
            case "J":
                self.erased += 1
                self._erase(lambda row, column: (row, column) >= (self._row, self._column))
            case "n":
                return f"\x1b[{self._row + 1};{self._column + 1}R".encode()
            case "m" | "q" | "t" | "h" | "l" | None:
                pass
            case _:
                raise AssertionError(f"the test's terminal does not know CSI {numbers}{command}")
        return b""

    def _erase(self, is_erased: Callable[[int, int], bool]) -> None:
        self._cells = {at: cell for at, cell in self._cells.items() if not is_erased(*at)}


class TerminalProgram(Program):
    """A program on a pseudo-terminal, and the person in front of it.

    Attributes:
        modes_before: the terminal's modes before the program was started. Afterwards they may
            already be the program's.
        answers: whether the terminal answers when it is asked where its cursor is.
        asked: how many questions have no answer yet.
    """

    def __init__(
        self,
        arguments: tuple[str, ...],
        process: trio.Process | TrioProcess,
        fds: tuple[int, int],
        modes_before: list[Any],
    ):
        super().__init__(arguments, process)
        self.modes_before = modes_before
        self.screen: Screen | WindowScreen = Screen()
        self.answers = True
        self.asked = 0
        self._ours, self._theirs = fds
        self._changed = trio.lowlevel.ParkingLot()

    @property
    def modes(self) -> list[Any]:
        """The terminal's modes, as from `termios.tcgetattr`."""
        return termios.tcgetattr(self._theirs)

    def resize(self, columns: int, rows: int = _ROWS, *, breaks_rows: bool = False) -> None:
        """Change the size of the terminal, and signal the program."""
        if breaks_rows:
            assert isinstance(self.screen, Screen)
            self.screen.break_rows(columns)
        if isinstance(self.screen, WindowScreen):
            self.screen.resize(columns, rows)
        size = struct.pack("HHHH", rows, columns, 0, 0)
        # The kernel signals the programs whose controlling terminal it is.
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, size)

    async def watch(self) -> None:
        """Show what the program prints, until cancelled."""
        while True:
            await trio.lowlevel.wait_readable(self._ours)
            if not select.select([self._ours], [], [], 0)[0]:
                # `expect_end` was quicker, and a read would block.
                continue
            answers = self.screen.feed(os.read(self._ours, 65536))
            if self.answers:
                os.write(self._ours, answers)
            else:
                self.asked += answers.count(b"R")
            self._changed.unpark_all()

    async def expect_question(self) -> None:
        """Wait until the program asks where the cursor is; `answer` answers."""
        await self.expect_that(lambda _: bool(self.asked), "its cursor's place, when asked")

    def answer(self) -> None:
        """Say where the cursor is, once for each question."""
        os.write(self._ours, self.screen.feed(b"\x1b[6n") * self.asked)
        self.asked = 0

    async def type(self, text: str) -> None:
        os.write(self._ours, text.encode(errors="surrogateescape"))

    async def expect_screen(self, *lines: str) -> None:
        """Wait until the screen shows exactly these lines."""
        await self.expect_that(lambda screen: screen == list(lines), f"{lines}")

    async def expect_that(self, is_so: Callable[[list[str]], bool], what: str) -> None:
        """Wait until a function accepts the screen's lines."""

        async def wait() -> None:
            while not is_so(self.screen.lines):
                await self._changed.park()

        try:
            await self.within_patience(wait)
        except AssertionError as failure:
            raise AssertionError(f"the screen should show {what}\n{failure}") from None

    async def expect_end(self, status: int = 0) -> None:
        assert await self.within_patience(self.process.wait) == status, self.told()
        # The last that it wrote may lie unread in the kernel.
        while select.select([self._ours], [], [], 0)[0]:
            self.screen.feed(os.read(self._ours, 65536))

    def told(self) -> str:
        return f"{super().told()}\nthe screen:\n" + "\n".join(self.screen.lines)


class Programs:
    """Starts programs. The fixture `programs` ends those that are still running."""

    def __init__(self, fork_server: ForkServer, nursery: trio.Nursery) -> None:
        self._fork_server = fork_server
        self._nursery = nursery
        self._started: list[trio.Process | TrioProcess] = []

    async def start(
        self,
        *arguments: str,
        stdin: Any = subprocess.PIPE,
        stdout: Any = subprocess.PIPE,
        stderr: Any = subprocess.PIPE,
        real: bool = False,
        interpreter: tuple[str, ...] = _REAL,
    ) -> Program:
        """Start `trionet ARGUMENTS...` with its standard streams on pipes, or as given.

        Args:
            arguments: of the program.
            stdin, stdout, stderr: as `subprocess.Popen` takes them.
            real: start it for real. Another `interpreter` implies this.
            interpreter: the arguments of Python for a real start.
        """
        streams = {"stdin": stdin, "stdout": stdout, "stderr": stderr}
        process: trio.Process | TrioProcess
        if real or interpreter is not _REAL:
            command = [sys.executable, *interpreter, *arguments]
            process = await trio.lowlevel.open_process(command, **streams)
        else:
            process = self._fork_server.start_in_trio(*arguments, **streams)
        self._own(process)
        program = Program(arguments, process)
        for stream, output in ((process.stdout, program.out), (process.stderr, program.err)):
            if stream is not None:
                self._nursery.start_soon(_listen, stream, output)
            else:
                output.feed(b"")
        return program

    async def run(self, *arguments: str, typed: str = "", **options: Any) -> Program:
        """Start a program, type everything, and end its input."""
        program = await self.start(*arguments, **options)
        with suppress(trio.BrokenResourceError):
            # A program that reads none of it may have ended already.
            await program.type(typed)
        await program.end_input()
        return program

    async def start_on_terminal(
        self,
        *arguments: str,
        term: str = "xterm",
        real: bool = False,
        interpreter: tuple[str, ...] = _REAL_ON_TERMINAL,
        window: tuple[int, int] | None = None,
    ) -> TerminalProgram:
        """Start `trionet ARGUMENTS...` on a pseudo-terminal of its own. Otherwise like `start`.

        Args:
            arguments: of the program.
            term: the value of `TERM`.
            real, interpreter: as for `start`.
            window: the columns and rows of a terminal that can show a window; default: one of 80
                and 100 that knows what a line editor needs.
        """
        ours, theirs = os.openpty()
        columns, rows = window or (_COLUMNS, _ROWS)
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        streams: dict[str, Any] = {"stdin": theirs, "stdout": theirs, "stderr": theirs}
        modes = termios.tcgetattr(theirs)
        environment = {**os.environ, "TERM": term}
        process: trio.Process | TrioProcess
        if real or interpreter is not _REAL_ON_TERMINAL:
            command = [sys.executable, *interpreter, *arguments]
            process = await trio.lowlevel.open_process(
                command, **streams, start_new_session=True, env=environment
            )
        else:
            process = self._fork_server.start_in_trio(
                *arguments, **streams, environment=environment, on_terminal=True
            )
        self._own(process)
        program = TerminalProgram(arguments, process, (ours, theirs), modes)
        if window is not None:
            program.screen = WindowScreen(*window)
        self._nursery.start_soon(self._watch, program, ours, theirs)
        return program

    async def connect(self, address: str, *lines: str) -> LineClient:
        """Connect to a server, and send some lines."""
        client = LineClient(await SYSTEM.connect(address), patience=PATIENCE)
        self._nursery.start_soon(_close_at_the_end, client)
        await client.send(*lines)
        return client

    async def aclose(self) -> None:
        """End the programs that are still running, each by its process id."""
        for process in self._started:
            if process.returncode is None:
                process.kill()
            await process.wait()
            if isinstance(process, TrioProcess):
                process.close()
        self._nursery.cancel_scope.cancel()

    def _own(self, process: trio.Process | TrioProcess) -> None:
        self._started.append(process)
        self._nursery.start_soon(_close_pipes, process)

    async def _watch(self, program: TerminalProgram, *fds: int) -> None:
        try:
            await program.watch()
        finally:
            for fd in fds:
                os.close(fd)


async def _listen(stream: trio.abc.ReceiveStream, output: Output) -> None:
    async for data in stream:
        output.feed(bytes(data))
    output.feed(b"")


async def _close_pipes(process: trio.Process | TrioProcess) -> None:
    try:
        await trio.sleep_forever()
    finally:
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                await trio.aclose_forcefully(pipe)


async def _close_at_the_end(client: LineClient) -> None:
    try:
        await trio.sleep_forever()
    finally:
        await trio.aclose_forcefully(client.stream)


@pytest.fixture(autouse=True)
def handlers_of_signals() -> Iterator[None]:
    """Restore what `trionet.cli.running.run` changes for the rest of a process."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
    before = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


@pytest.fixture
async def programs(fork_server: ForkServer) -> AsyncIterator[Programs]:
    async with trio.open_nursery() as nursery:
        programs = Programs(fork_server, nursery)
        try:
            yield programs
        finally:
            with trio.CancelScope(shield=True):
                await programs.aclose()
