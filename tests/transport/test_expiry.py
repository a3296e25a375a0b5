"""Until when a certificate is good, read from certificates of every kind."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from trionet.transport.expiry import DAY, days_until, expiry_of, warning_of

if TYPE_CHECKING:
    from tests.conftest import Certificates

UTC = datetime.UTC


@pytest.mark.parametrize(
    "moment",
    [
        datetime.datetime(2026, 12, 3, 4, 5, 6, tzinfo=UTC),
        datetime.datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC),
        # From 2050 on the year has four digits.
        datetime.datetime(2050, 1, 1, tzinfo=UTC),
        datetime.datetime(2199, 2, 28, 12, tzinfo=UTC),
        datetime.datetime(2001, 9, 9, 1, 46, 40, tzinfo=UTC),
    ],
    ids=str,
)
@pytest.mark.parametrize("kind", [trustme.KeyType.RSA, trustme.KeyType.ECDSA])
def test_a_certificate_says_until_when_it_is_good(
    moment: datetime.datetime, kind: trustme.KeyType
) -> None:
    issued = trustme.CA().issue_cert(
        "localhost",
        not_before=datetime.datetime(2000, 1, 1, tzinfo=UTC),
        not_after=moment,
        key_type=kind,
    )
    assert expiry_of(issued.cert_chain_pems[0].bytes()) == moment.timestamp()
    # The key may come first.
    assert expiry_of(issued.private_key_and_cert_chain_pem.bytes()) == moment.timestamp()


def test_the_first_certificate_of_a_chain_counts(certificates: Certificates) -> None:
    soon = datetime.datetime(2027, 1, 1, tzinfo=UTC)
    certificate, _ = certificates.issue("localhost", not_after=soon)
    chain = certificate.read_bytes() + certificates.ca.read_bytes()
    assert expiry_of(chain) == soon.timestamp()


@given(st.binary(max_size=300))
def test_what_is_no_certificate_says_nothing(data: bytes) -> None:
    assert expiry_of(data) is None
    pem = b"-----BEGIN CERTIFICATE-----\n" + data + b"\n-----END CERTIFICATE-----\n"
    assert expiry_of(pem) is None


def test_half_a_certificate_says_nothing(certificates: Certificates) -> None:
    lines = certificates.certificate.read_bytes().splitlines(keepends=True)
    half = b"".join([*lines[:4], b"-----END CERTIFICATE-----\n"])
    assert expiry_of(half) is None


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (14 * DAY + 1, None),
        (90 * DAY, None),
        (14 * DAY, "certificate c.pem expires in 14 days"),
        (5 * DAY - 60, "certificate c.pem expires in 5 days"),
        (DAY, "certificate c.pem expires in 1 day"),
        (60, "certificate c.pem expires in 0 days"),
        (0, "certificate c.pem has expired: 0 days ago"),
        (-3 * DAY, "certificate c.pem has expired: 3 days ago"),
    ],
)
def test_a_certificate_is_told_when_it_has_two_weeks_left_or_less(
    seconds: float, told: str | None
) -> None:
    assert warning_of("c.pem", 1e9 + seconds, 1e9) == told
    assert days_until(1e9 + seconds, 1e9) == round(seconds / DAY)
