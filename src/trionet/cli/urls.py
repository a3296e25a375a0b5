"""Read the URL of a server that answers over HTTP. No I/O."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import urlsplit

_PORTS = {"http": 80, "https": 443}


class BadURL(Exception):
    """A URL that cannot be asked; the message says why, in one line."""


class URL(NamedTuple):
    """Where to ask, and for what.

    Attributes:
        address: where to connect, as `trionet.parse_address` reads it.
        host: what to call the server.
        target: what to ask for.
    """

    address: str
    host: str
    target: str


def is_url(text: str) -> bool:
    """Tell whether a text is meant as a URL."""
    return "://" in text


def parse_url(text: str) -> URL:
    """Read a URL, such as ``http://localhost:9100/healthz``.

    Raises:
        BadURL: it cannot be read, or there is nobody to ask.
    """
    if not text.isascii() or not text.isprintable() or " " in text:
        raise BadURL(f"{text!r}: a URL has neither spaces nor other than ASCII characters")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise BadURL(f"{text!r}: {str(error).lower()}") from None
    scheme = parts.scheme.lower()
    if scheme not in _PORTS:
        raise BadURL(f"{text!r}: a URL begins with http:// or https://")
    if not parts.hostname or parts.username is not None or port == 0:
        raise BadURL(f"{text!r}: write http://HOST:PORT/healthz")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    where = f"{host}:{port or _PORTS[scheme]}"
    query = f"?{parts.query}" if parts.query else ""
    return URL(
        address=f"tls:{where}" if scheme == "https" else where,
        host=host if port is None else f"{host}:{port}",
        target=(parts.path or "/") + query,
    )
