"""Call a service's ``encode_notice`` so that its mistakes harm nobody.

The function belongs to the service, and the toolkit calls it where nobody could handle an error:
while it closes a connection, or in an outbox's writer task, which runs beside all others. Where it
fails, the peer gets the notice in the toolkit's own words.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from trionet.abc import Missing
from trionet.encoding import check_lines
from trionet.function_checks import check_callback
from trionet.notices import EncodeNotice, LinesMissed, Notice, encode_notice
from trionet.user_faults import FaultLog, Kind

logger = logging.getLogger("trionet.connection")


class SafeNotices:
    """An ``encode_notice`` that never raises and always returns at least one whole line.

    A server makes one and shares it among its connections, so that a fault is logged once and not
    once for each connection.

    Args:
        encode: the service's function.
        faults: where its faults are logged; default: a log of its own.
        missing: makes what notes the lines that a slow peer misses; default ``None``: the peer is
            told how many they were, with a `trionet.LinesMissed`.

    Attributes:
        faults: where its faults are logged.
    """

    __slots__ = ("_encode", "_missing", "faults")

    def __init__(
        self,
        encode: EncodeNotice,
        faults: FaultLog | None = None,
        *,
        missing: Callable[[], Missing] | None = None,
    ) -> None:
        self._encode = encode
        self._missing = missing
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
                error,
                self._encode,
                "encode_notice failed; the peer gets a plain notice",
                Kind(notice),
            )
            return encode_notice(notice)
        return lines

    @property
    def notes_lines(self) -> bool:
        """Whether the format wants to see the lines that a peer misses."""
        return self._missing is not None

    def note(self, noted: Missing | None, lines: bytes) -> Missing | None:
        """Note lines that were dropped; return what has noted them, ``None`` if that failed."""
        try:
            if noted is None and self._missing is not None:
                noted = self._missing()
            if noted is not None:
                noted.add(lines)
        except Exception as error:
            self._report_missing(error)
        return noted

    def joined(self, earlier: Missing | None, later: Missing | None) -> Missing | None:
        """Return what has noted all that two objects have noted."""
        if earlier is None or later is None:
            return earlier or later
        try:
            earlier.add_all(later)
        except Exception as error:
            self._report_missing(error)
        return earlier

    def missed(self, count: int, noted: Missing | None = None) -> bytes:
        """Return the lines that tell a peer what it missed: what was noted, or how many lines."""
        if noted is not None:
            try:
                lines = check_lines(noted.encode())
                if lines:
                    return lines
                raise ValueError("a notice takes at least one line")
            except Exception as error:
                self._report_missing(error)
        return self(LinesMissed(count))

    def _report_missing(self, error: Exception) -> None:
        self.faults.report(
            error, self._missing, "noting missed lines failed; the peer gets their number", None
        )


def safe_notices(encode: EncodeNotice, faults: FaultLog | None = None) -> SafeNotices:
    """Return a function as a `SafeNotices`; one that is a `SafeNotices` stays the same object.

    Args:
        encode: a service's function.
        faults: see `SafeNotices`.

    Raises:
        TypeError: `encode` is not a function.
    """
    if isinstance(encode, SafeNotices):
        return encode
    if not callable(encode):
        check_callback("encode_notice", encode, optional=False)
    return SafeNotices(encode, faults)
