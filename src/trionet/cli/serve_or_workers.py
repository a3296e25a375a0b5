"""What the serve commands share: who listens where, and whether this process or workers serve.

With ``--workers`` the same command runs in several processes. The parent has no server of its
own: it listens, and starts workers. A worker serves on the sockets that its parent passed to it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from trionet.cli.address_arguments import where_to_listen
from trionet.cli.address_options import ListenSettings

if TYPE_CHECKING:
    from trionet.cli.running import Runtime
    from trionet.limits import Limits
    from trionet.program.log_format import LogOptions
    from trionet.program.worker import Worker


def take_place(
    addresses: Sequence[str] | None,
    default: str,
    *,
    workers: int | None,
    taken: Sequence[str | None],
) -> tuple[Worker | None, list[str]]:
    """Return which worker this process is, if it is one, and where it listens.

    A worker listens where its parent does, whatever the command line says: the parent has checked
    the addresses and opened the sockets.

    Args:
        addresses: those given.
        default: where to listen if none is given.
        workers: the value of ``--workers``.
        taken: see `trionet.cli.address_arguments.where_to_listen`.

    Raises:
        typer.BadParameter: an address cannot be read, or a socket is to serve two purposes.
    """
    if workers is not None:
        from trionet.program.worker import take_worker

        if (worker := take_worker()) is not None:
            return worker, [*worker.addresses]
    return None, where_to_listen(addresses, [default], taken=taken)


def run_server(
    load: Callable[[], Callable[[Runtime], Awaitable[object]]],
    where: Sequence[str],
    *,
    worker: Worker | None,
    workers: int | None,
    limits: Limits,
    network: ListenSettings,
    backlog: int | None,
    metrics: str | None,
    log: LogOptions,
    notice: str | None = None,
    opens_browser: bool = False,
) -> None:
    """Run a server in this process, or run workers, and exit with its status.

    Args:
        load: imports and returns what serves. The parent of workers never calls it, so it does
            not load the service.
        where: where to listen.
        worker: which worker this process is; ``None``: it is not a worker.
        workers: the value of ``--workers``.
        limits: see `trionet.cli.workers.serve_by_workers`, as for all that follow.
        network: what goes with the addresses.
        backlog: connections that the kernel holds ready.
        metrics: where the parent serves the metrics of all workers.
        log: how this process logs.
        notice: what the log says about the number of workers.
        opens_browser: whether the parent opens the page in a person's browser.

    Raises:
        Ended: signals have ended the command.
        typer.Exit: in all other cases.
    """
    from trionet.cli.running import run

    if workers is None or worker is not None:
        run(load(), log=log)
        return

    from trionet.cli.workers import serve_by_workers

    run(
        partial(
            serve_by_workers,
            where,
            count=workers,
            limits=limits,
            network=network,
            backlog=backlog,
            metrics=metrics,
            notice=notice,
            opens_browser=opens_browser,
        ),
        log=log,
    )
