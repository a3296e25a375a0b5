"""The fixtures of `trionet.pytest_plugin`, in test files of their own."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import trio

from trionet import Connection, Limits, WhenFull
from trionet.pytest_plugin import LineClientFactory
from trionet.testing import Link, MemoryNetwork, cut_bytes

EXAMPLE = Path(__file__).parent.parent / "examples" / "test_your_handler.py"


async def shout(connection: Connection) -> None:
    async for line in connection.lines:
        await connection.send(line.upper())


async def test_a_handler_is_served_and_a_client_returned(line_client: LineClientFactory) -> None:
    client = await line_client(shout)
    await client.send("hello")
    await client.expect("HELLO")


async def test_the_same_handler_is_served_once(
    line_client: LineClientFactory, memory_network: MemoryNetwork
) -> None:
    first = await line_client(shout, "ann", limits=Limits(max_clients=1), when_full=WhenFull.REFUSE)
    await first.send("a")
    await first.expect("A")
    second = await line_client(shout, "bob", source="10.0.0.7", link=Link(cut=cut_bytes))
    await second.expect("error: server is full")
    await second.expect_end()
    assert len(line_client.server(shout).connections) == 1
    assert len(memory_network.streams) == 2


async def test_options_of_a_handler_that_is_served_cannot_be_changed(
    line_client: LineClientFactory,
) -> None:
    await line_client(shout)
    with pytest.raises(ValueError, match="served already"):
        await line_client(shout, limits=Limits(max_clients=1))


async def test_virtual_time_works_with_the_fixture(
    line_client: LineClientFactory, autojump_clock: trio.abc.Clock
) -> None:
    client = await line_client(shout)
    await client.expect_silence(3600)


PROGRAM = """
import trionet, pytest, trio

async def shout(connection):
    async for line in connection.lines:
        await connection.send(line.upper())

@pytest.mark.trio
async def test_it(line_client, autojump_clock):
    client = await line_client(shout)
    await client.send("hello")
    await client.expect("HELLO")
    await client.expect_silence(5)
"""


def run_pytest(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options],
        cwd=folder, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


def test_the_fixtures_are_there_and_the_example_passes_without_trio_mode_too(
    tmp_path: Path,
) -> None:
    (tmp_path / "test_it.py").write_text(PROGRAM)
    # In a directory of its own, so that neither a conftest nor this project's settings help it.
    shutil.copy(EXAMPLE, tmp_path)
    run = run_pytest(tmp_path, "-W", "error")
    assert run.returncode == 0, run.stdout + run.stderr
    assert "4 passed" in run.stdout


def test_trionet_is_not_loaded_until_a_fixture_is_used(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(
        "import sys\n"
        "def test_it():\n"
        "    loaded = {name for name in sys.modules if name.startswith('trionet')}\n"
        "    light = {'trionet._lazy', 'trionet._version', 'trionet.pytest_plugin'}\n"
        "    assert loaded == {'trionet', *light}\n"
    )
    run = run_pytest(tmp_path, "-p", "no:trio")
    assert run.returncode == 0, run.stdout + run.stderr


async def test_a_handler_without_a_client_has_no_server_yet(
    line_client: LineClientFactory,
) -> None:
    with pytest.raises(ValueError, match="ask for a client of it first"):
        line_client.server(shout)
