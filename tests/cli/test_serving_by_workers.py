"""A server of several processes: it serves, ends and heals as one."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trio
from tests.cli.test_metrics import scrape

from passing_on import start_with

if TYPE_CHECKING:
    from tests.cli.conftest import Program, Programs

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/stat").exists(), reason="Linux divides connections, and /proc tells of it"
)

WORKERS = ("calc", "serve", "--workers")
ONE_FOR_EACH = "{} workers: one connection at a time is one for each of them"
PATIENCE = 60


def children(pid: int) -> list[int]:
    """Return the workers that a process has, oldest first."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The name, in parentheses, may hold spaces.
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid and fields[0] != "Z":
            found.append((int(fields[19]), int(stat.parent.name)))
    return [child for _, child in sorted(found)]


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


async def wait_gone(*pids: int) -> None:
    with trio.fail_after(PATIENCE):
        # The workers are no children of the test's, so there is nothing to wait for.
        while any(map(is_alive, pids)):  # noqa: ASYNC110
            await trio.sleep(0.01)


async def wait_workers(pid: int, count: int, *, without: int) -> list[int]:
    with trio.fail_after(PATIENCE):
        while without in (found := children(pid)) or len(found) != count:  # noqa: ASYNC110
            await trio.sleep(0.01)
    return found


async def calculate(programs: Programs, address: str, name: str) -> None:
    client = await programs.connect(address, name, "6 * 7", "q")
    await client.expect("42")
    await client.expect_end()
    await client.aclose()


async def expect_logged(server: Program, line: str) -> None:
    """Wait for a line of the log, whatever the workers say in front of it."""
    while await server.within_patience(server.err.line) != line:
        pass


async def started(programs: Programs, *arguments: str) -> tuple[Program, str]:
    server = await programs.start(*WORKERS, *arguments)
    await server.expect_error(ONE_FOR_EACH.format(arguments[0]))
    return server, await server.address()


async def test_workers_share_a_port_and_the_parent_serves_nobody(programs: Programs) -> None:
    server, address = await started(programs, "2", "127.0.0.1:0")
    workers = children(server.process.pid)
    assert len(workers) == 2
    for number in range(20):
        await calculate(programs, address, f"client{number}")
    server.signal(signal.SIGTERM)
    assert await server.within_patience(server.process.wait) == 0
    out = await server.out.rest()
    assert sorted(out.splitlines()) == sorted(
        line
        for number in range(20)
        for line in (f"client{number} connected", f"client{number}: 6 * 7 = 42", "Session ended")
    )
    by = Counter(re.findall(r"Z \[(\d)\] info opened ", server.err.text))
    assert sum(by.values()) == 20
    assert set(by) == {"1", "2"}
    assert not any(map(is_alive, workers))


async def test_addresses_are_announced_once_with_one_port_for_both_families(
    programs: Programs, tmp_path: Path
) -> None:
    at = f"unix:{tmp_path}/calc"
    server, address = await started(programs, "2", "localhost:0", at)
    port = address.rpartition(":")[2]
    await server.expect("listening on [::1]:" + port, f"listening on {at}")
    assert address == f"127.0.0.1:{port}"
    for number in range(8):
        await calculate(programs, at, f"client{number}")
        await calculate(programs, f"[::1]:{port}", f"client{number}")
    server.signal(signal.SIGINT)
    assert await server.within_patience(server.process.wait) == 0
    assert os.listdir(tmp_path) == []  # noqa: PTH208


async def test_a_busy_worker_leaves_those_on_a_shared_socket_to_the_others(
    programs: Programs, tmp_path: Path
) -> None:
    server, address = await started(programs, "3", f"unix:{tmp_path}/calc")
    busy = [await programs.connect(address, f"busy{number}", "1 + 1") for number in range(2)]
    for client in busy:
        await client.expect("2")
    # However they arrive, the one worker that is free serves them all.
    for number in range(10):
        await calculate(programs, address, f"client{number}")
    server.signal(signal.SIGTERM)
    assert await server.within_patience(server.process.wait) == 0


async def test_workers_serve_on_the_socket_of_a_supervisor_and_leave_it_its_queue(
    programs: Programs,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        address = f"127.0.0.1:{sock.getsockname()[1]}"
        process = start_with(
            {"calc": sock},
            *("-m", "trionet", *WORKERS, "2"),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert process.stdout is not None
        try:
            line = await trio.to_thread.run_sync(process.stdout.readline)
            assert line.decode() == f"listening on {address}\n"
            for number in range(6):
                await calculate(programs, address, f"client{number}")
            process.send_signal(signal.SIGTERM)
            await trio.to_thread.run_sync(process.stdout.read)
            assert process.wait(PATIENCE) == 0
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
        waiting = await programs.connect(address, "Ann", "1 + 1")
        sock.settimeout(PATIENCE)
        next_server, _ = sock.accept()
        with next_server:
            assert next_server.recv(100).startswith(b"Ann")
        await waiting.aclose()


async def test_a_worker_that_dies_is_started_again_and_its_queue_is_not_lost(
    programs: Programs,
) -> None:
    server, address = await started(programs, "2", "127.0.0.1:0")
    parent = server.process.pid
    dead, living = children(parent)
    os.kill(dead, signal.SIGKILL)
    await expect_logged(server, "worker 1 died of SIGKILL; it starts again in 0.25 s")
    # Half of these are in the queue of the dead worker.
    for number in range(10):
        await calculate(programs, address, f"client{number}")
    both = await wait_workers(parent, 2, without=dead)
    assert living in both
    os.kill(max(both), signal.SIGKILL)
    await expect_logged(server, "worker 1 died of SIGKILL; it starts again in 0.5 s")
    server.signal(signal.SIGTERM)
    assert await server.within_patience(server.process.wait) == 0


async def test_workers_do_not_outlive_a_parent_that_is_killed(programs: Programs) -> None:
    server, address = await started(programs, "2", "127.0.0.1:0")
    workers = children(server.process.pid)
    client = await programs.connect(address, "Ann", "1 + 1")
    await client.expect("2")
    server.process.kill()
    await client.expect_end()
    await client.aclose()
    await wait_gone(*workers)


async def test_a_worker_that_hangs_is_killed_at_the_deadline_of_the_drain(
    programs: Programs,
) -> None:
    server, _ = await started(programs, "2", "127.0.0.1:0", "--drain", "0.5")
    hanging, other = children(server.process.pid)
    os.kill(hanging, signal.SIGSTOP)
    server.signal(signal.SIGTERM)
    await expect_logged(server, "worker 1 did not end in time and was killed")
    assert await server.within_patience(server.process.wait) == 0
    assert not is_alive(hanging)
    assert not is_alive(other)


async def test_workers_that_are_asked_by_sigusr1_log_their_state_each(programs: Programs) -> None:
    server = await programs.start(*WORKERS, "2", "127.0.0.1:0", "--log-format", "json")
    await server.address()
    server.signal(signal.SIGUSR1)
    told: set[int] = set()
    while len(told) < 2:
        line = await server.within_patience(server.err.line)
        record = json.loads(line)
        if record["event"] == "state":
            told.add(record["worker"])
    server.signal(signal.SIGTERM)
    assert await server.within_patience(server.process.wait) == 0
    assert told == {1, 2}


async def test_a_second_signal_ends_all_at_once(programs: Programs) -> None:
    # The drain may take longer than anything here waits.
    server, _ = await started(programs, "2", "127.0.0.1:0", "--drain", "1000")
    workers = children(server.process.pid)
    os.kill(workers[0], signal.SIGSTOP)
    server.signal(signal.SIGTERM)
    await wait_gone(workers[1])
    server.signal(signal.SIGTERM)
    assert await server.within_patience(server.process.wait) == 130
    await wait_gone(*workers)


async def test_a_port_that_others_share_already_is_refused_in_one_line(programs: Programs) -> None:
    first, address = await started(programs, "2", "127.0.0.1:0")
    second = await programs.start(*WORKERS, "2", address)
    await second.expect_error(
        ONE_FOR_EACH.format(2), f"error: cannot listen on {address}: address already in use"
    )
    await second.expect_end(1)
    first.signal(signal.SIGTERM)
    assert await first.within_patience(first.process.wait) == 0


async def test_what_stops_every_worker_is_told_once(programs: Programs, tmp_path: Path) -> None:
    key = tmp_path / "key.pem"
    key.touch()
    server = await programs.start(
        *WORKERS, "2", "tls:127.0.0.1:0", "--tls-cert", f"{key}", "--tls-key", f"{key}"
    )
    await server.expect_error(ONE_FOR_EACH.format(2))
    line = await server.within_patience(server.err.line)
    assert line.startswith("error: cannot listen on tls:127.0.0.1:0: ")
    await server.expect_end(1)


async def test_whoever_waits_is_told_that_the_server_closes(programs: Programs) -> None:
    server, address = await started(programs, "2", "127.0.0.1:0")
    clients = [await programs.connect(address, f"c{number}", "1 + 1") for number in range(12)]
    await clients[0].expect("2")
    server.signal(signal.SIGTERM)
    waited = 0
    for client in clients[1:]:
        # One of them is served by the other worker.
        line = await client.receive()
        assert line in ("2", "error: server is closing")
        waited += line != "2"
        await client.expect_end()
    assert waited >= 10
    assert await server.within_patience(server.process.wait) == 0


@pytest.mark.parametrize("value", ["0", "257", "two"])
async def test_a_number_of_workers_that_nobody_can_want_is_refused(
    programs: Programs, value: str
) -> None:
    program = await programs.run(*WORKERS, value)
    assert await program.within_patience(program.process.wait) == 2
    assert "a whole number from 1 to 256" in (await program.err.rest()).replace("\n", " ")


async def test_once_does_not_go_with_workers(programs: Programs) -> None:
    program = await programs.run(*WORKERS, "2", "--once", stdout=subprocess.DEVNULL)
    assert await program.within_patience(program.process.wait) == 2
    assert "it cannot be used together with --workers" in await program.err.rest()


async def test_the_numbers_of_all_workers_are_added_up_and_outlive_them(
    programs: Programs,
) -> None:
    server = await programs.start(*WORKERS, "2", "127.0.0.1:0", "--metrics", "127.0.0.1:0")
    address = await server.address()
    url = (await server.out.line()).removeprefix("metrics on ")
    for number in range(8):
        await calculate(programs, address, f"ann{number}")

    async def wait_for(count: int) -> dict[str, float]:
        with trio.fail_after(PATIENCE):
            while True:
                numbers = await scrape(url)
                if numbers.get("trionet_calc_operations_total") == count:
                    return numbers
                await trio.sleep(0.05)

    numbers = await wait_for(8)
    assert numbers["trionet_connections_total finished"] == 8
    assert numbers["trionet_lines_total in"] == 24
    victim, *_ = found = children(server.process.pid)
    os.kill(victim, signal.SIGKILL)
    await wait_workers(server.process.pid, len(found), without=victim)
    await calculate(programs, address, "bob")
    await wait_for(9)
