"""Browsers: sentences W1 and on of docs/protocol.md. `websockets` is the browser here."""

from __future__ import annotations

import http.client
import json
import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Frame, Opcode
from websockets.sync.client import ClientConnection, connect

from peer import PATIENCE
from service import Room, Starter


@pytest.fixture(scope="module")
def web(start_early: Starter) -> Room:
    return start_early.web("--quiet")


def place(web: Room) -> tuple[str, int]:
    """Return the host and the port of the page."""
    match = re.fullmatch(r"http://([0-9.]+):(\d+)", web.program.addresses[1])
    assert match, web.program.addresses
    return match[1], int(match[2])


def get(
    web: Room, path: str, method: str = "GET", **fields: str
) -> tuple[int, http.client.HTTPMessage, bytes]:
    """Send a request, and return the status, the header fields and the body."""
    connection = http.client.HTTPConnection(*place(web), timeout=PATIENCE)
    headers = {name.replace("_", "-"): value for name, value in fields.items()}
    connection.request(method, path, headers=headers)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, answer.headers, body


def sent(web: Room, data: bytes) -> bytes:
    """Send bytes, and return all that is answered until the server ends the connection."""
    with socket.create_connection(place(web), PATIENCE) as sock:
        sock.sendall(data)
        return received(sock)


def received(sock: socket.socket) -> bytes:
    answer = b""
    while piece := sock.recv(65536):
        answer += piece
    return answer


def head(web: Room, line: str, *fields: str, host: str | None = None) -> bytes:
    where, port = place(web)
    lines = [line, f"Host: {host or f'{where}:{port}'}", *fields]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


UPGRADE = (
    "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)  # fmt: skip


@contextmanager
def socket_of(web: Room, **options: Any) -> Iterator[ClientConnection]:
    host, port = place(web)
    options.setdefault("open_timeout", PATIENCE)
    with connect(f"ws://{host}:{port}/ws", close_timeout=PATIENCE, **options) as opened:
        yield opened


def events(opened: ClientConnection) -> list[dict[str, Any]]:
    """Return the events of the next message."""
    message = opened.recv(timeout=PATIENCE)
    assert isinstance(message, str)
    assert message.endswith("\n")
    return [json.loads(line) for line in message.splitlines()]


def log_in(opened: ClientConnection, name: str) -> None:
    opened.send(json.dumps({"type": "login", "name": name}))
    seen: list[str] = []
    while "entered" not in seen:
        seen += [event["type"] for event in events(opened)]


def closed(opened: ClientConnection) -> int:
    """Read to the end, and return the server's close code."""
    with pytest.raises(ConnectionClosed) as end:
        while True:
            opened.recv(timeout=PATIENCE)
    assert end.value.rcvd is not None
    return end.value.rcvd.code


# HTTP


def test_w1_each_connection_is_for_one_request(web: Room) -> None:
    for version in "HTTP/1.1", "HTTP/1.0":
        answer = sent(web, head(web, f"GET / {version}"))
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert b"\r\nConnection: close\r\n" in answer


def test_w2_the_page_and_its_files_are_answered(web: Room) -> None:
    status, fields, page = get(web, "/")
    assert status == 200
    assert fields["Content-Type"].startswith("text/html")
    assert int(fields["Content-Length"]) == len(page) > 100
    files = re.findall(rb'(?:src|href)="(/?[\w.-]+\.(?:js|css))"', page)
    assert files
    for file in files:
        assert get(web, f"/{file.decode().lstrip('/')}")[0] == 200
    status, fields, body = get(web, "/", "HEAD")
    assert (status, body, int(fields["Content-Length"])) == (200, b"", len(page))


@pytest.mark.parametrize("path", ["/", "/nowhere", "/ws", "/healthz"])
def test_w3_every_answer_has_the_header_fields_that_keep_a_page_safe(web: Room, path: str) -> None:
    _, fields, _ = get(web, path)
    policy = fields["Content-Security-Policy"]
    for part in (
        "default-src 'none'", "script-src 'self'", "connect-src 'self'", "frame-ancestors 'none'",
        "require-trusted-types-for 'script'", "base-uri 'none'", "form-action 'none'",
    ):  # fmt: skip
        assert part in policy.split("; ")
    assert "unsafe" not in policy
    assert fields["X-Content-Type-Options"] == "nosniff"
    assert fields["Referrer-Policy"] == "no-referrer"
    assert fields["Cross-Origin-Opener-Policy"] == "same-origin"
    assert fields["Cross-Origin-Resource-Policy"] == "same-origin"
    assert fields["Cache-Control"] == "no-store"


def test_w4_health_is_told_for_any_host_and_also_while_the_server_drains(start: Starter) -> None:
    room = start.web("--drain", "5", "--quiet")
    assert get(room, "/healthz", Host="anything.example")[::2] == (200, b"ok\n")
    # A member that reads nothing keeps the drain waiting.
    stuck, witness = room.join("Ann", "Bob")
    stuck.say(*["/help"] * 20_000, "that was it")
    witness.expect("Ann: that was it")
    room.program.drain()
    witness.expect("*** server is closing")
    assert get(room, "/healthz", Host="anything.example")[0] == 503
    assert get(room, "/")[0] == 503


def test_w5_a_request_has_one_host(web: Room) -> None:
    assert sent(web, b"GET / HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 400 ")
    twice = head(web, "GET / HTTP/1.1", "Host: localhost")
    assert sent(web, twice).startswith(b"HTTP/1.1 400 ")


def test_w6_a_host_that_is_not_this_servers_is_misdirected(start: Starter) -> None:
    room = start.web("--web-host", "chat.example.org", "--web-host", "chat.test", "--quiet")
    _, port = place(room)
    for host in (
        f"127.0.0.1:{port}",
        f"localhost:{port}",
        f"[::1]:{port}",
        f"10.0.0.1:{port}",
        f"{socket.gethostname()}:{port}",
        "chat.example.org",
        "chat.example.org:443",
        "CHAT.test:1",
    ):
        assert get(room, "/", Host=host)[0] == 200, host
    for host in (
        f"evil.example:{port}",
        "localhost",
        f"localhost:{port + 1}",
        "127.0.0.1",
        "www.chat.example.org",
    ):
        assert get(room, "/", Host=host)[0] == 421, host
        with (
            pytest.raises(InvalidStatus) as refused,
            socket_of(room, additional_headers={"Host": host}),
        ):
            pass
        assert refused.value.response.status_code in (400, 421)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "BREW"])
def test_w7_another_method_is_not_allowed(web: Room, method: str) -> None:
    status, fields, _ = get(web, "/", method, Content_Length="0")
    assert (status, fields["Allow"]) == (405, "GET, HEAD")
    # Also with a body, which is never read.
    with_body = head(web, f"{method} / HTTP/1.1", "Content-Length: 100000") + b"x" * 100_000
    assert sent(web, with_body).startswith(b"HTTP/1.1 405 ")


@pytest.mark.parametrize("path", ["/nowhere", "/..", "/ws/", "//", "/index.html/"])
def test_w8_another_path_is_not_found(web: Room, path: str) -> None:
    assert get(web, path)[0] == 404


def test_w9_a_head_is_bounded_and_read_strictly(web: Room) -> None:
    long = sent(web, head(web, "GET / HTTP/1.1", "X: " + "x" * 16_384))
    assert long.startswith(b"HTTP/1.1 431 ")
    for data in (
        b"hello\r\n\r\n",
        b"GET / HTTP/1.1\nHost: localhost\n\n",
        head(web, "GET / HTTP/1.1", "X : y"),
        head(web, "GET / HTTP/1.1", "Content-Length: 5") + b"hello",
        head(web, "GET / HTTP/1.1", "Transfer-Encoding: chunked") + b"0\r\n\r\n",
    ):
        assert sent(web, data).startswith(b"HTTP/1.1 400 "), data


def test_w10_a_request_behind_another_is_not_answered(web: Room) -> None:
    ask = head(web, "GET / HTTP/1.1")
    upgrade = head(web, "GET /ws HTTP/1.1", *UPGRADE)
    for first in (
        ask,
        head(web, "POST / HTTP/1.1"),
        head(web, "GET /ws HTTP/1.1"),
        head(web, "GET /ws HTTP/1.1", *UPGRADE, "Origin: null"),
    ):
        assert sent(web, first + upgrade + ask).count(b"HTTP/1.1 ") == 1
    answer = sent(web, upgrade + ask)
    assert answer.startswith(b"HTTP/1.1 101 ")
    behind = answer.partition(b"\r\n\r\n")[2]
    # Nothing but a close frame, with 1002.
    assert behind[:1] == b"\x88"
    assert behind[2:4] == b"\x03\xea"


def test_w11_a_request_that_is_not_whole_in_time_is_closed(start: Starter) -> None:
    room = start.web("--handshake-timeout", "0.3", "--quiet")
    assert sent(room, b"GET / HTTP/1.1\r\n") == b""
    assert get(room, "/healthz")[0] == 200


# The WebSocket


def test_w12_a_web_socket_is_granted(web: Room) -> None:
    with socket_of(web, subprotocols=["chat"], compression="deflate") as opened:
        assert opened.subprotocol is None
        assert "Sec-WebSocket-Extensions" not in opened.response.headers  # type: ignore[union-attr]
        log_in(opened, "w12")


def test_w13_a_page_of_another_host_or_port_is_refused(web: Room) -> None:
    host, port = place(web)
    for origin in (f"http://{host}:{port}", f"https://{host}:{port}"):
        with socket_of(web, origin=origin):
            pass
    for origin in (
        "null",
        f"http://{host}",
        f"http://{host}:{port + 1}",
        "http://evil.example",
        f"http://{host}:{port}.evil.example",
    ):
        with pytest.raises(InvalidStatus) as refused, socket_of(web, origin=origin):
            pass
        assert refused.value.response.status_code == 403, origin


def test_w14_what_is_no_request_for_a_web_socket_is_told_to_upgrade(web: Room) -> None:
    assert get(web, "/ws")[0] == 426
    other = [field.replace("13", "8") for field in UPGRADE]
    answer = sent(web, head(web, "GET /ws HTTP/1.1", *other))
    assert answer.startswith(b"HTTP/1.1 426 ")
    assert b"\r\nSec-WebSocket-Version: 13\r\n" in answer


def test_w15_a_message_is_one_or_more_lines(web: Room) -> None:
    with socket_of(web) as opened:
        log_in(opened, "w15")
        for message in '{"type":"ping","id":1}', '{"type":"ping","id":2}\n':
            opened.send(message)
        opened.send('{"type":"ping","id":3}\n\n{"type":"ping","id":4}')
        # In fragments, too.
        opened.send(iter(['{"type":"pi', 'ng","id":5}']))
        answered: list[int] = []
        while 5 not in answered:
            answered += [event["re"] for event in events(opened)]
        assert answered == [1, 2, 3, 4, 5]


def test_w16_a_servers_message_is_whole_lines(web: Room) -> None:
    with socket_of(web) as opened:
        log_in(opened, "w16")
        for number in range(300):
            opened.send(
                json.dumps({"type": "say", "room": "lobby", "text": "x" * 500, "id": number})
            )
        told: list[Any] = []
        while 299 not in told:
            # Each message is parsed line by line.
            told += [event.get("re") for event in events(opened)]
        assert [re for re in told if re is not None] == list(range(300))


@pytest.mark.parametrize("first", ["hello", "[]", "q", "", "GET / HTTP/1.1"])
def test_w17_another_first_line_is_bad_json(web: Room, first: str) -> None:
    with socket_of(web) as opened:
        opened.send(first)
        (error,) = events(opened)
        assert (error["type"], error["code"]) == ("error", "bad-json")
        assert closed(opened) == 1000


def test_w18_a_binary_message_is_refused(web: Room) -> None:
    with socket_of(web) as opened:
        log_in(opened, "w18")
        opened.send(b'{"type":"ping"}')
        assert closed(opened) == 1003


def raw(web: Room, *frames: bytes) -> int:
    """Send frames as they are, and return the server's close code."""
    with socket.create_connection(place(web), PATIENCE) as sock:
        sock.sendall(head(web, "GET /ws HTTP/1.1", *UPGRADE))
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += sock.recv(4096)
        sock.sendall(b"".join(frames))
        frame = received(sock)[-125:]
    at = frame.rindex(b"\x88")
    return int.from_bytes(frame[at + 2 : at + 4], "big")


def masked(opcode: Opcode, data: bytes, *, fin: bool = True) -> bytes:
    return Frame(opcode, data, fin=fin).serialize(mask=True)


def test_w19_a_message_that_is_not_utf8_is_refused(web: Room) -> None:
    assert raw(web, masked(Opcode.TEXT, b"\xff")) == 1007
    halves = masked(Opcode.TEXT, b"\xc3", fin=False), masked(Opcode.CONT, b"\xc3")
    assert raw(web, *halves) == 1007


def test_w20_a_message_is_no_longer_than_a_line(web: Room) -> None:
    with socket_of(web) as opened:
        log_in(opened, "w20")
        ping = '{"type":"ping","id":1}'
        opened.send(ping + " " * (16_384 - len(ping)) + "\r\n")
        assert events(opened) == [{"type": "pong", "re": 1}]
        opened.send(ping + " " * (16_385 - len(ping)))
        assert closed(opened) == 1009


BROKEN = {
    "not masked": Frame(Opcode.TEXT, b"{}").serialize(mask=False),
    "unknown opcode": b"\x83\x80\x00\x00\x00\x00",
    "reserved bit": b"\xc1\x80\x00\x00\x00\x00",
    "a length in more bytes than it needs": b"\x81\xfe\x00\x05" + bytes(4) + b"hello",
    "nothing to continue": masked(Opcode.CONT, b"x"),
    "a message in a message": masked(Opcode.TEXT, b"{", fin=False) + masked(Opcode.TEXT, b"}"),
    "a close frame of one byte": masked(Opcode.CLOSE, b"\x03"),
    "a request": b"GET / HTTP/1.1\r\n\r\n",
}


@pytest.mark.parametrize("mistake", BROKEN)
def test_w21_whatever_breaks_the_protocol_is_refused(web: Room, mistake: str) -> None:
    assert raw(web, BROKEN[mistake]) == 1002


def test_w22_pings_are_answered_in_their_order(web: Room) -> None:
    with socket_of(web) as opened:
        log_in(opened, "w22")
        waiting = [opened.ping(b"%d" % number) for number in range(50)]
        # The answer to the last one tells `websockets` that the earlier ones were answered.
        for ponged in waiting:
            assert ponged.wait(PATIENCE)


def test_w23_what_comes_before_a_close_frame_is_answered_first(web: Room) -> None:
    ping = masked(Opcode.TEXT, b'{"type":"ping","id":7}')
    with socket.create_connection(place(web), PATIENCE) as sock:
        sock.sendall(head(web, "GET /ws HTTP/1.1", *UPGRADE))
        sock.sendall(ping + masked(Opcode.CLOSE, b"\x0b\xb8"))
        answer = received(sock).partition(b"\r\n\r\n")[2]
    pong = b'{"type":"pong","re":7}\n'
    assert answer == bytes([0x81, len(pong)]) + pong + b"\x88\x02\x0b\xb8"


def test_w24_a_drain_closes_with_1001_behind_everything(start: Starter) -> None:
    room = start.web("--quiet")
    with socket_of(room) as opened:
        log_in(opened, "w24")
        opened.send('{"type":"say","room":"lobby","text":"last","id":1}')
        assert [event["type"] for event in events(opened)] == ["said"]
        room.program.drain()
        assert [event["type"] for event in events(opened)] == ["closing"]
        assert closed(opened) == 1001


def test_w25_a_trusted_proxy_says_which_host_a_connection_counts_for(start: Starter) -> None:
    room = start.web(
        "--web-proxy", "10.0.0.1", "--web-proxy", "127.0.0.0/8", "--max-per-address", "1", "--quiet"
    )
    for host in "203.0.113.1", "203.0.113.2":
        with (
            socket_of(room, additional_headers={"X-Forwarded-For": host}) as first,
            socket_of(
                room, additional_headers={"X-Forwarded-For": f"9.9.9.9, {host}, 10.0.0.1"}
            ) as second,
        ):
            log_in(first, "one")
            (error,) = events(second)
            assert error["type"] == "error"
            assert closed(second) == 1000
    distrusting = start.web("--max-per-address", "1", "--quiet")
    with (
        socket_of(distrusting, additional_headers={"X-Forwarded-For": "203.0.113.1"}),
        socket_of(distrusting, additional_headers={"X-Forwarded-For": "203.0.113.2"}) as second,
    ):
        assert [event["type"] for event in events(second)] == ["error"]


def test_w26_frames_that_bring_no_line_are_slowed_down(web: Room) -> None:
    with socket_of(web) as opened:
        log_in(opened, "w26")
        began = time.monotonic()
        last = [opened.ping(b"%d" % number) for number in range(1_050)][-1]
        assert last.wait(PATIENCE)
        # 50 beyond the 1,000, of which the last 16 are taken at once: 0.34 s.
        assert time.monotonic() - began > 0.3
