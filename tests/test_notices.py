"""What the toolkit itself tells a peer, as values and as plain lines."""

from __future__ import annotations

from typing import get_args

import pytest

import trionet
from trionet import (
    AddressFull,
    BadLine,
    ConnectingTooFast,
    IdleTimedOut,
    LineNotUTF8,
    LineRejected,
    LinesMissed,
    LineTooLong,
    LineUnending,
    LoginTimedOut,
    Notice,
    RequestTimedOut,
    ServerClosing,
    ServerFull,
    encode_notice,
)


@pytest.mark.parametrize(
    ("notice", "code", "reason"),
    [
        (LineRejected(LineTooLong(4096, b"x")), "bad-line", "line is longer than 4096 bytes"),
        (LineRejected(LineNotUTF8(b"\xff")), "bad-line", "line is not UTF-8"),
        (LineRejected(LineUnending(9999, b"")), "bad-line", "no end of line within 9999 bytes"),
        (LoginTimedOut(30), "timeout", "no login within 30 seconds"),
        (IdleTimedOut(0.5), "timeout", "nothing came for 0.5 seconds"),
        (RequestTimedOut(5), "timeout", "no answer within 5 seconds"),
        (ServerFull(), "full", "server is full"),
        (AddressFull(), "address-full", "too many connections from your address"),
        (ConnectingTooFast(), "too-fast", "too many connections, try again later"),
        (ServerClosing(), "closing", "server is closing"),
        (LinesMissed(37), "missed", "missed 37 lines"),
    ],
)
def test_a_notice_has_a_code_and_a_reason_and_is_one_plain_line(
    notice: Notice, code: str, reason: str
) -> None:
    assert (notice.code, notice.reason) == (code, reason)
    assert encode_notice(notice) == f"error: {reason}\n".encode()


def test_equal_notices_are_equal_and_none_can_be_changed() -> None:
    assert LinesMissed(3) == LinesMissed(3) != LinesMissed(4)
    with pytest.raises(AttributeError):
        LinesMissed(3).count = 4  # type: ignore[misc]


def test_every_notice_is_a_public_name() -> None:
    for kind in get_args(Notice):
        assert getattr(trionet, kind.__name__) is kind


@pytest.mark.parametrize(
    ("reason", "line"),
    [("two\nlines", b"error: two lines\n"), ("half \ud800", b"error: half ?\n")],
)
def test_a_reason_that_is_not_a_line_is_made_one(reason: str, line: bytes) -> None:
    assert encode_notice(LineRejected(BadLine(reason, b""))) == line


@pytest.mark.parametrize(
    "wrong", [None, 3, "server is full", b"error: x", ServerFull, BadLine("x", b"")]
)
def test_what_is_not_a_notice_is_refused_with_what_to_write_instead(wrong: object) -> None:
    with pytest.raises(TypeError, match=r"notice must be a Notice: write ServerClosing\(\) or"):
        encode_notice(wrong)  # type: ignore[arg-type]
