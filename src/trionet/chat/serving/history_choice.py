"""Which history a chat keeps: in memory, in a file, or none."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from math import inf
from pathlib import Path

from trionet.chat.history.history import History
from trionet.chat.history.memory import MemoryHistory
from trionet.chat.limits import MEMORY, NONE
from trionet.chat.state.operations import Restore
from trionet.text.safe import safe_text

logger = logging.getLogger("trionet.chat")


@asynccontextmanager
async def keep_history(
    where: str | Path,
    *,
    days: int | None,
    follows: bool = False,
    stop_by: Callable[[], float] = lambda: inf,
) -> AsyncIterator[tuple[History | None, Restore | None]]:
    """Keep a history while the block runs.

    Args:
        where: `memory`, `none`, or the path of a file.
        days: for how many days a file keeps events; ``None``: for ever.
        follows: whether another process writes the file, so that it is only read.
        stop_by: see `file_history.open_history`.

    Yields:
        The history, and what the chat goes on from, if a file has something.

    Raises:
        trionet.chat.HistoryError: the file cannot be used; it was not changed.
    """
    if where == NONE:
        yield None, None
    elif where == MEMORY:
        yield MemoryHistory(), None
    elif follows:
        # It loads SQLite.
        from trionet.chat.history.followed_history import follow_history

        async with follow_history(Path(where), days=days) as followed:
            yield followed, None
    else:
        from trionet.chat.history.file_history import open_history

        async with open_history(Path(where), days=days, stop_by=stop_by, tell=_log) as history:
            yield history, history.restored


def _log(told: str) -> None:
    # It names the file, and any bytes can be in a file's name.
    logger.warning("%s", safe_text(told), extra={"event": "history"})
