"""`trionet calc`: the real program, with sockets to its server and its client on pipes."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trio

if TYPE_CHECKING:
    from tests.cli.conftest import Program, Programs

    from trionet.testing import LineClient

LOCAL = "127.0.0.1:0"
# Runs the program with a standard stream closed, as by `<&-`.
CLOSING = (
    "import os, sys; os.close(%d);"
    "os.execv(sys.executable, [sys.executable, '-m', 'trionet.cli.main', *sys.argv[1:]])"
)
# Gives its output no time at the end of the program, where it otherwise has a second.
IMPATIENT = (
    "from trionet.program import console; console._GOODBYE_SECONDS = 0;"
    "from trionet.cli.main import main; main()"
)
LOST = "error: the server closed the connection"


async def serve(programs: Programs, *options: str) -> tuple[Program, str]:
    server = await programs.start("calc", "serve", LOCAL, *options)
    return server, await server.address()


async def part(client: LineClient) -> None:
    """Wait until the server ends the conversation, and end it too, so that neither side waits."""
    await client.expect_end()
    await client.aclose()


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as sock:
            sock.bind(("::1", 0))
    except OSError:
        return False
    return True


# The server.


async def test_a_server_prints_each_address_that_it_listens_on(
    programs: Programs, tmp_path: Path
) -> None:
    unix = f"unix:{tmp_path}/calc:0"
    server = await programs.start("calc", "serve", "localhost:0", unix, LOCAL)
    addresses = [await server.address()]
    host, _, port = addresses[0].rpartition(":")
    assert host == "127.0.0.1"
    assert int(port) > 0
    if has_ipv6():
        addresses.append(await server.address())
        assert addresses[1] == f"[::1]:{port}"
    addresses.append(await server.address())
    assert addresses[-1] == unix
    addresses.append(await server.address())
    assert addresses[-1].startswith("127.0.0.1:")
    assert addresses[-1] != addresses[0]
    for address in addresses:
        client = await programs.connect(address, "ann", "1 + 1", "q")
        await client.expect("2")
        await part(client)
        await server.expect("ann connected", "ann: 1 + 1 = 2", "Session ended")
    ben = await programs.run("calc", "connect", "--name", "ben", unix, typed="2 * 21")
    await ben.expect("42", "Session ended")
    await ben.expect_end(0)
    await server.expect("ben connected", "ben: 2 * 21 = 42", "Session ended")
    server.signal(signal.SIGTERM)
    await server.expect_end(0)
    assert not (tmp_path / "calc:0").exists()


async def test_a_server_prints_names_operations_and_the_ends_of_sessions(
    programs: Programs,
) -> None:
    server, address = await serve(programs)
    ann = await programs.connect(address, " ann \t", "12 + 42", "\t1/0  ", "3.24-45")
    await ann.expect("54", "error: division by zero", "-41.76")
    await server.expect(
        "ann connected",
        "ann: 12 + 42 = 54",
        "ann: 1/0: error: division by zero",
        "ann: 3.24-45 = -41.76",
    )
    await ann.send_bytes(b"\xff\n\n")
    await server.expect("ann: error: line is not UTF-8")
    await server.expect("ann: error: expected an expression, such as 12 + 42")
    await ann.send("\x1b[2J + 1", "q")
    await server.expect("ann: �[2J + 1: error: unexpected U+001B at column 1", "Session ended")
    await ann.receive()
    await ann.receive()
    await ann.receive()
    await part(ann)
    # Without a name there is no session. Then the input ends, or the connection is reset.
    await part(await programs.connect(address, "q"))
    refused = await programs.connect(address, "x" * 65)
    await refused.expect("error: the name is longer than 64 characters")
    await part(refused)
    ben = await programs.connect(address, "ben", "4.5 / -6")
    await ben.expect("-0.75")
    await ben.send_eof()
    await part(ben)
    await server.expect("ben connected", "ben: 4.5 / -6 = -0.75", "Session ended")
    host, _, port = address.rpartition(":")
    with socket.create_connection((host, int(port))) as cid:
        cid.sendall(b"cid\n")
        await server.expect("cid connected")
        cid.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    await server.expect("Session ended")
    server.signal(signal.SIGINT)
    await server.expect_end(0)


async def test_with_more_than_one_client_the_name_is_printed_at_the_end_of_a_session(
    programs: Programs,
) -> None:
    server, address = await serve(
        programs, "--max-clients", "3", "--precision", "3", "--backlog", "5"
    )
    clients = {name: await programs.connect(address, name, "2/3") for name in ("a", "b", "c")}
    for client in clients.values():
        await client.expect("0.667")
    told = {await server.within_patience(server.out.line) for _ in range(6)}
    assert told == {f"{name} connected" for name in "abc"} | {
        f"{name}: 2/3 = 0.667" for name in "abc"
    }
    waits = await programs.connect(address, "d", "1 + 1", "q")
    await clients["b"].send("q")
    await server.expect("b: Session ended", "d connected", "d: 1 + 1 = 2", "d: Session ended")
    await waits.expect("2")


async def test_quiet_prints_only_the_addresses(programs: Programs) -> None:
    server, address = await serve(programs, "--quiet", "--backlog", "0")
    ann = await programs.connect(address, "ann", "1 + 1", "q")
    await ann.expect("2")
    await part(ann)
    server.signal(signal.SIGTERM)
    await server.expect_end(0)


async def test_once_ends_after_the_first_named_session(programs: Programs) -> None:
    server, address = await serve(programs, "--once")
    await part(await programs.connect(address, "q"))
    ann = await programs.connect(address, "ann", "1 + 1")
    await ann.expect("2")
    waits = await programs.connect(address, "ben")
    await ann.send("q")
    await part(ann)
    await waits.expect("error: server is closing")
    await part(waits)
    await server.expect("ann connected", "ann: 1 + 1 = 2", "Session ended")
    await server.expect_end(0)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_the_first_signal_drains(programs: Programs, number: signal.Signals) -> None:
    server, address = await serve(programs)
    ann = await programs.connect(address, "ann", "1 + 1")
    await ann.expect("2")
    server.signal(number)
    await part(ann)
    await server.expect("ann connected", "ann: 1 + 1 = 2", "Session ended")
    await server.expect_error("closing; a second signal ends the server at once")
    await server.expect_end(0)


async def test_a_second_signal_ends_the_server_at_once(programs: Programs) -> None:
    server, address = await serve(programs)
    ann = await programs.connect(address, "ann", "1 + 1")
    await ann.expect("2")
    server.signal(signal.SIGTERM)
    # The server waits two seconds for Ann to close.
    await ann.expect_end()
    server.signal(signal.SIGINT)
    await server.expect("ann connected", "ann: 1 + 1 = 2", "Session ended")
    await server.expect_error("closing; a second signal ends the server at once")
    await server.expect_end(130)


async def test_an_address_in_use_is_one_line_and_status_1(
    programs: Programs, tmp_path: Path
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        server = await programs.start("calc", "serve", LOCAL, address)
        await server.expect_error(f"error: cannot listen on {address}: address already in use")
        await server.expect_end(1)


async def test_a_console_that_stands_still_never_stops_the_server(programs: Programs) -> None:
    ours, theirs = os.pipe()
    try:
        server = await programs.start("calc", "serve", LOCAL, stdout=theirs)
        address = ""
        while "\n" not in address:
            await trio.lowlevel.wait_readable(ours)
            address += os.read(ours, 1).decode()
        address = address.removeprefix("listening on ").rstrip()
        # From here on nobody reads the console. A pipe holds 64 KiB, and this is more.
        operation = " + " + "1" * 4000
        ann = await programs.connect(address, "ann")
        for number in range(50):
            await ann.send(f"{number}{operation}")
            assert (await ann.receive()).startswith("1.111")
        await ann.send("q")
        await ann.expect_end()
        await ann.aclose()
        server.signal(signal.SIGTERM)
        await server.expect_end(0)
    finally:
        os.close(ours)
        os.close(theirs)


async def test_a_closed_console_is_not_an_error(programs: Programs) -> None:
    ours, theirs = os.pipe()
    server = await programs.start("calc", "serve", LOCAL, stdout=theirs)
    os.close(theirs)
    async with trio.lowlevel.FdStream(ours) as console:
        listening = ""
        while "\n" not in listening:
            listening += bytes(await server.within_patience(console.receive_some)).decode()
    address = listening.removeprefix("listening on ").rstrip()
    for _ in range(2):
        ann = await programs.connect(address, "ann", "1 + 1", "q")
        await ann.expect("2")
        await part(ann)
    server.signal(signal.SIGTERM)
    await server.expect_end(0)


# The client.


async def test_a_script_gets_its_results_line_by_line(programs: Programs, tmp_path: Path) -> None:
    """One server has many clients, one after the other."""
    server, address = await serve(programs)

    async def connect(typed: str, *printed: str, name: str = "ann") -> Program:
        client = await programs.run("calc", "connect", "--name", name, address, typed=typed)
        await client.expect(*printed)
        return client

    client = await connect("12 + 42\nq\n", "54", "Session ended")
    await client.expect_end(0)
    await server.expect("ann connected", "ann: 12 + 42 = 54", "Session ended")

    # The client quits at the end of its input, whose last piece is a line. It skips blank lines.
    client = await connect(
        "\n  \n1 / 3\r\n\n1 / 0\n2 * 2", *["0." + "3" * 28, "error: division by zero", "4"]
    )
    await client.expect("Session ended")
    await client.expect_end(0)
    await server.expect("ann connected", f"ann: 1 / 3 = 0.{'3' * 28}")
    await server.expect("ann: 1 / 0: error: division by zero", "ann: 2 * 2 = 4", "Session ended")

    # A malformed line causes a warning and is not sent. Nothing after `q` is read.
    client = await connect(
        "1,1 + 1\n?\n  1 +\n" + "1" * 5000 + "\n1 + 1\n q \n3 + 3\n", "2", "Session ended"
    )
    await client.expect_error(
        "warning: 1,1 + 1: unexpected , at column 2 (write 1.1)",
        "warning: ?: unexpected ? at column 1",
        "warning:   1 +: expected a number at column 6",
        "warning: line is longer than 4096 bytes",
    )
    await client.expect_end(0)
    await server.expect("ann connected", "ann: 1 + 1 = 2", "Session ended")

    # An unfit name ends it: a pipe is not asked for another, and no line in it is a name.
    for name, reason in (
        ("", "the name is empty"),
        ("x" * 65, "the name is longer than 64 characters"),
    ):
        client = await connect("1 + 1\n", name=name)
        await client.expect_error(f"error: {reason}")
        await client.expect_end(1)

    script = tmp_path / "script"
    script.write_text("12 + 42\nq\n")
    for path, printed in ((str(script), ["54"]), (os.devnull, [])):
        fd = os.open(path, os.O_RDONLY)
        client = await programs.start("calc", "connect", "--name", "ann", address, stdin=fd)
        os.close(fd)
        await client.expect(*printed, "Session ended")
        await client.expect_end(0)
        await server.expect("ann connected", *[f"ann: 12 + 42 = {r}" for r in printed])
        await server.expect("Session ended")

    # Standard input is closed, as by `<&-`, or nobody reads what is printed.
    client = await programs.start(
        "calc",
        "connect",
        "--name",
        "ann",
        address,
        stdin=subprocess.DEVNULL,
        interpreter=("-c", CLOSING % 0),
    )
    await client.expect("Session ended")
    await client.expect_end(0)
    await server.expect("ann connected", "Session ended")
    client = await programs.run(
        "calc",
        "connect",
        "--name",
        "ann",
        address,
        typed="1 + 1\n",
        interpreter=("-c", CLOSING % 1),
    )
    await client.expect_error("error: cannot write to standard output: bad file descriptor")
    await client.expect_end(1)
    await server.expect("ann connected", "ann: 1 + 1 = 2", "Session ended")


@pytest.mark.parametrize(
    ("typed", "printed", "errors", "failed"),
    [
        ("1 + 1\n\nans + 1\n", ["2", "3"], [], ""),
        ("1 / 0\n1 + 1\n", ["error: division by zero", "2"], [], "1 line failed"),
        ("2\n2 2\nq\n", ["2"], ["2 2: expected an operator at column 3"], "1 line failed"),
        ("1 +\n\0\n1/0", ["error: division by zero"], [
            "1 +: expected a number at column 4", "�: unexpected U+0000 at column 1"
        ], "3 lines failed"),
    ],
    ids=repr,
)  # fmt: skip
async def test_with_strict_the_status_says_whether_a_line_failed(
    programs: Programs, typed: str, printed: list[str], errors: list[str], failed: str
) -> None:
    _, address = await serve(programs, "--quiet")
    for strict in (False, True):
        client = await programs.run(
            "calc", "connect", "--name", "ann", address, *["--strict"] * strict, typed=typed
        )
        await client.expect(*printed, "Session ended")
        await client.expect_error(*(f"warning: {error}" for error in errors))
        if strict and failed:
            await client.expect_error(f"error: {failed}")
        await client.expect_end(int(strict and bool(failed)))


async def test_thousands_of_lines_keep_their_order(programs: Programs, tmp_path: Path) -> None:
    _, address = await serve(programs, "--quiet")
    script = tmp_path / "script"
    script.write_text("".join(f"{number} + 1\n" for number in range(20_000)))
    with script.open() as lines:
        client = await programs.start(
            "calc", "connect", "--name", "ann", address, stdin=lines.fileno()
        )
    await client.expect(*(f"{number}" for number in range(1, 20_001)), "Session ended")
    await client.expect_end(0)


async def test_a_slow_reader_loses_no_result(programs: Programs, tmp_path: Path) -> None:
    server, address = await serve(programs)
    script = tmp_path / "script"
    # More than the 64 KiB that a pipe holds, and less than may wait to be printed.
    script.write_text("1 / 3\n" * 4000)
    ours, theirs = os.pipe()
    with script.open() as lines:
        client = await programs.start(
            "calc",
            "connect",
            "--name",
            "ann",
            address,
            stdin=lines,
            stdout=theirs,
            interpreter=("-c", IMPATIENT),
        )
    os.close(theirs)
    await server.expect("ann connected", *[f"ann: 1 / 3 = 0.{'3' * 28}"] * 4000, "Session ended")
    # The session is over, and nothing has been read yet.
    async with trio.lowlevel.FdStream(ours) as results:
        received = b""
        while data := await client.within_patience(results.receive_some):
            received += data
    assert received.decode() == f"0.{'3' * 28}\n" * 4000 + "Session ended\n"
    await client.expect_end(0)


async def test_on_a_pipe_each_reply_comes_at_once(programs: Programs) -> None:
    server, address = await serve(programs)
    ann = await programs.start("calc", "connect", "--name", "Ann Lee", address)
    for number in range(3):
        await ann.type(f"{number} + 1\n")
        await ann.expect(f"{number + 1}")
        await server.expect(
            *["Ann Lee connected"][number:], f"Ann Lee: {number} + 1 = {number + 1}"
        )
    ann.signal(signal.SIGINT)
    await ann.expect_end(-signal.SIGINT)
    await server.expect("Session ended")
    ben = await programs.start("calc", "connect", "--name", "ben", address)
    await ben.type("1 + 1\n")
    await ben.expect("2")
    server.signal(signal.SIGTERM)
    await ben.expect_error(LOST)
    await ben.expect_end(1)
    await server.expect("ben connected", "ben: 1 + 1 = 2", "Session ended")
    await server.expect_error("closing; a second signal ends the server at once")
    await server.expect_end(0)
    # Now the server is gone.
    cid = await programs.run("calc", "connect", "--name", "cid", address)
    await cid.expect_error(f"error: cannot connect to {address}: connection refused")
    await cid.expect_end(1)


async def test_a_name_that_the_server_refuses_ends_the_client_with_status_1(
    programs: Programs,
) -> None:
    [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
    address = f"127.0.0.1:{listener.socket.getsockname()[1]}"
    async with listener:
        ann = await programs.start("calc", "connect", "--name", "ann", address)
        server = await ann.within_patience(listener.accept)
        async with server:
            await server.send_all(b"error: no Anns here\n")
            await server.send_eof()
            await ann.expect_error("error: no Anns here")
            await ann.expect_end(1)
