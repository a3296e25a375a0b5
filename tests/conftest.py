"""Fixtures for all tests: certificates, a fork server, and a short path for sockets."""

from __future__ import annotations

import datetime
import ssl
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from hypothesis import settings

from failed_tests import pytest_runtest_protocol as pytest_runtest_protocol
from forkserver import ForkServer
from trionet.transport.certificates import client_context, server_context
from workers import pytest_cmdline_main as pytest_cmdline_main

# Without hypothesis's deadline of 0.2 s for each example: on a busy machine it fails at random.
settings.register_profile("trionet", deadline=None)
settings.load_profile("trionet")


class Certificates:
    """A certificate authority, the certificates it issues as files, and TLS settings from them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = trustme.CA()
        self.ca = folder / "ca.pem"
        self.authority.cert_pem.write_to_path(str(self.ca))
        self._issued = 0
        self.certificate, self.key = self.issue("localhost", "127.0.0.1", "::1")

    def issue(self, *names: str, not_after: datetime.datetime | None = None) -> tuple[Path, Path]:
        """Return the files of a new certificate and its key."""
        self._issued += 1
        issued = self.authority.issue_cert(*names, not_after=not_after)
        certificate = self.folder / f"certificate{self._issued}.pem"
        key = self.folder / f"key{self._issued}.pem"
        certificate.write_bytes(b"".join(pem.bytes() for pem in issued.cert_chain_pems))
        issued.private_key_pem.write_to_path(str(key))
        return certificate, key

    def server(self) -> ssl.SSLContext:
        return server_context(self.certificate, self.key)

    def client(self) -> ssl.SSLContext:
        return client_context(self.ca)


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="session")
def fork_server() -> Iterator[ForkServer]:
    """Starts the program fast. A test must end what it starts."""
    server = ForkServer()
    yield server
    server.close()


@pytest.fixture
def path() -> Iterator[str]:
    """A path for a Unix socket."""
    # Not tmp_path: its names are too long for a socket on some systems.
    with tempfile.TemporaryDirectory() as folder:
        yield str(Path(folder) / "s")
