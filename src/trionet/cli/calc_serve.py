"""What the `calc serve` command does: run a calculator server."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from trionet import calc
from trionet.cli.address_options import ListenSettings
from trionet.cli.running import Runtime, serve_until_signalled
from trionet.cli.user_interface import rows_printer
from trionet.limits import Limits
from trionet.program.worker import Worker
from trionet.transport.network import SystemNetwork
from trionet.transport.shared import WorkerNetwork


async def serve(
    addresses: Sequence[str],
    runtime: Runtime,
    *,
    limits: Limits,
    network: ListenSettings,
    backlog: int | None,
    once: bool,
    precision: int,
    quiet: bool,
    metrics: str | None = None,
    worker: Worker | None = None,
) -> None:
    """Run the server until it has ended or a signal ends it."""
    system = SystemNetwork(**network) if worker is None else WorkerNetwork(worker.opened, **network)
    await serve_until_signalled(
        partial(
            calc.serve,
            *addresses,
            network=system,
            limits=limits,
            backlog=backlog,
            once=once,
            precision=precision,
            show=None if quiet else rows_printer(runtime.out, 1),
        ),
        runtime,
        network=system,
        metrics=metrics,
        worker=worker,
        drain_seconds=limits.drain_seconds,
    )
