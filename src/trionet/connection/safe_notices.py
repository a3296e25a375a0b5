"""Call a service's ``encode_notice`` so that its mistakes harm nobody.

The function belongs to the service, and the toolkit calls it where nobody could handle an error:
while it closes a connection, or in an outbox's writer task, which runs beside all others. Where it
fails, the peer gets the notice in the toolkit's own words.
"""

from __future__ import annotations

import logging

from trionet.encoding import check_lines
from trionet.faults import FaultLog
from trionet.function_checks import check_callback
from trionet.notices import EncodeNotice, LinesMissed, Notice, encode_notice

logger = logging.getLogger("trionet.connection")


class SafeNotices:
    """An ``encode_notice`` that never raises and always returns at least one whole line.

    A server makes one and shares it among its connections, so that a fault is logged once and not
    once for each connection.

    Args:
        encode: the service's function.
        faults: where its faults are logged; default: a log of its own.

    Attributes:
        faults: where its faults are logged.
    """

    __slots__ = ("_encode", "faults")

    def __init__(self, encode: EncodeNotice, faults: FaultLog | None = None) -> None:
        self._encode = encode
        self.faults = faults or FaultLog(logger)

    def replaced(self, encode: EncodeNotice) -> SafeNotices:
        """Return another function as one of these, with the same log of faults."""
        return safe_notices(encode, self.faults)

    def __call__(self, notice: Notice) -> bytes:
        """Return the lines that tell a notice."""
        try:
            lines = check_lines(self._encode(notice))
            if not lines:
                raise ValueError("a notice takes at least one line")
        except Exception as error:
            self.faults.report(
                error, self._encode, "encode_notice failed; the peer gets a plain notice", notice
            )
            return encode_notice(notice)
        return lines

    def missed(self, count: int) -> bytes:
        """Return the lines that tell a peer how many lines it missed."""
        return self(LinesMissed(count))


def safe_notices(encode: EncodeNotice, faults: FaultLog | None = None) -> SafeNotices:
    """Return a function as a `SafeNotices`; one that is a `SafeNotices` stays the same object.

    Args:
        encode: a service's function.
        faults: see `SafeNotices`.

    Raises:
        TypeError: `encode` is no function.
    """
    if isinstance(encode, SafeNotices):
        return encode
    if not callable(encode):
        check_callback("encode_notice", encode, optional=False)
    return SafeNotices(encode, faults)
