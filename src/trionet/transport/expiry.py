"""Until when a certificate is good, read from the certificate itself. Pure.

The ssl module tells this only of certificates that a peer has shown, and a server does not connect
to itself. So the few fields in front of it are passed over here (RFC 5280, 4.1).
"""

from __future__ import annotations

import binascii
import calendar
import re
from dataclasses import dataclass

DAY = 24 * 3600

# With no more than this left, a certificate is worth a warning: programs that renew certificates do
# so a month before the end.
WARNING_DAYS = 14

_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----(.+?)-----END CERTIFICATE-----", re.DOTALL)

# The tags of DER that are looked at.
_VERSION, _UTC_TIME = 0xA0, 0x17

# The year of a UTCTime has two digits: 50 is 1950 (RFC 5280, 4.1.2.5.1).
_PIVOT = 50


def expiry_of(pem: bytes) -> float | None:
    """Return when the first certificate in a file in PEM format expires, in Unix time.

    Args:
        pem: what is in the file.

    Returns:
        The time in seconds; ``None``: there is no certificate that can be read.
    """
    match = _PEM.search(pem)
    if match is None:
        return None
    try:
        return _not_after(binascii.a2b_base64(match[1]))
    except (ValueError, IndexError):
        return None


def days_until(expiry: float, now: float) -> int:
    """Return how many days a certificate has left, to the nearest; negative: it has expired."""
    return round((expiry - now) / DAY)


def warning_of(name: str, expiry: float, now: float) -> str | None:
    """Return what an operator is told of a certificate that expires soon; ``None``: it does not.

    Args:
        name: its file.
        expiry: when it expires, in Unix time.
        now: the time.
    """
    days = days_until(expiry, now)
    if expiry <= now:
        return f"certificate {name} has expired: {_count(-days)} ago"
    if expiry - now > WARNING_DAYS * DAY:
        return None
    return f"certificate {name} expires in {_count(days)}"


def _count(days: int) -> str:
    return f"{days} day{'' if days == 1 else 's'}"


@dataclass(frozen=True, slots=True)
class _Field:
    tag: int
    begin: int
    end: int


def _field(der: bytes, at: int) -> _Field:
    """Return the field of DER that begins at a place."""
    tag, size, begin = der[at], der[at + 1], at + 2
    if size & 0x80:
        length = size & 0x7F
        size = int.from_bytes(der[begin : begin + length], "big")
        begin += length
    if begin + size > len(der):
        raise ValueError
    return _Field(tag, begin, begin + size)


def _not_after(der: bytes) -> float:
    certificate = _field(der, 0)
    signed = _field(der, certificate.begin)
    field = _field(der, signed.begin)
    if field.tag == _VERSION:
        field = _field(der, field.end)
    # From the serial number over the algorithm and the issuer to the validity.
    for _ in range(3):
        field = _field(der, field.end)
    not_before = _field(der, field.begin)
    not_after = _field(der, not_before.end)
    text = der[not_after.begin : not_after.end].decode("ascii")
    if not_after.tag == _UTC_TIME:
        text = ("19" if int(text[:2]) >= _PIVOT else "20") + text
    if not re.fullmatch("[0-9]{14}Z", text):
        raise ValueError
    year, *rest = (int(part) for part in re.findall("^....|..", text[:14]))
    return calendar.timegm((year, *rest))
