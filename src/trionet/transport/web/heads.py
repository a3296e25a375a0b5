"""Read the head of an HTTP request, or say what is wrong with it. No I/O (RFC 9112).

A head is read strictly, because whatever two readers understand differently lets somebody smuggle a
request past one of them: lines end with CR LF, a field has a name, a colon and no space between,
nothing is folded, and there is no body. Browsers, proxies and ``curl`` write nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

# Bytes of a head at most, the empty line counted. A browser's has about 1 KiB, more with cookies.
MAX_HEAD = 16384

END = b"\r\n\r\n"

_REQUEST_LINE = re.compile(
    rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+) ([\x21-\x7e]+) HTTP/([0-9])\.([0-9])"
)  # RFC 9112, 3
_FIELD = re.compile(
    rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*((?:[\x21-\x7e\x80-\xff]"
    rb"(?:[\t \x21-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?)[ \t]*"
)


class BadHead(Exception):
    """A head that cannot be read, or asks for what this server does not have.

    Attributes:
        status: the status to answer with.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


@dataclass(frozen=True, kw_only=True, slots=True)
class Head:
    """The head of a request.

    Attributes:
        method: such as ``GET``.
        target: what is asked for, as it was sent.
        version: such as ``(1, 1)``.
        fields: names in lower case, with their values.
    """

    method: str
    target: str
    version: tuple[int, int]
    fields: Sequence[tuple[str, str]]

    @property
    def path(self) -> str:
        """What is asked for, without a query."""
        return self.target.partition("?")[0]

    def all(self, name: str) -> list[str]:
        """Return each value of a field, in order."""
        return [value for field, value in self.fields if field == name]

    def words(self, name: str) -> list[str]:
        """Return the words of a field that is a list separated by commas, in lower case."""
        words = ",".join(self.all(name)).lower().split(",")
        return [word.strip(" \t") for word in words if word.strip(" \t")]


def end_of_head(data: bytes | bytearray, *, seen: int = 0) -> int:
    """Return where the head ends in what has come; 0: not yet.

    Args:
        data: all that has come.
        seen: how many bytes of it had come at the last call, which returned 0; default 0. They are
            not searched again: 16 KiB, byte by byte, took 0.24 s of the processor and takes 0.02.

    Raises:
        BadHead: it is too long, or what has come cannot be a head, so there is no use in waiting.
    """
    end = data.find(END, max(0, seen - len(END) + 1), MAX_HEAD) + len(END)
    until = end if end >= len(END) else MAX_HEAD
    # A lone LF would end a line for a lenient reader, and a NUL ends a text for some.
    line_ends = data.count(b"\r\n", max(0, seen - 1), until)
    if data.count(b"\n", seen, until) != line_ends or data.count(b"\0", seen, until):
        raise BadHead(400, "the head is not HTTP")
    if data and not (data[:1].isalpha() or data[:1] in b"!#$%&'*+.^_`|~-0123456789"):
        raise BadHead(400, "the head is not HTTP")
    if end >= len(END):
        return end
    if len(data) >= MAX_HEAD:
        raise BadHead(431, f"the head is longer than {MAX_HEAD} bytes")
    return 0


def read_head(data: bytes, *, allows_body: bool = False) -> Head:
    """Read a head.

    Args:
        data: all of it, with the empty line at its end.
        allows_body: whether it may announce a body. The caller then reads nothing after the head.

    Raises:
        BadHead: it cannot be read; it announces a body; or it is of another HTTP.
    """
    first, *lines = data.removesuffix(END).split(b"\r\n")
    request = _REQUEST_LINE.fullmatch(first)
    if request is None:
        raise BadHead(400, "the request line is not HTTP")
    major, minor = int(request[3]), int(request[4])
    if major != 1:
        raise BadHead(505, f"HTTP/{major}.{minor} is not spoken here")
    fields: list[tuple[str, str]] = []
    for line in lines:
        field = _FIELD.fullmatch(line)
        if field is None:
            raise BadHead(400, "a header field is not HTTP")
        fields.append((field[1].decode().lower(), field[2].decode("latin-1")))
    head = Head(
        method=request[1].decode(),
        target=request[2].decode(),
        version=(major, minor),
        fields=fields,
    )
    # Another method may announce a body: it is answered 405, and nobody reads what follows.
    if (
        not allows_body
        and head.method in ("GET", "HEAD")
        and (
            head.all("transfer-encoding") or any(size != "0" for size in head.all("content-length"))
        )
    ):
        raise BadHead(400, "a request has no body here")
    return head
