"""What `AtOnce` does when the poller calls it, which a test cannot see from outside."""

from __future__ import annotations

import pytest

from trionet.connection.answer_on_input import AtOnce


def recorded_calls(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Record what `AtOnce` returns from now on: whether the task could go on waiting.

    Returns:
        The results, in order; it grows with each call.
    """
    made: list[bool] = []
    call = AtOnce.serve

    def recorded(self: AtOnce, now: float) -> bool:
        made.append(call(self, now))
        return made[-1]

    monkeypatch.setattr(AtOnce, "serve", recorded)
    return made
