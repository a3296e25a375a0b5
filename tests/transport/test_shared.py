"""Addresses that several processes serve: who gets the connections, and whose the port is."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from trionet.errors import ListenError
from trionet.transport.network import SystemNetwork
from trionet.transport.shared import WorkerNetwork, share_address


async def test_a_port_0_is_the_same_for_all_and_stays(tmp_path: Path) -> None:
    shared = await share_address("localhost:0")
    first, second = shared.open(), shared.open()
    ports = {sock.getsockname()[1] for sock in (*first, *second)}
    assert len(ports) == 1
    port = ports.pop()
    assert shared.shown == (f"127.0.0.1:{port}", f"[::1]:{port}")
    for sock in (*first, *second):
        sock.close()
    # Nobody listens, and yet nobody else gets the port.
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), 5)
    for sock in shared.open():
        sock.close()
    await shared.aclose()


async def test_another_server_that_shares_its_ports_is_not_joined() -> None:
    shared = await share_address("127.0.0.1:0")
    (sock,) = shared.open()
    with sock:
        with pytest.raises(ListenError, match="address already in use"):
            await share_address(shared.shown[0])
        with pytest.raises(ListenError, match="address already in use"):
            await SystemNetwork().listen(shared.shown[0])
    await shared.aclose()


@pytest.mark.parametrize("scheme", ["tls:", "web:", "web:tls:"])
async def test_what_is_shown_has_the_scheme_and_the_port(scheme: str) -> None:
    shared = await share_address(f"{scheme}127.0.0.1:0")
    (sock,) = shared.open()
    assert shared.shown == (f"{scheme}127.0.0.1:{sock.getsockname()[1]}",)
    sock.close()
    await shared.aclose()


async def test_a_unix_socket_is_one_for_all_and_its_file_goes_with_the_parent(
    tmp_path: Path,
) -> None:
    path = tmp_path / "room"
    shared = await share_address(f"unix:{path}", unix_mode=0o600)
    assert shared.shown == (f"unix:{path}",)
    assert path.stat().st_mode & 0o777 == 0o600
    (one,), (other,) = shared.open(), shared.open()
    assert one.getsockname() == other.getsockname() == str(path)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        other.accept()[0].close()
    await shared.aclose()
    assert not path.exists()
    one.close()
    other.close()


async def test_an_address_of_a_kind_that_cannot_be_shared_is_refused_in_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class VsockAddress:
        """A kind of address that a later version may know."""

    monkeypatch.setattr("trionet.transport.shared.parse_address", lambda _text: VsockAddress())
    with pytest.raises(ListenError, match="vsock:1:2: several processes cannot share it"):
        await share_address("vsock:1:2")


async def test_a_worker_listens_on_what_its_parent_has_opened() -> None:
    shared = await share_address("localhost:0")
    again = await share_address("localhost:0")
    network = WorkerNetwork({"localhost:0": [shared.open(), again.open()]})
    listeners = [await network.listen("localhost:0") for _ in range(2)]
    assert [[listener.address for listener in each] for each in listeners] == [
        [*shared.shown],
        [*again.shown],
    ]
    with pytest.raises(ListenError, match="the parent process does not serve there"):
        await network.listen("localhost:0")
    for listener in (one for each in listeners for one in each):
        await listener.aclose()
    await shared.aclose()
    await again.aclose()
