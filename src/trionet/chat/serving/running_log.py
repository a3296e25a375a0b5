"""Running a log that several machines share, for one switchboard and its hub."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import trio

from trionet.chat.formats.answers import Event, LogState
from trionet.chat.session.switchboard import Switchboard
from trionet.fanout.hub import Hub

if TYPE_CHECKING:
    from trionet.chat.cluster.redis_log import RedisLog

logger = logging.getLogger("trionet.chat")


async def run_log(
    log: RedisLog,
    board: Switchboard,
    hub: Hub[Event],
    *,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Write and read a shared log until cancelled.

    Args:
        log: the log; it is loaded.
        board: who is told what it applies.
        hub: what it waits for when members read slower than others talk.
        task_status: started once the other machines know this one.
    """

    def tell(available: bool) -> None:
        hub.publish(LogState(available))
        logger.warning("the log is back" if available else "the log is out of reach")

    async def wait_room() -> None:
        if hub.must_wait:
            await hub.wait_room()
        if board.history is not None:
            await board.history.wait()

    async def wait_delivered() -> None:
        # To ask takes a system call that wakes Redis, and may cost the members' programs a core. So
        # members are served first. A lone message took one node 0.43 ms longer than a server
        # without Redis when it asked first, and 0.31 when it served first.
        if hub.waiting != (0, 0):
            await hub.wait_delivered()

    await log.run(
        board.show,
        board.away,
        on_available=tell,
        before=wait_room,
        after=wait_delivered,
        task_status=task_status,
    )
