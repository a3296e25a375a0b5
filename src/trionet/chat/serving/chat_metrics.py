"""What a chat tells of itself in numbers, besides what its server and its hub tell. Pure.

No member's name and no room's is a label: there may be any number of them, and they are nobody
else's business.
"""

from __future__ import annotations

from trionet.chat.history.kept import Backlog, History
from trionet.chat.state.state import State
from trionet.metrics import Reading


def readings_of(state: State, history: History | None) -> list[Reading]:
    """Return what can be told of a chat now. Never a checkpoint.

    Args:
        state: the chat's.
        history: the chat's; ``None``: it keeps none.
    """
    backlog = Backlog() if history is None else history.backlog()
    return [
        Reading.gauge("trionet_members", "Members, with held ones.", len(state.members)),
        Reading.gauge(
            "trionet_members_held",
            "Members without a connection, whose place is held.",
            state.held_count,
        ),
        Reading.gauge(
            "trionet_rooms", "Rooms that have members or a topic, and the lobby.", len(state.rooms)
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
