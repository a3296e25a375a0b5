"""A chat whose Redis speaks TLS, with a certificate of the operator's own authority."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from free_port import free_port
from redis_server import RedisServer, need_redis

# Seconds for what takes one, even on a loaded machine.
PATIENCE = 60


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    need_redis()
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    certificate.private_key_and_cert_chain_pem.write_to_path(tmp_path / "redis.pem")
    port = free_port()
    settings = (
        *("--tls-port", str(port), "--tls-auth-clients", "no"),
        *("--tls-cert-file", str(tmp_path / "redis.pem")),
        *("--tls-key-file", str(tmp_path / "redis.pem")),
        *("--tls-ca-cert-file", str(tmp_path / "ca.pem")),
    )
    with RedisServer(tmp_path / "redis", *settings):
        yield f"rediss://localhost:{port}/0"


def environment(folder: Path) -> dict[str, str]:
    return {**os.environ, "SSL_CERT_FILE": str(folder / "ca.pem")}


def chat(*arguments: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "trionet", "chat", *arguments]
    return subprocess.run(
        command, capture_output=True, check=False, env=env, text=True, timeout=PATIENCE
    )


def test_nodes_trust_the_authority_that_openssl_is_told_of(url: str, tmp_path: Path) -> None:
    env = environment(tmp_path)
    command = [sys.executable, "-m", "trionet", "chat", "serve", "127.0.0.1:0", "--quiet"]
    with subprocess.Popen(
        [*command, "--redis", url, "--redis-wait", "30"],
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
    ) as node:
        try:
            assert node.stdout is not None
            address = node.stdout.readline().decode().removeprefix("listening on ").strip()
            sent = subprocess.run(
                [sys.executable, "-m", "trionet", "chat", "send", address, "--name", "Ann"],
                input="over TLS\n",
                capture_output=True,
                check=False,
                text=True,
                timeout=PATIENCE,
            )
            assert sent.returncode == 0, sent.stderr
            report = chat("cluster", url, env=env)
            assert report.returncode == 0
            assert "entries" in report.stdout
        finally:
            node.terminate()
    assert node.returncode == 0


@pytest.mark.parametrize("command", ["serve", "cluster"])
def test_a_certificate_that_is_not_trusted_is_named(command: str, url: str) -> None:
    options = ["127.0.0.1:0", "--redis", url, "--redis-wait", "20"]
    ended = chat("serve", *options) if command == "serve" else chat("cluster", url)
    place = url.removeprefix("rediss://").removesuffix("/0")
    assert ended.returncode == 1
    assert ended.stderr.startswith(f"error: Redis at {place} shows a certificate that")
    assert "self-signed certificate in certificate chain" in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_a_certificate_of_another_host_is_named(url: str, tmp_path: Path) -> None:
    ended = chat("cluster", url.replace("localhost", "127.0.0.1"), env=environment(tmp_path))
    assert ended.returncode == 1
    assert "shows a certificate that cannot be trusted: IP address mismatch" in ended.stderr
