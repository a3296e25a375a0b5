"""What becomes of a request: a page, a WebSocket, or a refusal."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from trionet.transport.web.answers import encode_refusal
from trionet.transport.web.heads import BadHead, read_head
from trionet.transport.web.requests import Answer, Place, Upgrade, decide
from trionet.transport.web.settings import WebSettings

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
SOCKET = (
    "Upgrade: websocket", "Connection: keep-alive, Upgrade", f"Sec-WebSocket-Key: {KEY}",
    "Sec-WebSocket-Version: 13",
)  # fmt: skip


@dataclass(frozen=True)
class File:
    media_type: str
    body: bytes


SETTINGS = WebSettings(
    files={"/": File("text/html; charset=utf-8", b"<p>hello"), "/a.js": File("text/js", b"1")},
    socket_path="/ws",
)
PLACE = Place(port=8080)


def ask(
    request: str,
    *fields: str,
    host: str | None = "localhost:8080",
    settings: WebSettings = SETTINGS,
    is_draining: bool = False,
) -> Answer | Upgrade | int:
    lines = [f"{request} HTTP/1.1", *([f"Host: {host}"] if host is not None else []), *fields]
    try:
        head = read_head("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n")
        return decide(head, settings, Place(port=8080, is_draining=is_draining))
    except BadHead as bad:
        return bad.status


def body_of(answer: object) -> bytes:
    assert isinstance(answer, Answer)
    return answer.data.partition(b"\r\n\r\n")[2]


def test_a_file_is_answered_with_its_type_and_size() -> None:
    answer = ask("GET /?query")
    assert isinstance(answer, Answer)
    head, _, body = answer.data.partition(b"\r\n\r\n")
    assert body == b"<p>hello"
    lines = head.decode().split("\r\n")
    assert lines[0] == "HTTP/1.1 200 OK"
    assert "Content-Type: text/html; charset=utf-8" in lines
    assert "Content-Length: 8" in lines
    assert "Connection: close" in lines


def test_head_is_answered_without_a_body() -> None:
    answer = ask("HEAD /a.js")
    assert body_of(answer) == b""
    assert isinstance(answer, Answer)
    assert b"Content-Length: 1\r\n" in answer.data


@pytest.mark.parametrize("status", [200, 400, 403, 404, 405, 421, 426, 431, 503])
def test_every_answer_has_the_headers_that_keep_a_page_safe(status: int) -> None:
    answer = encode_refusal(status, "x")
    for line in (
        b"X-Content-Type-Options: nosniff",
        b"Referrer-Policy: no-referrer",
        b"Cross-Origin-Opener-Policy: same-origin",
        b"Cross-Origin-Resource-Policy: same-origin",
        b"Cache-Control: no-store",
        b"Connection: close",
    ):
        assert line + b"\r\n" in answer
    assert (
        b"Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; "
        b"img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
        b"frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'\r\n"
    ) in answer


def test_a_web_socket_is_granted() -> None:
    assert ask("GET /ws", *SOCKET) == Upgrade(KEY)
    assert ask("GET /ws?a=b", *SOCKET, "Origin: http://localhost:8080") == Upgrade(KEY)
    # The scheme is not compared.
    assert ask("GET /ws", *SOCKET, "Origin: https://localhost:8080") == Upgrade(KEY)
    assert ask("GET /ws", *SOCKET, "Sec-WebSocket-Protocol: chat, superchat") == Upgrade(KEY)


def test_without_a_path_of_its_own_every_path_is_the_web_sockets() -> None:
    assert ask("GET /any/where", *SOCKET, settings=WebSettings()) == Upgrade(KEY)
    assert ask("GET /", settings=WebSettings()) == 426


@pytest.mark.parametrize(
    ("request_line", "fields", "status"),
    [
        ("POST /", (), 405),
        ("OPTIONS *", (), 405),
        ("DELETE /nowhere", (), 405),
        ("POST /", ("Content-Length: 5",), 405),
        ("PUT /ws", ("Transfer-Encoding: chunked",), 405),
        ("GET /", ("Content-Length: 5",), 400),
        ("HEAD /", ("Transfer-Encoding: chunked",), 400),
        ("GET /nowhere", (), 404),
        ("GET /nowhere", SOCKET, 404),
        ("GET //", (), 404),
        ("GET /../etc/passwd", (), 404),
        ("GET /%2e%2e/", (), 404),
        ("GET http://localhost:8080/", (), 400),
        ("GET /ws", (), 426),
        ("HEAD /ws", SOCKET, 426),
        ("GET /ws", SOCKET[:3], 426),
        ("GET /ws", (*SOCKET[:3], "Sec-WebSocket-Version: 8"), 426),
        ("GET /ws", (*SOCKET, "Sec-WebSocket-Version: 13"), 426),
        ("GET /ws", (*SOCKET[:2], SOCKET[3]), 400),
        ("GET /ws", (*SOCKET[:2], SOCKET[3], "Sec-WebSocket-Key: short"), 400),
        ("GET /ws", (*SOCKET, f"Sec-WebSocket-Key: {KEY}"), 400),
        ("GET /ws", (SOCKET[0], *SOCKET[2:]), 426),
        ("GET /ws", (*SOCKET, "Origin: null"), 403),
        ("GET /ws", (*SOCKET, "Origin: http://evil.example"), 403),
        ("GET /ws", (*SOCKET, "Origin: http://localhost:8080", "Origin: http://evil.example"), 403),
        ("GET /", ("Host: localhost:8080",), 400),
    ],
)
def test_what_is_not_granted_has_its_status(
    request_line: str, fields: tuple[str, ...], status: int
) -> None:
    assert ask(request_line, *fields) == status


def test_a_request_has_one_host_and_it_is_this_servers() -> None:
    assert ask("GET /", host=None) == 400
    assert ask("GET /", host="evil.example:8080") == 421
    assert ask("GET /ws", *SOCKET, host="evil.example:8080") == 421
    assert ask("GET /healthz", host=None) == 400
    named = WebSettings(hosts=["Chat.example.org"], files=SETTINGS.files)
    assert body_of(ask("GET /", host="chat.example.org", settings=named)) == b"<p>hello"


def test_health_is_told_for_any_host() -> None:
    assert body_of(ask("GET /healthz", host="anything.example")) == b"ok\n"
    assert body_of(ask("HEAD /healthz")) == b""
    assert ask("POST /healthz") == 405
    assert ask("POST /healthz", host="anything.example") == 405
    assert ask("GET /healthz", *SOCKET, host="anything.example") == 421


def test_a_server_that_drains_says_so() -> None:
    answer = ask("GET /healthz", is_draining=True)
    assert isinstance(answer, Answer)
    assert answer.data.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert ask("GET /", is_draining=True) == 503
    assert ask("GET /ws", *SOCKET, is_draining=True) == 503


def test_settings_that_cannot_be_meant_are_refused() -> None:
    with pytest.raises(ValueError, match=r"write chat\.example\.org"):
        WebSettings(hosts=["chat.example.org:8080"])
    with pytest.raises(ValueError, match="is not a host"):
        WebSettings(hosts=["http://chat.example.org"])
    with pytest.raises(ValueError, match="neither an IP address nor a network"):
        WebSettings(proxies=["proxy"])
    with pytest.raises(TypeError, match="hosts must be a list"):
        WebSettings(hosts="chat.example.org")
    with pytest.raises(TypeError, match="files must be a mapping"):
        WebSettings(files=[])  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="socket_path"):
        WebSettings(socket_path=3)  # type: ignore[arg-type]
