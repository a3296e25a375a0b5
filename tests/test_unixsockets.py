from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from listening import listening
from trionet import unixsockets
from trionet.errors import ConnectError, ListenError
from trionet.network import SYSTEM, SystemNetwork


def exists(path: str) -> bool:
    return Path(path).exists()


def is_socket(path: str) -> bool:
    return Path(path).is_socket()


def remove(path: str) -> None:
    Path(path).unlink()


def leave_stale(path: str) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(path)
        sock.listen()


async def test_a_unix_socket_is_served_and_its_file_removed_on_close(path: str) -> None:
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


async def test_a_server_that_lives_is_never_replaced(path: str) -> None:
    async with listening(f"unix:{path}"):
        with pytest.raises(ListenError) as refusal:
            await SYSTEM.listen(f"unix:{path}")
        assert str(refusal.value) == f"cannot listen on unix:{path}: address already in use"
        await (await SYSTEM.connect(f"unix:{path}")).aclose()


async def test_a_server_that_lives_but_is_too_busy_to_answer_is_never_replaced(path: str) -> None:
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
async def test_what_is_no_socket_is_never_replaced(
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


async def test_a_folder_that_is_missing_is_told(path: str) -> None:
    with pytest.raises(ListenError, match=r"no such file or directory$"):
        await SYSTEM.listen(f"unix:{path}/missing/s")


# --- the mode ---


def mode_of(path: str) -> int:
    return Path(path).stat().st_mode & 0o777


@pytest.fixture(params=[0o000, 0o022, 0o077])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


@pytest.mark.parametrize("mode", [0o600, 0o660, 0o666])
async def test_the_mode_is_the_one_that_was_asked_for_whatever_the_umask_is(
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


async def test_a_mode_that_cannot_be_set_is_told_and_leaves_no_file_behind(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: str, mode: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(unixsockets, "_set_mode", fail)
    with pytest.raises(ListenError, match=r"operation not permitted$"):
        await SystemNetwork(unix_mode=0o600).listen(f"unix:{path}")
    assert not exists(path)


@pytest.mark.parametrize("mode", [-1, 0o1000, 0o10600])
def test_what_is_no_mode_is_refused_at_once(mode: int) -> None:
    with pytest.raises(ValueError, match="unix_mode"):
        SystemNetwork(unix_mode=mode)
