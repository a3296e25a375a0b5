"""Opening the log of a chat that several machines share."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Callable
from functools import partial

from trionet.chat.cluster.entries import Settings
from trionet.chat.cluster.link import RedisLink
from trionet.chat.cluster.options import RedisOptions
from trionet.chat.cluster.redis_log import RedisLog
from trionet.chat.history.history import History, kept_of
from trionet.chat.state.events import StateEvent
from trionet.chat.state.operations import Restore


async def open_log(
    options: RedisOptions,
    *,
    settings: Settings,
    chat: str,
    restored: Restore | None,
    history: History | None,
    clock: Callable[[], int],
    tell: Callable[[str], object],
) -> RedisLog:
    """Wait for Redis, and load what the chat has there.

    Args:
        options: where Redis is.
        settings: what holds for all machines, if this is the first.
        chat: the epoch, if this is the first.
        restored: what the history has kept.
        history: gets what the stream still has, as far as it does not have it.
        clock: returns the time, in milliseconds since 1970, UTC.
        tell: called with one line for people.

    Raises:
        RedisError: Redis does not answer, or cannot be used.
    """

    def keep(events: list[StateEvent]) -> None:
        if history is None:
            return
        for event in kept_of(events):
            last = history.last(event.room)
            if last is not None and event.number > last + 1:
                history.lose(event.room, last, event.number)
            if event.number > (last or 0):
                history.append([event])

    log = RedisLog(
        options,
        partial(RedisLink, options.server),
        node=options.node or f"{socket.gethostname()[:64]}-{secrets.token_hex(4)}",
        settings=settings,
        chat=chat,
        restored=restored,
        clock=clock,
        tell=tell,
    )
    await log.load(keep)
    if history is not None:
        for room in log.replica.state.rooms.values():
            last = history.last(room.name.key)
            if last is not None and last < room.last:
                history.lose(room.name.key, last, room.last + 1)
    return log
