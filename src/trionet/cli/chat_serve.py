"""What the `chat serve` command does: run a chat server."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from trionet import chat
from trionet.chat.cluster.options import RedisOptions
from trionet.chat.limits import DEFAULT_GRACE, DEFAULT_ROOMS, MEMORY
from trionet.cli.address_options import ListenSettings
from trionet.cli.browser import OpensPage
from trionet.cli.password import read_password
from trionet.cli.running import Runtime, serve_until_signalled
from trionet.cli.user_interface import (
    rows_printer,
)
from trionet.limits import Limits
from trionet.program.worker import Worker
from trionet.transport.network import SystemNetwork
from trionet.transport.shared import WorkerNetwork

logger = logging.getLogger("trionet.program")


async def serve(
    addresses: Sequence[str],
    runtime: Runtime,
    *,
    limits: Limits,
    network: ListenSettings,
    backlog: int | None,
    forever: bool,
    max_rooms: int = DEFAULT_ROOMS,
    history: str | Path = MEMORY,
    history_days: int | None = None,
    grace: float = DEFAULT_GRACE / 1000,
    show_messages: bool,
    quiet: bool,
    opens_browser: bool = False,
    password_file: Path | None = None,
    redis: RedisOptions | None = None,
    worker: Worker | None = None,
    metrics: str | None = None,
) -> None:
    """Run the server until it has ended or a signal ends it."""
    password = None if password_file is None else read_password(password_file)
    system = SystemNetwork(**network) if worker is None else WorkerNetwork(worker.opened, **network)
    # Only the first worker says what all of them would say.
    is_first = worker is None or worker.number == 1
    await serve_until_signalled(
        partial(
            chat.serve,
            *addresses,
            network=system,
            limits=limits,
            backlog=backlog,
            forever=forever,
            max_rooms=max_rooms,
            history=history,
            history_days=history_days,
            # The file has one writer.
            follows_history=not is_first,
            grace=grace,
            show=rows_printer(runtime.out, 1) if is_first and not quiet else None,
            show_messages=show_messages,
            password=password,
            redis=redis,
            on_log=runtime.err.print if is_first else None,
        ),
        runtime,
        network=system,
        worker=worker,
        drain_seconds=limits.drain_seconds,
        # The first name reads a table, which takes 3 to 15 ms.
        prepare=lambda: chat.parse_name("anyone").skeletons,
        metrics=metrics,
        on_announced=OpensPage(_log_no_browser) if opens_browser else lambda _line: None,
    )


def _log_no_browser(told: str) -> None:
    logger.warning("%s", told, extra={"event": "browser"})
