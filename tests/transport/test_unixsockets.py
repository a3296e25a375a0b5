"""Listening on Unix sockets: what a dead server left is replaced, and nothing else."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import trio
import trio.testing

from forkserver import ForkServer
from listening import listening
from trionet.errors import ConnectError, ListenError
from trionet.transport import unixsockets
from trionet.transport.network import SYSTEM, SystemNetwork
from trionet.transport.sockets import SocketStream


def exists(path: str) -> bool:
    return Path(path).exists()


def is_socket(path: str) -> bool:
    return Path(path).is_socket()


def remove(path: str) -> None:
    Path(path).unlink()


def is_something(path: str) -> bool:
    return os.path.lexists(path)


def is_link(path: str) -> bool:
    return Path(path).is_symlink()


def link_to(path: str, link: str) -> None:
    Path(link).symlink_to(path)


def touch(path: str) -> None:
    Path(path).touch()


def leave_stale(path: str) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(path)
        sock.listen()


async def test_a_unix_socket_serves_and_its_file_is_removed_on_close(path: str) -> None:
    async with listening(f"unix:{path}") as (listener,):
        assert listener.address == f"unix:{path}"
        async with await SYSTEM.connect(listener.address) as client:
            assert client.peer == listener.address
            async with await listener.accept() as accepted:
                await accepted.send_all(b"hello")
                assert await client.receive_some() == b"hello"
    assert not exists(path)
    await listener.aclose()
    with pytest.raises(ConnectError, match=r"no such file or directory$"):
        await SYSTEM.connect(f"unix:{path}")


async def test_the_socket_file_of_a_dead_server_is_replaced(path: str) -> None:
    leave_stale(path)
    with pytest.raises(ConnectError, match=r"connection refused$"):
        await SYSTEM.connect(f"unix:{path}")
    async with listening(f"unix:{path}"):
        await (await SYSTEM.connect(f"unix:{path}")).aclose()


async def test_a_living_server_is_never_replaced(path: str) -> None:
    async with listening(f"unix:{path}"):
        with pytest.raises(ListenError) as refusal:
            await SYSTEM.listen(f"unix:{path}")
        assert str(refusal.value) == f"cannot listen on unix:{path}: address already in use"
        await (await SYSTEM.connect(f"unix:{path}")).aclose()


async def test_a_living_server_that_is_too_busy_to_answer_is_never_replaced(path: str) -> None:
    waiting: list[socket.socket] = []
    with socket.socket(socket.AF_UNIX) as live:
        live.bind(path)
        live.listen(0)
        while True:
            waiting.append(socket.socket(socket.AF_UNIX))
            waiting[-1].setblocking(False)
            try:
                waiting[-1].connect(path)
            except BlockingIOError:
                break
        with pytest.raises(ListenError, match=r"address already in use$"):
            await SYSTEM.listen(f"unix:{path}")
        assert is_socket(path)
        for sock in waiting:
            sock.close()


async def test_a_socket_of_another_kind_is_never_replaced(path: str) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        other.bind(path)
        with pytest.raises(ListenError, match=r"address already in use$"):
            await SYSTEM.listen(f"unix:{path}")
        assert is_socket(path)


@pytest.mark.parametrize("make", [Path.touch, Path.mkdir])
async def test_a_file_that_is_not_a_socket_is_never_replaced(
    path: str, make: Callable[[Path], object]
) -> None:
    make(Path(path))
    with pytest.raises(ListenError, match=r"address already in use$"):
        await SYSTEM.listen(f"unix:{path}")
    assert exists(path)


async def test_the_file_of_another_server_is_left_alone_on_close(path: str) -> None:
    async with listening(f"unix:{path}") as (old,):
        remove(path)
        async with listening(f"unix:{path}"):
            await old.aclose()
            await (await SYSTEM.connect(f"unix:{path}")).aclose()
    assert not exists(path)


async def test_a_missing_directory_is_an_error(path: str) -> None:
    with pytest.raises(ListenError, match=r"no such file or directory$"):
        await SYSTEM.listen(f"unix:{path}/missing/s")


# --- several servers at once ---


def lock_of(path: str) -> Path:
    return Path(f"{path}.lock")


@pytest.mark.parametrize("before", ["stale", "nothing"])
def test_of_many_servers_that_start_at_once_exactly_one_wins(path: str, before: str) -> None:
    # Each runs Trio in a thread of its own: a lock separates threads as it separates processes.
    servers = 8
    started, decided = threading.Barrier(servers), threading.Barrier(servers)
    outcomes: list[str] = []

    async def try_to_listen() -> None:
        started.wait()
        try:
            (listener,) = await SYSTEM.listen(f"unix:{path}")
        except ListenError as error:
            outcomes.append(str(error))
            decided.wait()
            return
        outcomes.append("listening")
        decided.wait()
        await (await SYSTEM.connect(f"unix:{path}")).aclose()
        await listener.aclose()

    for _ in range(25):
        outcomes.clear()
        if before == "stale":
            leave_stale(path)
        threads = [threading.Thread(target=trio.run, args=(try_to_listen,)) for _ in range(servers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(outcomes) == [
            *[f"cannot listen on unix:{path}: address already in use"] * (servers - 1),
            "listening",
        ]
        assert not exists(path)
        assert not lock_of(path).exists()


def test_of_many_processes_on_one_stale_socket_exactly_one_wins(
    path: str, fork_server: ForkServer
) -> None:
    for _ in range(3):
        leave_stale(path)
        programs = [
            fork_server.start(
                "calc", "serve", f"unix:{path}", "--quiet",
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )
            for _ in range(6)
        ]  # fmt: skip
        try:
            deadline = time.monotonic() + 20
            while sum(program.poll() is None for program in programs) > 1:
                assert time.monotonic() < deadline
                time.sleep(0.02)
            (winner,) = [program for program in programs if program.poll() is None]
            with socket.socket(socket.AF_UNIX) as sock:
                while sock.connect_ex(path):
                    assert time.monotonic() < deadline
                    time.sleep(0.02)
            winner.send_signal(signal.SIGTERM)
            winner.wait(10)
            assert sorted(program.poll() or 0 for program in programs) == [0, 1, 1, 1, 1, 1]
        finally:
            for program in programs:
                if program.poll() is None:
                    program.kill()
                program.close()
        assert not exists(path)


async def test_no_lock_is_left_behind_whether_listening_succeeds_or_fails(path: str) -> None:
    async with listening(f"unix:{path}"):
        assert not lock_of(path).exists()
        with pytest.raises(ListenError):
            await SYSTEM.listen(f"unix:{path}")
        assert not lock_of(path).exists()


async def test_the_lock_of_a_dead_server_keeps_nobody_out_and_is_removed(path: str) -> None:
    lock_of(path).touch()
    async with listening(f"unix:{path}"):
        assert not lock_of(path).exists()


async def test_a_users_file_at_the_path_of_the_lock_is_used_and_left_alone(path: str) -> None:
    lock_of(path).write_text("mine")
    async with listening(f"unix:{path}"):
        pass
    assert lock_of(path).read_text() == "mine"


async def test_a_server_waits_for_a_lock_that_is_held(path: str) -> None:
    with lock_of(path).open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        async with trio.open_nursery() as nursery:

            @nursery.start_soon
            async def let_go() -> None:
                await trio.sleep(0.05)
                # Removed first, as a server does it.
                lock_of(path).unlink()
                other.close()

            async with listening(f"unix:{path}"):
                assert other.closed


async def test_a_lock_that_is_held_forever_is_an_error(
    path: str, autojump_clock: trio.testing.MockClock
) -> None:
    with lock_of(path).open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(ListenError, match=r"another server is starting there: it holds "):
            await SYSTEM.listen(f"unix:{path}")
    assert 5 <= trio.current_time() < 6


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda lock: lock.mkdir(), "is a directory"),
        (lambda lock: os.mkfifo(lock), "it is not a regular file"),
        (lambda lock: lock.symlink_to("elsewhere"), "too many levels of symbolic links"),
    ],
    ids=["folder", "pipe", "link"],
)
async def test_a_path_that_cannot_be_a_lock_is_an_error_and_left_alone(
    path: str, make: Callable[[Path], object], why: str
) -> None:
    make(lock_of(path))
    with pytest.raises(ListenError, match=rf"cannot lock {path}\.lock: {why}$"):
        await SYSTEM.listen(f"unix:{path}")
    assert is_something(str(lock_of(path)))
    assert not exists(str(lock_of(path).with_name("elsewhere")))


async def test_nobody_else_can_hold_the_lock(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    modes: list[int] = []
    real = unixsockets._is_socket

    def look(where: str) -> bool:
        modes.append(mode_of(f"{path}.lock"))
        return real(where)

    monkeypatch.setattr(unixsockets, "_is_socket", look)
    async with listening(f"unix:{path}"):
        assert modes == [0o600]


@pytest.mark.parametrize("target", ["stale", "live", "nothing", "file"])
async def test_a_symbolic_link_is_never_replaced(path: str, target: str) -> None:
    link = f"{path}.link"
    link_to(path, link)
    with ExitStack() as stack:
        if target == "stale":
            leave_stale(path)
        elif target == "live":
            live = stack.enter_context(socket.socket(socket.AF_UNIX))
            live.bind(path)
            live.listen()
        elif target == "file":
            touch(path)
        with pytest.raises(ListenError, match=r"a symbolic link is there, which is never .*"):
            await SYSTEM.listen(f"unix:{link}")
    assert is_link(link)
    assert exists(path) == (target != "nothing")


async def test_a_client_may_use_a_symbolic_link(path: str) -> None:
    link = f"{path}.link"
    link_to(path, link)
    async with listening(f"unix:{path}"):
        await (await SYSTEM.connect(f"unix:{link}")).aclose()


# --- names ---

needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has them")


@needs_linux
async def test_an_abstract_socket_has_no_file(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(path).parent)
    name = f"unix:@trionet-{os.getpid()}-ü:1"
    async with listening(name) as (listener,):
        assert listener.address == name
        assert not list(Path.cwd().iterdir())
        with pytest.raises(ListenError, match=r"address already in use$"):
            await SYSTEM.listen(name)
        async with await SYSTEM.connect(name) as client, await listener.accept() as accepted:
            assert isinstance(accepted, SocketStream)
            assert client.peer == accepted.peer == name
            await accepted.send_all(b"hello")
            assert await client.receive_some() == b"hello"
    with pytest.raises(ConnectError, match=r"connection refused$"):
        await SYSTEM.connect(name)


@needs_linux
async def test_an_abstract_socket_has_no_mode_and_says_so() -> None:
    with pytest.raises(ListenError, match="has no mode: everybody may connect"):
        await SystemNetwork(unix_mode=0o600).listen("unix:@trionet-with-a-mode")


async def test_outside_linux_an_abstract_socket_is_an_error_that_says_what_to_write(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    for call, kind in ((SYSTEM.listen, ListenError), (SYSTEM.connect, ConnectError)):
        with pytest.raises(kind, match=r"only Linux has abstract sockets; .* is unix:\./@name$"):
            await call("unix:@name")


async def test_a_file_whose_name_begins_with_an_at_sign_can_be_listened_on(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(Path(path).parent)
    async with listening("unix:./@name") as (listener,):
        assert is_socket(str(Path(path).parent / "@name"))
        assert listener.address == "unix:./@name"


@pytest.mark.parametrize("letter", ["a", "ü"])
async def test_a_path_may_have_the_length_that_the_kernel_allows_and_no_more(
    path: str, letter: str
) -> None:
    size = len(letter.encode())
    room = unixsockets.MAX_PATH - len(str(Path(path).parent)) - 1
    longest = str(Path(path).parent / (letter * (room // size) + "x" * (room % size)))
    async with listening(f"unix:{longest}"):
        await (await SYSTEM.connect(f"unix:{longest}")).aclose()
    for call, kind in ((SYSTEM.listen, ListenError), (SYSTEM.connect, ConnectError)):
        told = f"the path has {unixsockets.MAX_PATH + 1} bytes, and a Unix socket's at most "
        with pytest.raises(kind, match=f"{told}{unixsockets.MAX_PATH}$"):
            await call(f"unix:{longest}x")
        if sys.platform == "linux":
            with pytest.raises(kind, match=r"the name has \d+ bytes, and an abstract socket's"):
                await call("unix:@" + letter * unixsockets.MAX_PATH + "x")


# --- the mode ---


def mode_of(path: str) -> int:
    return Path(path).stat().st_mode & 0o777


@pytest.fixture(params=[0o000, 0o022, 0o077])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


@pytest.mark.parametrize("mode", [0o600, 0o660, 0o666])
async def test_the_mode_is_the_requested_one_whatever_the_umask_is(
    path: str, umask: int, mode: int
) -> None:
    network = SystemNetwork(unix_mode=mode)
    async with listening(f"unix:{path}", network=network):
        assert mode_of(path) == mode
        await (await network.connect(f"unix:{path}")).aclose()
    assert not exists(path)


async def test_without_a_mode_the_umask_decides(path: str, umask: int) -> None:
    async with listening(f"unix:{path}"):
        assert mode_of(path) == 0o777 & ~umask


async def test_nobody_can_connect_before_the_mode_is_set(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_mode = unixsockets._set_mode
    tried = 0

    def try_to_connect_first(path: str, mode: int) -> None:
        nonlocal tried
        with socket.socket(socket.AF_UNIX) as sock, pytest.raises(ConnectionRefusedError):
            tried += 1
            sock.connect(path)
        set_mode(path, mode)

    monkeypatch.setattr(unixsockets, "_set_mode", try_to_connect_first)
    async with listening(f"unix:{path}", network=SystemNetwork(unix_mode=0o600)):
        await (await SYSTEM.connect(f"unix:{path}")).aclose()
    assert tried == 1


async def test_a_mode_that_cannot_be_set_is_an_error_and_leaves_no_file_behind(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: str, mode: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(unixsockets, "_set_mode", fail)
    with pytest.raises(ListenError, match=r"operation not permitted$"):
        await SystemNetwork(unix_mode=0o600).listen(f"unix:{path}")
    assert not exists(path)


@pytest.mark.parametrize("mode", [-1, 0o1000, 0o10600])
def test_a_number_that_is_not_a_mode_is_refused_at_once(mode: int) -> None:
    with pytest.raises(ValueError, match="unix_mode"):
        SystemNetwork(unix_mode=mode)
