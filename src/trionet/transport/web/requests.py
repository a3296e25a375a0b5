"""Decide what becomes of a request: an answer, or a WebSocket. No I/O.

| asked for | answered |
|---|---|
| a head that is not HTTP, has a body, or has not exactly one ``Host`` | 400, closed |
| ``/healthz``, whatever the ``Host`` | 200 ``ok``, or 503 while the server drains |
| a ``Host`` that is not this server's | 421 |
| anything but ``GET`` and ``HEAD`` | 405 |
| a file | 200 |
| the WebSocket: from a page of another host | 403 |
| the WebSocket: without an upgrade, or of another version | 426 |
| the WebSocket | 101 |
| anything else | 404 |
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Collection
from dataclasses import dataclass

from trionet.transport.web.answers import encode_answer, encode_file, encode_refusal
from trionet.transport.web.heads import BadHead, Head
from trionet.transport.web.hosts import is_ours, is_same_origin
from trionet.transport.web.settings import WebSettings

HEALTH = "/healthz"

_CLOSING = "the server is closing"

_KEY_BYTES = 16
_VERSION = "13"


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where a request has come in.

    Attributes:
        port: the port that the server listens on.
        is_tls: whether it speaks TLS there.
        names: the machine's own names.
        is_draining: whether the server is about to end.
    """

    port: int
    is_tls: bool = False
    names: Collection[str] = ()
    is_draining: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """A request that is answered and closed.

    Attributes:
        data: the whole answer.
    """

    data: bytes


@dataclass(frozen=True, slots=True)
class Upgrade:
    """A request for a WebSocket that is granted.

    Attributes:
        key: the value of ``Sec-WebSocket-Key``.
    """

    key: str


def decide(head: Head, settings: WebSettings, place: Place) -> Answer | Upgrade:
    """Decide what becomes of a request.

    Raises:
        BadHead: it is refused; the error has the status and the reason.
    """
    hosts = head.all("host")
    if len(hosts) != 1:
        raise BadHead(400, "a request has one Host")
    without_body = head.method == "HEAD"
    is_known = head.method in ("GET", "HEAD")
    is_health = head.path == HEALTH and not _wants_upgrade(head)
    if is_health and is_known:
        if place.is_draining:
            # An answer, and no refusal: somebody who asks all the time must not fill the log.
            return Answer(encode_refusal(503, _CLOSING, without_body=without_body))
        return Answer(encode_answer(200, b"ok\n", without_body=without_body))
    if not is_health and not is_ours(
        hosts[0],
        port=place.port,
        is_tls=place.is_tls,
        own=place.names,
        any_port=settings.host_names,
    ):
        raise BadHead(421, "this server does not go by that Host")
    if not is_known:
        raise BadHead(405, "only GET and HEAD are answered")
    if not head.target.startswith("/"):
        raise BadHead(400, "a request asks for a path")
    if place.is_draining:
        raise BadHead(503, _CLOSING)
    file = settings.files.get(head.path)
    if file is not None:
        return Answer(encode_file(file, without_body=without_body))
    if settings.socket_path not in (None, head.path):
        raise BadHead(404, "there is nothing here")
    return Upgrade(_check_upgrade(head, hosts[0]))


def _wants_upgrade(head: Head) -> bool:
    return "websocket" in head.words("upgrade") and "upgrade" in head.words("connection")


def _check_upgrade(head: Head, host: str) -> str:
    """Return the key of a request for a WebSocket, if it is a good one (RFC 6455, 4.2.1)."""
    origins = head.all("origin")
    if len(origins) > 1 or (origins and not is_same_origin(origins[0], host)):
        raise BadHead(403, "a page of another host may not open a WebSocket here")
    if head.method != "GET" or head.version < (1, 1) or not _wants_upgrade(head):
        raise BadHead(426, "a WebSocket is spoken here")
    if head.all("sec-websocket-version") != [_VERSION]:
        raise BadHead(426, f"only version {_VERSION} of WebSocket is spoken here")
    keys = head.all("sec-websocket-key")
    try:
        if len(keys) == 1 and len(base64.b64decode(keys[0], validate=True)) == _KEY_BYTES:
            return keys[0]
    except (binascii.Error, ValueError):
        pass
    raise BadHead(400, "a WebSocket is asked for with one key of 16 bytes")
