"""Clients that show a certificate, and servers that want one."""

from __future__ import annotations

import datetime
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trustme

from trionet import Connection, Server, Service, SystemNetwork, serve
from trionet.calc import Client
from trionet.connection.input_end import InputEnd
from trionet.connection.linestream import LineStream
from trionet.errors import ListenError, TrionetError
from trionet.events import Refused, ServerEvent

if TYPE_CHECKING:
    from tests.conftest import Certificates


class Own:
    """Another authority, and certificates of clients from it."""

    def __init__(self, folder: Path) -> None:
        self.ca = folder / "client-ca.pem"
        authority = trustme.CA()
        authority.cert_pem.write_to_path(self.ca)
        self.ann = folder / "ann.pem"
        authority.issue_cert("ann@example.org").private_key_and_cert_chain_pem.write_to_path(
            self.ann
        )
        self.eve = folder / "eve.pem"
        trustme.CA().issue_cert("eve@example.org").private_key_and_cert_chain_pem.write_to_path(
            self.eve
        )


@pytest.fixture
def own(tmp_path: Path) -> Own:
    return Own(tmp_path)


async def shout(connection: Connection) -> None:
    async for line in connection.lines:
        await connection.send(line.upper())


@asynccontextmanager
async def serving(
    network: SystemNetwork, address: str = "tls:127.0.0.1:0"
) -> AsyncIterator[tuple[str, list[ServerEvent]]]:
    events: list[ServerEvent] = []
    async with trio.open_nursery() as nursery:

        async def run(*, task_status: trio.TaskStatus[Any]) -> None:
            await serve(
                shout, address, network=network, on_event=events.append, task_status=task_status
            )

        server = await nursery.start(run)
        yield server.addresses[0], events
        nursery.cancel_scope.cancel()


def asking(certificates: Certificates, own: Own) -> SystemNetwork:
    return SystemNetwork(
        certificate=certificates.certificate, private_key=certificates.key, client_ca=own.ca
    )


@pytest.mark.parametrize("scheme", ["tls", "web:tls"])
async def test_a_client_with_a_certificate_of_the_authority_is_served(
    certificates: Certificates, own: Own, scheme: str
) -> None:
    network = SystemNetwork(ca=certificates.ca, client_certificate=own.ann)
    async with (
        serving(asking(certificates, own), f"{scheme}:127.0.0.1:0") as (address, _),
        await network.connect(address) as stream,
    ):
        lines = LineStream(stream)
        await lines.send("hello")
        assert await anext(lines) == "HELLO"


@pytest.mark.parametrize(
    ("who", "end", "reason"),
    [
        ("nobody", InputEnd.UNCERTIFIED, "no handshake: the other side showed no certificate"),
        ("eve", InputEnd.UNTRUSTED, "no handshake: certificate verify failed: "),
    ],
)
async def test_any_other_client_is_refused_and_both_sides_know_why(
    certificates: Certificates, own: Own, who: str, end: InputEnd, reason: str
) -> None:
    shown = own.eve if who == "eve" else None
    network = SystemNetwork(ca=certificates.ca, client_certificate=shown)
    async with serving(asking(certificates, own)) as (address, events):
        async with await network.connect(address) as stream:
            lines = LineStream(stream)
            with pytest.raises(StopAsyncIteration):
                await anext(lines)
            assert lines.end is end
            assert lines.end.peer_has_ended
        while not events:
            await trio.lowlevel.checkpoint()
        (refused,) = events
        assert isinstance(refused, Refused)
        assert refused.reason.startswith(reason)


async def test_the_client_of_the_calculator_says_what_the_server_wants(
    certificates: Certificates, own: Own
) -> None:
    network = SystemNetwork(ca=certificates.ca)
    async with serving(asking(certificates, own)) as (address, _):
        with pytest.raises(TrionetError, match="the server requires a certificate from its client"):
            async with Client(address, name="Ann", network=network) as client:
                await client("1 + 1")


async def test_a_reload_reads_the_authority_of_the_clients_again(
    certificates: Certificates, own: Own, tmp_path: Path
) -> None:
    network = asking(certificates, own)
    client = SystemNetwork(ca=certificates.ca, client_certificate=own.ann)
    async with serving(network) as (address, _):
        good = own.ca.read_bytes()
        own.ca.write_bytes(b"half a file")
        with pytest.raises(TrionetError, match=r"client-ca.pem: no certificate in PEM format"):
            network.reload()
        own.ca.write_bytes(good)
        assert network.reload()
        async with await client.connect(address) as stream:
            lines = LineStream(stream)
            await lines.send("hello")
            assert await anext(lines) == "HELLO"


@pytest.mark.parametrize("content", [None, b"junk"])
async def test_an_authority_that_cannot_be_used_is_an_error(
    certificates: Certificates, own: Own, content: bytes | None
) -> None:
    if content is None:
        own.ca.unlink()
    else:
        own.ca.write_bytes(content)
    with pytest.raises(ListenError, match=r"client-ca\.pem: "):
        await asking(certificates, own).listen("tls:127.0.0.1:0")


def test_what_has_no_certificate_to_go_with_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="client_ca needs the certificate of the server"):
        SystemNetwork(client_ca="ca.pem")
    with pytest.raises(ValueError, match="private key needs its certificate"):
        SystemNetwork(client_key="key.pem")


def test_a_service_takes_the_authority_of_its_clients(certificates: Certificates, own: Own) -> None:
    service = Service(
        shout, "tls:localhost:0",
        certificate=certificates.certificate, key=certificates.key, client_ca=own.ca,
    )  # fmt: skip
    assert "client_ca=" in repr(service.network)


# --- certificates that expire ---


def expiring(certificates: Certificates, days: float) -> SystemNetwork:
    moment = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=days)
    certificate, key = certificates.issue("127.0.0.1", not_after=moment)
    return SystemNetwork(certificate=certificate, private_key=key)


async def test_a_certificate_that_expires_soon_is_told_once_at_the_start_and_at_each_reload(
    certificates: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    network = expiring(certificates, 9.9)
    assert network.certificate_expiry() is None
    listeners = [*await network.listen("tls:127.0.0.1:0"), *await network.listen("tls:[::1]:0")]
    expiry = network.certificate_expiry()
    assert expiry is not None
    assert 9 * 86400 < expiry - datetime.datetime.now(datetime.UTC).timestamp() < 10 * 86400
    for count in 1, 2:
        told = [record.getMessage() for record in caplog.records]
        assert len(told) == count
        assert told[-1].startswith("certificate ")
        assert told[-1].endswith(".pem expires in 10 days")
        assert {record.levelno for record in caplog.records} == {logging.WARNING}
        assert {record.__dict__["event"] for record in caplog.records} == {"certificate"}
        network.reload()
    for listener in listeners:
        await listener.aclose()


async def test_a_certificate_that_has_expired_is_told(
    certificates: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    network = expiring(certificates, -3)
    (listener,) = await network.listen("tls:127.0.0.1:0")
    assert caplog.records[-1].getMessage().endswith(".pem has expired: 3 days ago")
    await listener.aclose()


async def test_the_time_of_the_certificate_is_a_metric(
    certificates: Certificates, tmp_path: Path
) -> None:
    name = "trionet_certificate_expires_timestamp_seconds"
    network = expiring(certificates, 30)
    async with trio.open_nursery() as nursery:
        for address in "tls:127.0.0.1:0", "127.0.0.1:0":
            own_network = network if address.startswith("tls") else SystemNetwork()
            server: Server = await nursery.start(
                partial(serve, shout, address, network=own_network)
            )
            told = [reading for reading in server.metrics.read() if reading.name == name]
            if own_network is network:
                (reading,) = told
                assert reading.values == {"": network.certificate_expiry()}
            else:
                assert told == []
        nursery.cancel_scope.cancel()


async def test_a_certificate_that_is_good_for_long_is_not_told(
    certificates: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    network = expiring(certificates, 90)
    (listener,) = await network.listen("tls:127.0.0.1:0")
    assert not caplog.records
    await listener.aclose()


async def test_a_reload_that_fails_keeps_the_time_of_the_old_certificate(
    certificates: Certificates, tmp_path: Path
) -> None:
    file = tmp_path / "pair.pem"
    file.write_bytes(certificates.certificate.read_bytes() + certificates.key.read_bytes())
    network = SystemNetwork(certificate=file)
    (listener,) = await network.listen("tls:127.0.0.1:0")
    expiry = network.certificate_expiry()
    file.write_text("half a file")
    with pytest.raises(TrionetError):
        network.reload()
    assert network.certificate_expiry() == expiry is not None
    await listener.aclose()
