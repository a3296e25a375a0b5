"""One task for everything that falls due in the chat's state."""

from __future__ import annotations

from collections.abc import Callable

import trio

from trionet.chat.session.switchboard import Switchboard

# The longest sleep, in seconds. The state's times are those of the wall clock, which may be set.
_LONGEST = 600.0


class Timer:
    """Wakes a switchboard when something in its state is due.

    Args:
        clock: returns the time, in milliseconds since 1970, UTC.
    """

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self._changed = trio.Event()

    def look_again(self) -> None:
        """Note that the next deadline has changed. Never a checkpoint."""
        self._changed.set()

    async def run(self, board: Switchboard) -> None:
        """Carry out what falls due, until cancelled."""
        while True:
            self._changed = trio.Event()
            due = board.next_deadline()
            if due is None:
                await self._changed.wait()
                continue
            seconds = (due - self._clock()) / 1000
            if seconds > 0:
                with trio.move_on_after(min(seconds, _LONGEST)):
                    await self._changed.wait()
            else:
                board.carry_out_what_is_due()
                await trio.lowlevel.checkpoint()
