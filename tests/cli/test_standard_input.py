"""Lines from standard input, whether it is a pipe, a file or closed."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import trio

from trionet.cli.standard_input import StandardInput
from trionet.errors import BadLine, LineNotUTF8, LineTooLong
from trionet.lines import Line
from trionet.program.console import Console, open_console

# On the real clock, because of threads and pipes. Each wait takes a fraction of one second.
PATIENCE = 20


class Pipe:
    """A pipe whose ends can be closed early."""

    def __init__(self) -> None:
        self.fd, self._theirs = os.pipe()
        self._open = {self.fd, self._theirs}

    def write(self, data: bytes) -> None:
        assert os.write(self._theirs, data) == len(data)

    def end(self) -> None:
        self._close(self._theirs)

    def close(self) -> None:
        for fd in tuple(self._open):
            self._close(fd)

    def _close(self, fd: int) -> None:
        self._open.discard(fd)
        os.close(fd)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    pipe = Pipe()
    yield pipe
    pipe.close()


@pytest.fixture
def questions() -> Iterator[Pipe]:
    pipe = Pipe()
    yield pipe
    pipe.close()


@pytest.fixture
async def console(questions: Pipe) -> AsyncIterator[Console]:
    async with open_console(questions._theirs) as console:
        yield console


async def all_lines(source: StandardInput) -> list[Line]:
    with trio.fail_after(PATIENCE):
        return [line async for line in source]


async def test_lines_come_as_soon_as_they_are_written(pipe: Pipe, console: Console) -> None:
    source = StandardInput(console, pipe.fd)
    with trio.fail_after(PATIENCE):
        pipe.write("one\r\nzwölf\n\nha".encode())
        assert [await anext(source) for _ in range(3)] == ["one", "zwölf", ""]
        pipe.write(b"lf\n")
        assert await anext(source) == "half"
        pipe.write(b"the last piece")
        pipe.end()
        assert await all_lines(source) == ["the last piece"]
        assert await all_lines(source) == []


async def test_bad_lines_come_in_order_with_the_others(pipe: Pipe, console: Console) -> None:
    pipe.write(b"1 + 1\ncaf\xe9\n" + b"x" * 5000 + b"\n2 + 2\n")
    pipe.end()
    lines = await all_lines(StandardInput(console, pipe.fd))
    assert [type(line) for line in lines] == [str, LineNotUTF8, LineTooLong, str]


async def test_reading_goes_on_after_a_line_of_any_length(tmp_path: Path, console: Console) -> None:
    file = tmp_path / "input"
    file.write_bytes(b"x" * (3 << 20) + b"\nq\n")
    with file.open("rb") as opened:
        lines = await all_lines(StandardInput(console, opened.fileno()))
    assert [type(line) for line in lines] == [LineTooLong, str]


@pytest.mark.parametrize("content", [b"", b"one", b"one\ntwo\n"])
async def test_a_regular_file_is_read_to_its_end(
    tmp_path: Path, console: Console, content: bytes
) -> None:
    file = tmp_path / "input"
    file.write_bytes(content)
    with file.open("rb") as opened:
        lines = await all_lines(StandardInput(console, opened.fileno()))
    assert lines == content.decode().splitlines()


async def test_without_any_input_the_lines_end(
    pipe: Pipe, console: Console, tmp_path: Path
) -> None:
    for path in (os.devnull, tmp_path):
        fd = os.open(path, os.O_RDONLY)
        assert await all_lines(StandardInput(console, fd)) == []
        os.close(fd)
        # It is closed, as by `<&-`.
        assert await all_lines(StandardInput(console, fd)) == []


async def test_the_lines_end_when_the_terminal_hangs_up(console: Console) -> None:
    ours, theirs = os.openpty()
    source = StandardInput(console, theirs)
    os.write(ours, b"one\n")
    with trio.fail_after(PATIENCE):
        assert await anext(source) == "one"
        os.close(ours)
        assert await all_lines(source) == []
    os.close(theirs)


async def test_a_reader_waits_on_if_another_was_faster(
    pipe: Pipe, console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = StandardInput(console, pipe.fd)
    pipe.write(b"one\n")
    read = source._read_now
    taken: list[bool] = []

    def read_too_late() -> bytes:
        if not taken:
            taken.append(True)
            raise BlockingIOError
        return read()

    monkeypatch.setattr(source, "_read_now", read_too_late)
    with trio.fail_after(PATIENCE):
        assert await anext(source) == "one"


async def test_a_cancelled_wait_loses_nothing(pipe: Pipe, console: Console) -> None:
    source = StandardInput(console, pipe.fd)
    with trio.CancelScope() as scope:
        scope.cancel()
        await anext(source)
    assert scope.cancelled_caught
    pipe.write(b"one\n")
    with trio.fail_after(PATIENCE):
        assert await anext(source) == "one"


async def test_a_question_is_asked_on_the_console_and_takes_one_line(
    pipe: Pipe, questions: Pipe, console: Console
) -> None:
    source = StandardInput(console, pipe.fd)
    pipe.write(b"Ann\ncaf\xe9\n1 + 1\n")
    pipe.end()
    with trio.fail_after(PATIENCE):
        assert await source.ask("name: ") == "Ann"
        with pytest.raises(BadLine, match="not UTF-8"):
            await source.ask("name: ")
        assert await anext(source) == "1 + 1"
        assert await source.ask("name: ") is None
        await console.flush()
    assert os.read(questions.fd, 100) == b"name: name: name: "


async def test_a_byte_order_mark_is_not_part_of_the_first_line(
    pipe: Pipe, console: Console
) -> None:
    mark = "\ufeff".encode()
    pipe.write(mark[:2])
    source = StandardInput(console, pipe.fd)
    pipe.write(mark[2:] + b"1 + 1\n" + mark + b"2\n")
    pipe.end()
    # Anywhere else it is a character like any other.
    assert await all_lines(source) == ["1 + 1", "\ufeff2"]
