"""What a connection's first line decides: whether to hang up, and how long later lines may be.

A web browser gives itself away by its first line (`trionet.transport.web.request_line`). And a
service with two wire formats tells them apart by a peer's first line, where the lines of one may
have to be longer than those of the other: an `Opening` says so. Whatever else a peer sends keeps
the ordinary limit.

A `LineReader` asks its `FirstLine` until that line has come. All connections of a server have the
same one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from trionet.function_checks import check_callback
from trionet.lines import Line, LineDecoder
from trionet.transport.web.request_line import is_http_request
from trionet.type_checks import check_kinds


@dataclass(frozen=True, kw_only=True, slots=True)
class Opening:
    """A first line that makes a peer's lines longer.

    Attributes:
        begins: the byte that such a first line begins with, such as ``b"{"``. A first line that
            begins with it may have `max_line` bytes; what follows it decides nothing.
        max_line: content bytes that the first line and all others may have.
        is_met: called with the whole first line, good or bad (bytes, where lines are); whether the
            lines after it may be as long. If it raises, that is logged, and its connection
            alone is closed.
    """

    begins: bytes
    max_line: int
    is_met: Callable[[Line], bool]

    def __post_init__(self) -> None:
        check_kinds(begins=(self.begins, bytes), max_line=(self.max_line, int))
        check_callback("is_met", self.is_met, optional=False)


class FirstLine:
    """Judges first lines, each before it is decoded and after. It remembers nothing of them.

    Args:
        opening: what makes this line, and the lines after it, longer; ``None``: nothing does.
        refuse_http: whether a request line of HTTP is refused.
        max_line: content bytes that lines have by default.
    """

    __slots__ = ("_max_line", "_opening", "_refuse_http")

    def __init__(self, opening: Opening | None, *, refuse_http: bool, max_line: int) -> None:
        self._opening = opening
        self._refuse_http = refuse_http
        self._max_line = max_line

    def stands_alone(self, data: bytes | bytearray, decoder: LineDecoder) -> bool:
        """Look how the line begins, and give the decoder the limit that it may have.

        Args:
            data: what is to be decoded next; not empty.
            decoder: decodes it, and has decoded nothing yet but what this was called with.

        Returns:
            Whether to decode the first line alone, because the limit of the next one depends on it.
        """
        opening = self._opening
        if opening is None:
            return False
        if decoder.max_line != opening.max_line:
            # What follows the beginning of a line decides nothing.
            if not data.startswith(opening.begins) or decoder.rest:
                return False
            decoder.max_line = opening.max_line
        return True

    def is_refused(self, line: Any, decoder: LineDecoder) -> bool:
        """Judge the whole line, and give the decoder the limit of the lines after it.

        Returns:
            Whether to hang up.
        """
        opening = self._opening
        opens = opening is not None and decoder.max_line == opening.max_line
        if opening is not None and opens and not opening.is_met(line):
            decoder.max_line = self._max_line
        if isinstance(line, bytes):
            # Where lines are bytes. Only the ASCII characters in it are looked at.
            line = line.decode("latin-1")
        return self._refuse_http and is_http_request(line)
