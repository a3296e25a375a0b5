"""The TLS protocol between two buffers, without a network."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import pytest

from trionet.transport.tlsengine import RECORD_SIZE, TLSEngine, reason_of

if TYPE_CHECKING:
    from tests.conftest import Certificates


def make(certificates: Certificates) -> tuple[TLSEngine, TLSEngine]:
    return (
        TLSEngine(certificates.client(), server_side=False, server_hostname="localhost"),
        TLSEngine(certificates.server(), server_side=True, server_hostname=None),
    )


def shake_hands(client: TLSEngine, server: TLSEngine) -> None:
    while not (client.secured and server.secured):
        for one, other in ((client, server), (server, client)):
            one.shake_hands()
            assert one.broken is None
            if output := one.take_output():
                other.feed(output)
    assert not client.take_output()
    # No tickets: a client that closes with unread tickets would reset the connection.
    assert not server.take_output()


@pytest.fixture
def engines(certificates: Certificates) -> tuple[TLSEngine, TLSEngine]:
    client, server = make(certificates)
    shake_hands(client, server)
    return client, server


def test_a_handshake_byte_by_byte(certificates: Certificates) -> None:
    client, server = make(certificates)
    while not (client.secured and server.secured):
        for one, other in ((client, server), (server, client)):
            one.shake_hands()
            for byte in one.take_output():
                other.feed(bytes([byte]))
                other.shake_hands()
                assert other.broken is None


def test_all_input_is_decrypted_at_once_up_to_the_limit(
    engines: tuple[TLSEngine, TLSEngine],
) -> None:
    client, server = engines
    for letter in (b"a", b"b", b"c"):
        client.encrypt(letter * RECORD_SIZE)
    server.feed(client.take_output())
    assert server.decrypt(RECORD_SIZE + 1) == b"a" * RECORD_SIZE + b"b"
    assert len(server.decrypt(10 * RECORD_SIZE)) == 2 * RECORD_SIZE - 1
    assert server.decrypt(1) == b""
    assert not server.input_ended


def test_text_before_the_end_is_returned_with_it(
    engines: tuple[TLSEngine, TLSEngine],
) -> None:
    client, server = engines
    client.encrypt(b"bye")
    client.close_notify()
    server.feed(client.take_output())
    assert server.decrypt(100) == b"bye"
    assert server.decrypt(100) == b""
    assert server.input_ended
    assert server.broken is None
    # An answer is still possible.
    server.encrypt(b"answer")
    server.close_notify()
    client.feed(server.take_output())
    assert client.decrypt(100) == b"answer"
    assert client.decrypt(100) == b""
    assert client.input_ended


def test_input_after_the_end_is_ignored(engines: tuple[TLSEngine, TLSEngine]) -> None:
    client, server = engines
    client.close_notify()
    server.feed(client.take_output())
    assert server.decrypt(100) == b""
    server.feed(b"nonsense")
    assert server.decrypt(100) == b""
    assert server.broken is None


def test_a_record_that_was_changed_in_transit_breaks_it_and_makes_an_alert(
    engines: tuple[TLSEngine, TLSEngine],
) -> None:
    client, server = engines
    client.encrypt(b"12 + 42\n")
    record = bytearray(client.take_output())
    record[-1] ^= 1
    server.feed(bytes(record))
    assert server.decrypt(100) == b""
    assert server.broken is not None
    client.feed(server.take_output())
    assert client.decrypt(100) == b""
    assert client.broken is not None
    assert "alert" in client.broken


def test_a_reason_is_a_few_words() -> None:
    assert reason_of(ssl.SSLError(1, "something odd")) == "something odd"
