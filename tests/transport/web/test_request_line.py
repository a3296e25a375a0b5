"""A web browser is recognised by its first line, and nobody else is taken for one."""

from __future__ import annotations

import pytest

from trionet import LineDecoder, is_http_request


@pytest.mark.parametrize(
    "request_line",
    [
        b"GET / HTTP/1.1",
        b"POST /submit?a=12+%2B+42 HTTP/1.0",
        b"OPTIONS * HTTP/1.1",
        b"CONNECT localhost:22333 HTTP/1.1",
        b"GET http://localhost:22333/ HTTP/1.1",
        b"PRI * HTTP/2.0",
        b"M-SEARCH * HTTP/1.1",
        b"get /caf\xe9 HTTP/1.1",
        b"GET /" + b"a" * 5000 + b" HTTP/1.1",
        b"GET https://" + b"a" * 5000 + b" HTTP/1.1",
        b"OPTIONS *" + b"a" * 5000,
        b"GET /\xff" + b"a" * 300 + b" HTTP/1.1",
    ],
)
def test_an_http_request_line_is_recognised(request_line: bytes) -> None:
    (line,) = LineDecoder().feed(request_line + b"\r\n")
    assert is_http_request(line)


@pytest.mark.parametrize(
    "first_line",
    [
        b"",
        b"Ann",
        b"GET",
        b"GET /",
        b"GET / HTTP",
        b"GET me HTTP please",
        b"GET  HTTP/1.1",
        b" GET / HTTP/1.1",
        b"G(T / HTTP/1.1",
        b"12 + 42",
        b"caf\xe9",
        b"caf\xe9 / not/" + b"a" * 300,
        b"a" * 5000,
        b"Ann says " + b"a" * 5000,
    ],
)
def test_a_line_that_a_person_types_is_not_taken_for_http(first_line: bytes) -> None:
    (line,) = LineDecoder().feed(first_line + b"\n")
    assert not is_http_request(line)


@pytest.mark.parametrize("wrong", [None, 3, b"GET / HTTP/1.1", ["GET / HTTP/1.1"]])
def test_what_is_not_a_line_is_refused(wrong: object) -> None:
    with pytest.raises(TypeError, match=r"a text or a BadLine: write line\.decode"):
        is_http_request(wrong)  # type: ignore[arg-type]
