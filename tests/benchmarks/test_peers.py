"""Each peer speaks the wire format; and the load generators count correctly what a server does."""

from __future__ import annotations

import fcntl
import os
import re
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from benchmarks import processes
from benchmarks.builds import Builds, Unavailable
from benchmarks.parts.calc import write_cases
from benchmarks.peers.table import ANY_PORT, CALC, CHAT, LIMIT, TRIONET, WEB, Peer
from benchmarks.processes import Failed, Load, ServerProcess
from needs import lacking

TIMEOUT = 20.0


class SharedBuilds(Builds):
    """Each program is compiled once for all workers of pytest."""

    def _compile(self, name: str, *sources: Path) -> str:
        program = self.directory / name
        with (self.directory / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            return str(program) if program.exists() else super()._compile(name, *sources)


@pytest.fixture(scope="session")
def builds(tmp_path_factory: pytest.TempPathFactory) -> Builds:
    ours = tmp_path_factory.getbasetemp()
    directory = (ours.parent if "PYTEST_XDIST_WORKER" in os.environ else ours) / "builds"
    directory.mkdir(exist_ok=True)
    return SharedBuilds(directory)


@pytest.fixture(scope="module", autouse=True)
def on_any_core() -> Iterator[None]:
    # With cores of their own, the servers of all workers would share one.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(processes, "cores", lambda: None)
        yield


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def start(stack: ExitStack, peer: Peer, builds: Builds) -> ServerProcess:
    try:
        command = peer.command(builds)
    except Unavailable as reason:
        lacking(str(reason))
    if peer.name == LIMIT and command[0] == sys.executable:
        lacking("the limit in C needs Linux and a C compiler")
    return stack.enter_context(ServerProcess(command))


def connect(stack: ExitStack, server: ServerProcess) -> socket.SocketIO:
    sock = stack.enter_context(socket.create_connection((server.host, int(server.port)), TIMEOUT))
    return stack.enter_context(sock.makefile("rwb", buffering=0))


def join(stack: ExitStack, server: ServerProcess, name: bytes) -> socket.SocketIO:
    client = connect(stack, server)
    client.write(name + b"\n")
    assert client.readline().startswith(b"*** welcome, " + name)
    return client


PYTHON_LIMIT = Peer(
    name="limit in Python",
    label="",
    command=lambda _builds: [
        sys.executable,
        "-m",
        "benchmarks.peers.chat_limit",
        ANY_PORT,
    ],
)


@pytest.mark.parametrize("peer", [*CHAT, PYTHON_LIMIT], ids=lambda peer: peer.name)
def test_a_chat_peer_speaks_the_wire_format(stack: ExitStack, builds: Builds, peer: Peer) -> None:
    server = start(stack, peer, builds)
    ann = connect(stack, server)
    ann.write(b"Ann\n")
    assert ann.readline() == b"*** welcome, Ann (1 here: Ann)\n"
    bob = connect(stack, server)
    bob.write(b"Bob\n")
    assert bob.readline() == b"*** welcome, Bob (2 here: Ann, Bob)\n"
    assert ann.readline() == b"*** Bob joined (2 here)\n"
    cid = join(stack, server, b"Cid")
    for other in (ann, bob):
        assert other.readline() == b"*** Cid joined (3 here)\n"
    # Two lines in one piece, one line in two; and Bob hears none of his own.
    bob.write(b"hello\nwor")
    bob.write(b"ld\n")
    cid.write(b"hi\n")
    heard = {ann.readline() for _ in range(3)}
    assert heard == {b"Bob: hello\n", b"Bob: world\n", b"Cid: hi\n"}
    assert bob.readline() == b"Cid: hi\n"
    assert [cid.readline(), cid.readline()] == [b"Bob: hello\n", b"Bob: world\n"]
    cid.write(b"q\n")
    assert cid.read() == b""
    for other in (ann, bob):
        assert other.readline() == b"*** Cid left (2 here)\n"
    # The welcome to a crowd lists twenty names.
    for number in range(19):
        join(stack, server, b"m%d" % number)
    last = connect(stack, server)
    last.write(b"last\n")
    names = ", ".join(["Ann", "Bob", *(f"m{number}" for number in range(18))])
    assert last.readline().decode() == f"*** welcome, last (22 here: {names} … and 2 more)\n"


@pytest.mark.parametrize("peer", CALC, ids=lambda peer: peer.name)
def test_a_calculator_peer_speaks_the_wire_format(
    stack: ExitStack, builds: Builds, peer: Peer
) -> None:
    client = connect(stack, start(stack, peer, builds))
    client.write(b"Ann\n12 + 42\n3.24 - 45\n0.1 + 0.")
    client.write(b"2\n50 + 50\n0 * -5\n1 / 3\n1 / 0\n12 +\n")
    replies = [client.readline() for _ in range(8)]
    assert replies[:5] == [b"54\n", b"-41.76\n", b"0.3\n", b"100\n", b"0\n"]
    assert replies[5:7] == [b"0." + b"3" * 28 + b"\n", b"error: division by zero\n"]
    assert re.fullmatch(rb"error: .+\n", replies[7])
    if peer.name == "function":
        # A plain function cannot end its connection.
        return
    client.write(b"q\n")
    assert client.read() == b""


# ---- The load generators ----


@pytest.fixture(params=["C", "Python"])
def load_of(
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    builds: Builds,
) -> type[Load]:
    in_python = [sys.executable, "-m", "benchmarks.load"]
    if request.param == "Python":
        monkeypatch.setattr(processes, "load_command", lambda _builds: in_python)
    elif processes.load_command(builds) == in_python:
        lacking("the load generator in C needs Linux and a C compiler")
    return Load


@pytest.fixture(scope="module")
def calculator(builds: Builds) -> Iterator[ServerProcess]:
    """A calculator that starts fast, for tests that ask little of it."""
    with ServerProcess(of(CALC, "threads").command(builds)) as server:
        yield server


def of(peers: tuple[Peer, ...], name: str) -> Peer:
    return next(peer for peer in peers if peer.name == name)


@pytest.mark.parametrize("peer", [LIMIT, TRIONET])
def test_the_load_generator_counts_what_a_chat_server_does(
    stack: ExitStack, builds: Builds, load_of: type[Load], peer: str
) -> None:
    server = start(stack, of(CHAT, peer), builds)
    load = stack.enter_context(load_of(server, builds))
    assert load.ask("join", n=6, group=2, limit=TIMEOUT)["members"] == 6
    for size in (32, 512):
        talked = load.ask(
            "talk", talkers=2, flight=8, size=size, warmup=0, seconds=0.05, patience=TIMEOUT
        )
        assert talked["messages"] > 0
        assert 0 < talked["deliveries"] <= 5 * talked["messages"]
        assert (talked["missing"], talked["faults"], talked["one_order"]) == (0, 0, True)
        assert talked["seconds"] >= 0.05
    assert load.ask("join", n=1, group=1, limit=TIMEOUT)["members"] == 7
    pings = load.ask("ping", count=5, warmup=1, size=32, limit=TIMEOUT)
    assert pings["count"] == 5
    assert 0 < pings["p50"] <= pings["p99"] <= pings["max"]
    assert load.ask("stall", n=2) == {"stalled": 2}
    assert load.ask("unstall") == {"stalled": 0}
    if peer == TRIONET:
        drained = load.ask("drain", pid=server.pid, limit=TIMEOUT)
        assert (drained["told"], drained["closed"]) == (7, 7)
        assert 0 < drained["told_seconds"] <= drained["closed_seconds"]
        assert server.wait(TIMEOUT) == 0


@pytest.mark.parametrize("peer", WEB, ids=lambda peer: peer.name)
def test_the_load_generator_counts_what_a_server_for_browsers_does(
    stack: ExitStack, builds: Builds, peer: Peer
) -> None:
    wire = {"plain": "plain", "json": "json"}.get(peer.name, "web")
    if peer.name == "ws":
        try:
            peer.command(builds)
        except Unavailable as reason:
            # Neither pip nor Debian has it.
            pytest.skip(str(reason))
    server = start(stack, peer, builds)
    try:
        load = Load(server, builds, wire=wire, second=peer.name == TRIONET)
    except Unavailable as reason:
        lacking(str(reason))
    stack.enter_context(load)
    assert load.ask("join", n=6, group=2, limit=TIMEOUT)["members"] == 6
    for size in (32, 512):
        talked = load.ask(
            "talk", talkers=2, flight=8, size=size, warmup=0, seconds=0.05, patience=TIMEOUT
        )
        assert talked["messages"] > 0
        assert 0 < talked["deliveries"] <= 6 * talked["messages"]
        assert (talked["missing"], talked["faults"], talked["one_order"]) == (0, 0, True)
    assert load.ask("join", n=1, group=1, limit=TIMEOUT)["members"] == 7
    assert load.ask("ping", count=5, warmup=1, size=32, limit=TIMEOUT)["count"] == 5


def test_the_load_generator_compares_each_reply(
    stack: ExitStack,
    builds: Builds,
    load_of: type[Load],
    calculator: ServerProcess,
    tmp_path: Path,
) -> None:
    cases = tmp_path / "operations"
    write_cases(cases)
    load = stack.enter_context(load_of(calculator, builds))
    for depth in (1, 16):
        answer = load.ask("calc", n=3, depth=depth, warmup=0, seconds=0.05, cases=cases)
        assert answer["requests"] > 0


def test_the_load_generator_refuses_a_wrong_reply(
    stack: ExitStack,
    builds: Builds,
    load_of: type[Load],
    calculator: ServerProcess,
    tmp_path: Path,
) -> None:
    cases = tmp_path / "operations"
    cases.write_text("1 + 1\t3\n")
    load = stack.enter_context(load_of(calculator, builds))
    with pytest.raises(Failed, match=r"1 \+ 1"):
        load.ask("calc", n=1, depth=1, warmup=0, seconds=0.05, cases=cases)


# Passes on each message but every fifth, and swaps two letters of every seventh.
FAULTY = """
import socket, threading
listener = socket.create_server(("127.0.0.1", 0))
print(f"listening on 127.0.0.1:{listener.getsockname()[1]}", flush=True)
socks, lock, count = [], threading.Lock(), 0
def serve(sock):
    global count
    lines = sock.makefile("rb")
    name = lines.readline().strip()
    with lock:
        socks.append(sock)
        sock.sendall(b"*** welcome, (%d here)\\n" % len(socks))
        for other in socks[:-1]:
            other.sendall(b"*** joined\\n")
    for line in lines:
        with lock:
            count += 1
            if count % 5 == 0:
                continue
            if count % 7 == 0:
                line = line.replace(b"ab", b"ba")
            for other in socks:
                if other is not sock:
                    other.sendall(name + b": " + line)
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
"""


def test_the_load_generator_counts_lost_and_wrong_messages(
    stack: ExitStack, builds: Builds, load_of: type[Load], tmp_path: Path
) -> None:
    program = tmp_path / "faulty.py"
    program.write_text(FAULTY)
    server = stack.enter_context(ServerProcess([sys.executable, str(program)]))
    load = stack.enter_context(load_of(server, builds))
    load.ask("join", n=4, group=4, limit=TIMEOUT)
    # In the end everything in flight is lost, and the talk stands still.
    talked = load.ask("talk", talkers=1, flight=4, size=32, warmup=0, seconds=0.2, patience=2)
    assert talked["missing"] == 3 * (talked["messages"] // 5)
    assert talked["faults"] > 0


def test_a_server_that_one_member_blocks_is_measured_too(
    stack: ExitStack, builds: Builds, load_of: type[Load]
) -> None:
    server = start(stack, of(CHAT, "threads"), builds)
    load = stack.enter_context(load_of(server, builds))
    load.ask("join", n=3, group=3, limit=TIMEOUT)
    load.ask("stall", n=1)

    def talk() -> dict[str, object]:
        return load.ask("talk", talkers=1, flight=8, size=1024, warmup=0, seconds=0.1, patience=1)

    for _ in range(200):
        if talk()["missing"]:
            break
    # No more can be in flight than already is.
    assert talk()["messages"] == 0
    load.ask("unstall")
    talked = talk()
    assert talked["deliveries"]
    assert (talked["missing"], talked["faults"]) == (0, 0)


def test_a_server_that_sends_no_welcome_is_reported(
    stack: ExitStack, builds: Builds, load_of: type[Load], calculator: ServerProcess
) -> None:
    load = stack.enter_context(load_of(calculator, builds))
    with pytest.raises(Failed, match=r"after 0\.1 s"):
        load.ask("join", n=2, group=2, limit=0.1)
