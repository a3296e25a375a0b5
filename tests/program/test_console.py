"""Output that may stand still without stopping the program."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from trionet.program import console as console_module
from trionet.program.console import Console, is_reader_gone, open_console, wait_reader_gone

# On the real clock, because of threads and pipes. Each wait takes a fraction of one second.
PATIENCE = 20


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ours, theirs = os.pipe()
    yield ours, theirs
    for fd in (ours, theirs):
        try:
            os.close(fd)
        except OSError:
            # A test has closed it already.
            assert fd in (ours, theirs)


def fill(fd: int) -> int:
    """Fill a pipe completely, and return how many bytes that took."""
    flags = fcntl.fcntl(fd, fcntl.F_GETFL)
    fcntl.fcntl(fd, fcntl.F_SETFL, flags | os.O_NONBLOCK)
    filled = 0
    try:
        for size in (4096, 1):
            try:
                while True:
                    filled += os.write(fd, b"." * size)
            except BlockingIOError:
                pass
    finally:
        fcntl.fcntl(fd, fcntl.F_SETFL, flags)
    return filled


async def read(fd: int, size: int) -> str:
    """Read exactly `size` bytes."""
    data = b""
    with trio.fail_after(PATIENCE):
        while len(data) < size:
            await trio.lowlevel.wait_readable(fd)
            data += os.read(fd, size - len(data))
    return data.decode()


async def test_lines_are_written_in_order_and_at_once(pipe: tuple[int, int]) -> None:
    ours, theirs = pipe
    async with open_console(theirs) as console:
        console.print("one")
        console.print("zwölf")
        assert await read(ours, 11) == "one\nzwölf\n"
        console.write("three? ")
        assert await read(ours, 7) == "three? "
        console.print("no")
        await console.flush()
        assert await read(ours, 3) == "no\n"
    os.fstat(theirs)


async def count_writes(
    console: Console, fd: int, texts: list[str], clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> int:
    """Print texts while time stands still, and return in how many pieces they were written."""
    sizes: list[int] = []
    write_now = Console._write_now

    def write(self: Console, data: bytes) -> None:
        sizes.append(len(data))
        write_now(self, data)

    monkeypatch.setattr(Console, "_write_now", write)
    for text in texts:
        written = len(sizes)
        console.print(text)
        # Let the console's own thread work: usually 20 times are enough, on a busy machine more. Of
        # lines that are gathered nothing may come at all.
        for turn in range(500):
            await trio.to_thread.run_sync(int)
            if turn >= 20 and (len(sizes) > written or len(sizes) > 1):
                break
    clock.jump(1)
    await console.flush()
    expected = "".join(text + "\n" for text in texts)
    assert await read(fd, len(expected)) == expected
    return len(sizes)


async def test_many_lines_in_a_row_are_written_together(
    pipe: tuple[int, int], mock_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = pipe
    async with open_console(theirs) as console:
        texts = ["x" * 2000] * 10
        assert await count_writes(console, ours, texts, mock_clock, monkeypatch) == 2


async def test_a_line_now_and_then_is_written_at_once(
    pipe: tuple[int, int], mock_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = pipe
    async with open_console(theirs) as console:
        texts = ["x" * 200] * 10
        assert await count_writes(console, ours, texts, mock_clock, monkeypatch) > 2


async def test_what_is_waiting_is_written_at_the_end_of_the_block(pipe: tuple[int, int]) -> None:
    ours, theirs = pipe

    async def fail() -> None:
        async with open_console(theirs) as console:
            console.print("last words")
            raise ConnectionError("broken")

    with pytest.raises(ExceptionGroup) as caught:
        await fail()
    assert caught.group_contains(ConnectionError, match="broken")
    assert await read(ours, 11) == "last words\n"


async def test_half_of_a_surrogate_pair_is_replaced(pipe: tuple[int, int]) -> None:
    ours, theirs = pipe
    async with open_console(theirs) as console:
        console.print("caf\udce9")
    assert await read(ours, 5) == "caf?\n"


async def test_an_output_that_stands_still_blocks_nobody_and_goes_on_later(
    pipe: tuple[int, int],
) -> None:
    ours, theirs = pipe
    filled = fill(theirs)
    async with open_console(theirs) as console:
        for number in range(1000):
            console.print(f"{number:3}")
            await trio.lowlevel.checkpoint()
        assert await read(ours, filled) == "." * filled
        assert await read(ours, 4000) == "".join(f"{number:3}\n" for number in range(1000))


async def test_when_too_much_waits_the_oldest_lines_are_dropped_and_counted(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Room for three lines, while "under way" is being written.
    room = len("under way\n") + 3 * len("0\n") + 4 * console_module._TEXT_COST
    monkeypatch.setattr(console_module, "_MAX_WAITING", room)
    ours, theirs = pipe
    filled = fill(theirs)
    async with open_console(theirs) as console:
        console.print("under way")
        while console._texts:
            await trio.lowlevel.checkpoint()
        for number in range(8):
            console.print(f"{number}")
        await read(ours, filled)
        await console.flush()
        expected = "under way\n… 5 lines are not shown …\n5\n6\n7\n"
        assert await read(ours, len(expected.encode())) == expected
        console.print("8")
        assert await read(ours, 2) == "8\n"


@pytest.mark.parametrize("size", [0, 1, 100, 50_000])
async def test_what_waits_is_bounded_in_bytes_whatever_the_length_of_its_lines(
    pipe: tuple[int, int], size: int
) -> None:
    _, theirs = pipe
    fill(theirs)
    many = 3 * console_module._MAX_WAITING // (size + console_module._TEXT_COST)
    console = Console(theirs)
    tracemalloc.start()
    try:
        for number in range(many):
            console.print(f"{number}".ljust(size, "x"))
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 1.1 * console_module._MAX_WAITING
    assert console._waiting <= console_module._MAX_WAITING
    assert console._dropped > many // 2


async def test_no_line_is_too_long_to_be_printed(pipe: tuple[int, int]) -> None:
    ours, theirs = pipe
    line = "x" * (2 * console_module._MAX_WAITING)
    async with open_console(theirs) as console:
        console.print("before")
        console.print(line)
        expected = f"… 1 lines are not shown …\n{line}\n"
        assert await read(ours, len(expected.encode())) == expected


async def test_a_printer_that_waits_for_room_loses_no_line(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    cost = len("000\n") + console_module._TEXT_COST
    monkeypatch.setattr(console_module, "_ROOM", 3 * cost)
    monkeypatch.setattr(console_module, "_MAX_WAITING", 4 * cost)
    ours, theirs = pipe
    filled = fill(theirs)
    printed = 0

    async def print_all() -> None:
        nonlocal printed
        for number in range(1000):
            await console.wait_room()
            console.print(f"{number:03}")
            printed += 1

    async with open_console(theirs) as console, trio.open_nursery() as nursery:
        nursery.start_soon(print_all)
        await read(ours, filled - 1)
        assert printed < 1000
        assert await read(ours, 4001) == "." + "".join(f"{number:03}\n" for number in range(1000))


async def test_the_last_lines_have_one_second_to_be_written(
    pipe: tuple[int, int], autojump_clock: MockClock
) -> None:
    ours, theirs = pipe
    fill(theirs)

    async def lose_patience() -> None:
        await trio.sleep(PATIENCE)
        # Nothing else would end the write that the program waits for.
        os.close(ours)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(lose_patience)
        # The clock runs ahead of a thread that writes, but this write never ends.
        async with open_console(theirs) as console:
            console.print("nobody reads this")
        nursery.cancel_scope.cancel()
    assert trio.current_time() == 1


async def test_an_output_that_nobody_reads_is_not_an_error(pipe: tuple[int, int]) -> None:
    ours, theirs = pipe
    os.close(ours)
    with trio.fail_after(PATIENCE):
        async with open_console(theirs) as console:
            console.print("nobody reads this")
            await console.flush()
            console.print("nor this")
            assert not console._texts
            await console.wait_room()
            await console.flush()


async def test_a_reader_that_goes_is_noticed_even_if_nothing_is_printed(
    pipe: tuple[int, int],
) -> None:
    ours, theirs = pipe
    async with open_console(theirs) as console:
        with trio.move_on_after(0.05) as still_read:
            await console.wait_ended()
        assert still_read.cancelled_caught
        os.close(ours)
        with trio.fail_after(PATIENCE):
            await console.wait_ended()
        assert console.failure is None


async def test_a_readable_socket_does_not_look_like_a_reader_that_has_gone() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.send(b"for another program to read")
        with trio.move_on_after(0.05) as still_read:
            await wait_reader_gone(theirs.fileno())
        assert still_read.cancelled_caught
        ours.close()
        with trio.fail_after(PATIENCE):
            await wait_reader_gone(theirs.fileno())


async def test_a_file_has_no_reader_that_could_go(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    with (tmp_path / "output").open("wb") as output:
        with trio.move_on_after(1000) as still_read:
            await wait_reader_gone(output.fileno())
        assert still_read.cancelled_caught
        assert not is_reader_gone(output.fileno())
    with trio.move_on_after(1000) as still_read:
        await wait_reader_gone(output_number := 99_999)
    assert still_read.cancelled_caught
    assert not is_reader_gone(output_number)


async def test_a_full_device_is_reported_once_and_writing_resumes_when_there_is_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    written: list[bytes] = []
    room = [5]

    def write(_fd: int, data: memoryview) -> int:
        some = bytes(data[: room[0]])
        if not some:
            raise OSError(errno.ENOSPC, "No space left on device")
        room[0] -= len(some)
        written.append(some)
        return len(some)

    monkeypatch.setattr(console_module, "write_some", write)
    failures: list[OSError] = []
    with trio.fail_after(PATIENCE):
        async with open_console(99, on_failure=failures.append) as console:
            console.print("one")
            console.print("two")
            await console.flush()
            assert b"".join(written) == b"one\nt"
            console.print("three")
            await console.flush()
            assert console.ended.is_set()
            room[0] = 1000
            console.print("four")
            await console.flush()
            console.print("five")
            await console.flush()
    assert b"".join(written).decode() == "one\nt\n… 2 lines are not shown …\nfour\nfive\n"
    assert [failure.errno for failure in failures] == [errno.ENOSPC]
    assert console.failure is failures[0]


async def test_a_non_blocking_output_loses_nothing(
    pipe: tuple[int, int],
) -> None:
    ours, theirs = pipe
    os.set_blocking(theirs, False)
    line = "x" * 299_999
    async with open_console(theirs) as console:
        console.print(line)
        assert await read(ours, 300_000) == f"{line}\n"
