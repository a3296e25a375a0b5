"""What a chat tells of itself in numbers, besides what its server and its hub tell. Pure.

No member's name and no room's is a label: there may be any number of them, and they concern nobody
else.
"""

from __future__ import annotations

from trionet.chat.cluster.statistics import LogStatistics
from trionet.chat.history.history import Backlog, History
from trionet.chat.state.state import State
from trionet.metrics import Combine, Reading


def readings_of(state: State, history: History | None, *, is_shared: bool = False) -> list[Reading]:
    """Return what can be told of a chat now. Never a checkpoint.

    Args:
        state: the chat's.
        history: the chat's; ``None``: it keeps none.
        is_shared: whether other servers have the same state, so that theirs are not added up.
    """
    combine: Combine = "max" if is_shared else "sum"
    backlog = Backlog() if history is None else history.backlog()
    return [
        Reading.gauge(
            "trionet_members", "Members, with held ones.", len(state.members), combine=combine
        ),
        Reading.gauge(
            "trionet_members_held",
            "Members without a connection, whose place is held.",
            state.held_count,
            combine=combine,
        ),
        Reading.gauge(
            "trionet_rooms",
            "Rooms that have members or a topic, and the lobby.",
            len(state.rooms),
            combine=combine,
        ),
        Reading.gauge(
            "trionet_history_memory_bytes",
            "What the newest events take in memory.",
            backlog.memory,
        ),
        Reading.gauge(
            "trionet_history_unwritten_messages",
            "Messages that are not in the history's file yet.",
            backlog.messages,
        ),
        Reading.gauge(
            "trionet_history_lag_seconds",
            "How long the oldest of them has been waiting.",
            backlog.seconds,
            combine="max",
        ),
    ]


def readings_of_log(log: LogStatistics) -> list[Reading]:
    """Return what can be told of a log in Redis. Never a checkpoint.

    Args:
        log: how it is doing.
    """
    return [
        Reading.gauge(
            "trionet_redis_available",
            "Whether Redis takes what is written: 1 or 0.",
            int(log.available),
            combine="min",
        ),
        Reading.gauge(
            "trionet_redis_lag_seconds",
            "How old the newest entry of the stream was when it was applied here.",
            log.lag,
            combine="max",
        ),
        Reading.gauge(
            "trionet_redis_pending_bytes",
            "What has been said here and is not in the stream yet.",
            log.pending_bytes,
        ),
        Reading.counter(
            "trionet_redis_entries_total", "Entries of the stream that were applied.", log.entries
        ),
        Reading.counter(
            "trionet_redis_resends_total", "Entries that were sent again.", log.resends
        ),
        Reading.counter(
            "trionet_redis_resyncs_total",
            "How often the server had to find its place in the stream again.",
            log.resyncs,
        ),
        Reading.gauge(
            "trionet_redis_nodes",
            "Servers and workers that share the chat.",
            log.nodes,
            combine="max",
        ),
    ]
