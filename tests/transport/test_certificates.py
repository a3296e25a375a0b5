"""Certificate files become settings, or one line that says what is wrong with them."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from trionet.errors import TrionetError
from trionet.transport.certificates import client_context, server_context

if TYPE_CHECKING:
    from tests.conftest import Certificates

JUNK_CERTIFICATE = b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
JUNK_KEY = b"-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n"

# A key of 1,024 bits; OpenSSL refuses the certificate before it looks at any key.
WEAK = """\
-----BEGIN CERTIFICATE-----
MIIBkTCB+6ADAgECAgEFMA0GCSqGSIb3DQEBCwUAMA8xDTALBgNVBAMMBHdlYWsw
HhcNMjAwMTAxMDAwMDAwWhcNNDAwMTAxMDAwMDAwWjAPMQ0wCwYDVQQDDAR3ZWFr
MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDEpgAaZkggAxFza+P7WCyFLA60
LRH5C4CxsIK0G7SI4sjoe+a1io9i+KOlivFNNHlrUUX4xNQPRkHQamry4IKRU145
Y3cW54X+gJ6461wXMtJPD7zLSv1fUiX2H/3W3scTa9jGYZsWtdI/o5exJRbiuQzM
6H4INaEnoIL7D3GEpQIDAQABMA0GCSqGSIb3DQEBCwUAA4GBAIf8tXEM+wLgSvf9
AefOw1mt0ehvYLhv8Xqbk7/8sBv5GbJF9FxcYJQeFn4tEqln2kGE6vdSKbxA6jvc
HJaLoTeKiKlQ2zodf4Xzz3dJ0YA1m7WtxQU8qiTj/7yc9eCtpueKwEg2qjp0BCj2
M3pJL8ThztazaBUub4c5jbISXJQp
-----END CERTIFICATE-----
"""


def trouble_with(certificate: Path, key: Path | None) -> str:
    with pytest.raises(TrionetError) as trouble:
        server_context(certificate, key)
    told = str(trouble.value)
    assert len(told.splitlines()) == 1
    return told


def test_both_sides_speak_at_least_tls_1_2(certificates: Certificates) -> None:
    for context in (certificates.server(), certificates.client(), client_context()):
        assert context.minimum_version == ssl.TLSVersion.TLSv1_2


def test_a_client_checks_certificates_and_host_names(certificates: Certificates) -> None:
    for context in (certificates.client(), client_context()):
        assert context.verify_mode == ssl.CERT_REQUIRED
        assert context.check_hostname


def test_a_client_that_is_given_an_authority_trusts_no_other(certificates: Certificates) -> None:
    assert len(certificates.client().get_ca_certs()) == 1


def test_the_key_may_be_in_the_file_of_the_certificate(
    certificates: Certificates, tmp_path: Path
) -> None:
    both = tmp_path / "both.pem"
    both.write_bytes(certificates.key.read_bytes() + certificates.certificate.read_bytes())
    server_context(both)


def test_the_error_names_a_missing_file(certificates: Certificates, tmp_path: Path) -> None:
    missing = tmp_path / "missing.pem"
    told = f"{missing}: no such file or directory"
    assert trouble_with(missing, certificates.key) == told
    assert trouble_with(certificates.certificate, missing) == told
    with pytest.raises(TrionetError) as trouble:
        client_context(missing)
    assert str(trouble.value) == told


def test_the_error_names_a_directory(certificates: Certificates, tmp_path: Path) -> None:
    assert trouble_with(tmp_path, certificates.key) == f"{tmp_path}: is a directory"


def test_a_name_that_would_break_the_line_is_quoted(tmp_path: Path) -> None:
    assert r"a\nb.pem': no such file" in trouble_with(tmp_path / "a\nb.pem", None)
    assert r"a\x00b.pem': not a valid name" in trouble_with(tmp_path / "a\0b.pem", None)


def test_the_error_for_a_key_of_another_certificate_names_both_files(
    certificates: Certificates,
) -> None:
    _, other = certificates.issue("other.example")
    assert trouble_with(certificates.certificate, other) == (
        f"{other}: the private key does not belong to {certificates.certificate}"
    )


@pytest.mark.parametrize("content", [b"", b"\0\xff" * 100, JUNK_CERTIFICATE, JUNK_KEY])
def test_the_error_names_the_file_that_holds_something_else(
    certificates: Certificates, tmp_path: Path, content: bytes
) -> None:
    junk = tmp_path / "junk.pem"
    junk.write_bytes(content)
    assert trouble_with(junk, certificates.key) == f"{junk}: no certificate in PEM format"
    assert trouble_with(certificates.certificate, junk) == f"{junk}: no private key in PEM format"
    with pytest.raises(TrionetError) as trouble:
        client_context(junk)
    assert str(trouble.value) == f"{junk}: no certificate in PEM format"


def test_swapped_files_get_an_error_of_their_own(certificates: Certificates) -> None:
    certificate, key = certificates.certificate, certificates.key
    assert trouble_with(key, certificate) == f"{key}: no certificate in PEM format"


def test_a_certificate_without_its_key_is_an_error(certificates: Certificates) -> None:
    certificate = certificates.certificate
    assert trouble_with(certificate, None) == f"{certificate}: no private key in PEM format"


def test_a_key_with_a_password_is_an_error_and_nobody_is_asked_for_it(
    certificates: Certificates, tmp_path: Path
) -> None:
    # An old format, but it needs no further tools: the header alone makes OpenSSL ask.
    locked = tmp_path / "locked.pem"
    locked.write_text(
        "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n"
        "DEK-Info: AES-128-CBC,00112233445566778899AABBCCDDEEFF\n\n"
        "AAAAAAAAAAAAAAAAAAAAAA==\n-----END RSA PRIVATE KEY-----\n"
    )
    assert trouble_with(certificates.certificate, locked) == (
        f"{locked}: the private key is encrypted; give it without password"
    )


def test_a_certificate_that_is_too_weak_for_openssl_is_an_error_in_its_words(
    tmp_path: Path,
) -> None:
    weak = tmp_path / "weak.pem"
    weak.write_text(WEAK)
    assert trouble_with(weak, None) == f"{weak}: ee key too small"
