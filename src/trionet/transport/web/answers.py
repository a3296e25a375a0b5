"""What a browser is answered over HTTP, as bytes. No I/O.

Each answer ends its connection. Otherwise a browser's spare connections would wait here for their
deadline. Besides, nothing that follows a request can then be taken for another one.

The headers allow a page only what it needs, and only from this server: no script but its own files,
and no text ever becomes markup (Trusted Types).
"""

from __future__ import annotations

from http import HTTPStatus

from trionet.abc import WebFile

_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)

_ALWAYS = (
    ("Content-Security-Policy", _POLICY),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Cache-Control", "no-store"),
    ("Connection", "close"),
)

_TEXT = "text/plain; charset=utf-8"


def encode_answer(
    status: int,
    body: bytes,
    *,
    media_type: str = _TEXT,
    without_body: bool = False,
    more: tuple[tuple[str, str], ...] = (),
) -> bytes:
    """Return an answer.

    Args:
        status: its status.
        body: what is in it.
        media_type: what that is.
        without_body: leave the body out, as ``HEAD`` asks; its size is told.
        more: header fields besides those that each answer has.
    """
    fields = (
        ("Content-Type", media_type),
        ("Content-Length", str(len(body))),
        *_ALWAYS,
        *more,
    )
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"]
    lines += [f"{name}: {value}" for name, value in fields]
    head = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"
    return head if without_body else head + body


def encode_file(file: WebFile, *, without_body: bool) -> bytes:
    """Return a file."""
    return encode_answer(200, file.body, media_type=file.media_type, without_body=without_body)


def encode_refusal(status: int, reason: str, *, without_body: bool = False) -> bytes:
    """Return why a request is refused, with the header fields that go with the status."""
    more: tuple[tuple[str, str], ...] = ()
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        more = (("Allow", "GET, HEAD"),)
    elif status == HTTPStatus.UPGRADE_REQUIRED:
        more = (("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13"))
    elif status == HTTPStatus.SERVICE_UNAVAILABLE:
        more = (("Retry-After", "5"),)
    return encode_answer(
        status, f"{status} {reason}\n".encode(), without_body=without_body, more=more
    )
