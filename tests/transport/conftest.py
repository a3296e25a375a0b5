"""Fixtures for all kinds of streams."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import Certificates

from tls_pairs import VERSIONS, Pairs


@pytest.fixture(params=VERSIONS, ids=["TLS 1.2", "TLS 1.3"])
def pairs(certificates: Certificates, request: pytest.FixtureRequest) -> Pairs:
    return Pairs(certificates, request.param)


@pytest.fixture
def newest(certificates: Certificates) -> Pairs:
    return Pairs(certificates, ssl.TLSVersion.TLSv1_3)
