"""The events of a server say in one line what happened."""

from __future__ import annotations

from trionet.events import Closed, Identified, Opened, Refused


def test_each_event_is_one_line_for_a_log() -> None:
    assert str(Opened(id=1, peer="127.0.0.1:4000")) == "opened 127.0.0.1:4000"
    assert str(Refused(id=2, peer="[::1]:4000", reason="server is full")) == (
        "refused [::1]:4000: server is full"
    )
    assert str(Identified(id=1, peer="192.0.2.7:51034", name="Ann")) == "192.0.2.7:51034 is Ann"
    closed = Closed(
        id=1,
        peer="127.0.0.1:4000",
        reason="the peer ended its sending",
        seconds=1.25,
        bytes_in=7,
        bytes_out=3,
        lines_in=2,
        lines_out=1,
    )
    assert str(closed) == (
        "closed 127.0.0.1:4000: the peer ended its sending "
        "(2 lines, 7 bytes in; 1 lines, 3 bytes out; 1.2 s)"
    )
