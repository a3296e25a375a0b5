"""Whether a stream is broken, as far as anybody can tell."""

from __future__ import annotations

import pytest
import trio

from trionet.connection.broken import is_broken
from trionet.testing import memory_stream_pair


class Sends:
    """A stream whose `send_nowait` raises an error, or takes nothing."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error

    def send_nowait(self, data: bytes) -> int:
        assert data == b""
        if self.error is not None:
            raise self.error
        return 0


class Tells(Sends):
    """A stream that says itself whether it is broken."""

    def is_broken(self) -> bool:
        return self.error is None


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (Sends(), False),
        (Sends(trio.BrokenResourceError()), True),
        (Sends(trio.ClosedResourceError()), True),
        # A task is sending on it, and would be told.
        (Sends(trio.BusyResourceError()), False),
        (Tells(), True),
        (Tells(trio.BrokenResourceError()), False),
        # It cannot tell, so its peer is blamed and not the handler.
        (object(), True),
    ],
)
def test_a_stream_says_it_or_is_tried(stream: object, expected: bool) -> None:
    assert is_broken(stream) is expected


async def test_nothing_is_sent_to_find_out() -> None:
    near, far = memory_stream_pair()
    assert not is_broken(near)
    await near.send_all(b"x")
    assert await far.receive_some() == b"x"
    far.close()
    near.close()
    assert is_broken(near)
