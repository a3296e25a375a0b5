"""Encrypted addresses and the mode of Unix sockets on the command line."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trustme
from typer.testing import CliRunner

from trionet.cli.main import app

if TYPE_CHECKING:
    from tests.cli.conftest import Programs


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ca.pem, cert.pem and key.pem."""
    folder = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1", "localhost")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    certificate.private_key_pem.write_to_path(folder / "key.pem")
    for number, pem in enumerate(certificate.cert_chain_pems):
        pem.write_to_path(folder / "cert.pem", append=number > 0)
    return folder


async def test_both_services_speak_tls_and_plain_text_at_once(
    programs: Programs, files: Path
) -> None:
    keys = ("--tls-cert", str(files / "cert.pem"), "--tls-key", str(files / "key.pem"))
    server = await programs.start("calc", "serve", "tls:127.0.0.1:0", "127.0.0.1:0", *keys)
    encrypted, plain = await server.address(), await server.address()
    assert encrypted.startswith("tls:127.0.0.1:")
    assert plain.startswith("127.0.0.1:")
    for address in (encrypted, plain):
        ann = await programs.start(
            "calc", "connect", address, "--name", "ann", "--ca", str(files / "ca.pem")
        )
        await ann.type("12 + 42\n")
        await ann.end_input()
        await ann.expect("54", "Session ended")
        await ann.expect_end()
        await server.expect("ann connected", "ann: 12 + 42 = 54", "Session ended")

    room = await programs.start("chat", "serve", "tls:127.0.0.1:0", *keys)
    address = await room.address()
    bob = await programs.start(
        "chat", "join", address, "--name", "Bob", "--ca", str(files / "ca.pem")
    )
    await bob.expect("*** welcome, Bob (1 here: Bob)")
    await bob.end_input()
    await bob.expect_end()
    await room.expect("*** Bob joined (1 here)", "*** Bob left (0 here)", "*** server is closing")
    await room.expect_end()


async def test_a_client_that_does_not_trust_the_certificate_says_so(
    programs: Programs, files: Path
) -> None:
    keys = ("--tls-cert", str(files / "cert.pem"), "--tls-key", str(files / "key.pem"))
    server = await programs.start("chat", "serve", "tls:127.0.0.1:0", *keys)
    address = await server.address()
    ann = await programs.start("chat", "join", address, "--name", "Ann")
    await ann.expect_error(
        f"error: cannot connect to {address}: certificate verify failed: "
        "unable to get local issuer certificate"
    )
    await ann.expect_end(1)


def usage_error(*arguments: str) -> str:
    result = CliRunner().invoke(app, arguments, env={"TERM": "dumb", "COLUMNS": "200"})
    assert result.exit_code == 2, result.output
    return " ".join(result.stderr.split())


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--tls-cert", "c.pem"), "--tls-key: it is required together with --tls-cert"),
        (("--tls-key", "k.pem"), "--tls-cert: it is required together with --tls-key"),
        ((), "--tls-cert/--tls-key: they are required for a tls: address"),
        (("--unix-mode", "rw"), "--unix-mode: it must be a number from 0 to 777"),
    ],
)
@pytest.mark.parametrize("service", ["calc", "chat"])
def test_options_that_do_not_go_together_are_a_usage_error(
    service: str, options: tuple[str, ...], reason: str
) -> None:
    extra = ("--tls-cert", "c", "--tls-key", "k") if "--unix-mode" in options else ()
    assert reason in usage_error(service, "serve", "tls:localhost:0", *options, *extra)


def test_a_certificate_without_a_tls_address_is_a_usage_error() -> None:
    options = ("--tls-cert", "c.pem", "--tls-key", "k.pem")
    assert "no tls: address to use it for" in usage_error("calc", "serve", "localhost:0", *options)


def test_an_authority_for_clients_without_a_tls_address_is_a_usage_error() -> None:
    told = usage_error("calc", "serve", "localhost:0", "--tls-client-ca", "ca.pem")
    assert "--tls-client-ca: there is no tls: address to use it for" in told


@pytest.mark.parametrize("command", ["calc connect", "chat join", "chat send", "chat tail"])
def test_a_clients_key_without_its_certificate_is_a_usage_error(command: str) -> None:
    options = ("--name", "x", "--tls-client-key", "k.pem")
    told = usage_error(*command.split(), "tls:localhost:1", *options)
    assert "--tls-client-cert: it is required together with --tls-client-key" in told
    told = usage_error("health", "tls:localhost:1", "--tls-client-key", "k.pem")
    assert "--tls-client-cert: it is required together with --tls-client-key" in told


async def test_a_server_may_require_a_certificate_of_its_clients(
    programs: Programs, files: Path, tmp_path: Path
) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    own = tmp_path / "ann.pem"
    authority.issue_cert("ann@example.org").private_key_and_cert_chain_pem.write_to_path(own)
    keys = ("--tls-cert", str(files / "cert.pem"), "--tls-key", str(files / "key.pem"))
    ca = ("--tls-client-ca", str(tmp_path / "ca.pem"))
    server = await programs.start("chat", "serve", "tls:127.0.0.1:0", *keys, *ca)
    address = await server.address()
    join = ("chat", "join", address, "--name", "Ann", "--ca", str(files / "ca.pem"))
    stranger = await programs.start(*join)
    await stranger.expect_error("error: the server requires a certificate from its clients")
    await stranger.expect_end(1)
    health = ("health", address, "--ca", str(files / "ca.pem"))
    stranger = await programs.start(*health)
    await stranger.expect_error(
        f"error: {address}: the server requires a certificate from its clients"
    )
    await stranger.expect_end(1)
    await (await programs.start(*health, "--tls-client-cert", str(own))).expect_end(0)
    ann = await programs.start(*join, "--tls-client-cert", str(own))
    await ann.expect("*** welcome, Ann (1 here: Ann)")
    await ann.end_input()
    await ann.expect_end()


def test_there_is_no_port_0_to_connect_to_with_tls_either() -> None:
    assert "no port 0" in usage_error("chat", "join", "tls:localhost:0", "--name", "x")


async def test_a_unix_socket_has_the_mode_that_was_asked_for(
    programs: Programs, tmp_path: Path
) -> None:
    path = tmp_path / "room"
    server = await programs.start("chat", "serve", f"unix:{path}", "--unix-mode", "600")
    assert await server.address() == f"unix:{path}"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_a_server_with_tls_is_asked_how_it_is(programs: Programs, files: Path) -> None:
    keys = ("--tls-cert", str(files / "cert.pem"), "--tls-key", str(files / "key.pem"))
    server = await programs.start(
        "chat", "serve", "tls:127.0.0.1:0", "--web", "127.0.0.1:0", *keys, "--forever"
    )
    address, page = await server.address(), await server.address()
    assert page.startswith("https://")
    trusting = ("--ca", str(files / "ca.pem"))
    for where in (address, f"{page}/healthz", page):
        await (await programs.start("health", where, *trusting)).expect_end(0)
    other = await programs.start("health", address)
    await other.expect_error(
        f"error: cannot connect to {address}: certificate verify failed: "
        "unable to get local issuer certificate"
    )
    await other.expect_end(1)
    # Whatever speaks no TLS is not well.
    plain = await programs.start("calc", "serve", "127.0.0.1:0")
    where = f"tls:{await plain.address()}"
    asked = await programs.start("health", where, *trusting, "--timeout", "2")
    assert (await asked.err.line()).startswith("error: ")
    await asked.expect_end(1)
