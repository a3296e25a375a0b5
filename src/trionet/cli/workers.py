"""What a serve command with `--workers` does in the parent; see `trionet.program.workers`."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from functools import partial

from trionet.cli.address_options import ListenSettings
from trionet.cli.browser import OpensPage
from trionet.cli.running import Runtime
from trionet.cli.user_interface import rows_printer
from trionet.limits import Limits
from trionet.program import serving
from trionet.program.signals import Ending
from trionet.program.workers import Workers, run_workers


async def serve_by_workers(
    addresses: Sequence[str],
    runtime: Runtime,
    *,
    count: int,
    limits: Limits,
    network: ListenSettings,
    backlog: int | None,
    metrics: str | None = None,
    notice: str | None = None,
    opens_browser: bool = False,
) -> None:
    """Run workers until they have ended or a signal ends them.

    Args:
        addresses: where they serve.
        runtime: the outputs and signals.
        count: how many there are.
        limits: those of each worker.
        network: what goes with the addresses.
        backlog: connections that the kernel holds ready, for each worker.
        metrics: where the metrics of all of them are served, ``HOST:PORT``; default: nowhere.
        notice: what the log says about their number; default: that limits are each worker's.
        opens_browser: whether the page is opened in a person's browser; default: no.
    """
    opens_page = OpensPage(runtime.log) if opens_browser else None
    runtime.signals.ending = ending = Ending()
    made = _Made()
    notice = notice or "each limit holds for each of them"
    runtime.log(f"{count} worker{'' if count == 1 else 's'}: {notice}")

    def show(line: str) -> None:
        runtime.out.print(line)
        if opens_page is not None:
            opens_page(line)

    await serving.serve_until_signalled(
        [
            partial(
                run_workers,
                addresses,
                count=count,
                backlog=backlog,
                unix_mode=network["unix_mode"],
                drain_seconds=limits.drain_seconds,
                reloads=network["certificate"] is not None,
                show=rows_printer(runtime.out, 1),
                show_error=rows_printer(runtime.err, 2),
                on_made=made.take,
            )
        ],
        ending,
        show=show,
        networks=[made],
        metrics=metrics,
        show_state=made.show_state,
    )


class _Made:
    """Takes signals for the workers, because a signal may come before there are any."""

    def __init__(self) -> None:
        self._workers: Workers | None = None

    def take(self, workers: Workers) -> None:
        self._workers = workers

    def reload(self) -> bool:
        """Have the workers reload; return whether they have anything to reload."""
        return self._workers is not None and self._workers.reload()

    def show_state(self, _own: object) -> None:
        """Have the workers log their state. The parent's own state says nothing."""
        if self._workers is not None:
            self._workers.send_signal(signal.SIGUSR1)
