"""What a server does about the signals that end it or have it reload."""

from __future__ import annotations

import logging
import signal
from functools import partial

import pytest
import trio

import trionet
from trionet.errors import TrionetError
from trionet.program.serving import serve_until_signalled
from trionet.program.signals import Ending
from trionet.server import Server
from trionet.testing import MemoryNetwork

PATIENCE = 60


class Reloads:
    """A network that has something to reload, has nothing, or fails to reload it."""

    def __init__(self, outcome: bool | Exception) -> None:
        self.outcome = outcome
        self.reloads = 0

    def reload(self) -> bool:
        self.reloads += 1
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


@pytest.mark.parametrize(
    ("network", "told"),
    [
        (Reloads(True), "the certificate was reloaded"),
        (Reloads(False), "SIGHUP: nothing to reload, going on"),
        (MemoryNetwork(), "SIGHUP: nothing to reload, going on"),
        (
            Reloads(FileNotFoundError(2, "No such file or directory")),
            "cannot reload the certificate, the old one stays: no such file or directory",
        ),
        (
            Reloads(TrionetError("key.pem: it does not fit\x1b")),
            "cannot reload the certificate, the old one stays: key.pem: it does not fit\x1b",
        ),
    ],
)
async def test_after_sighup_the_server_reloads_and_goes_on(
    network: object, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "trionet.program")
    ending = Ending()
    shown: list[str] = []

    async def serve(task_status: trio.TaskStatus[Server]) -> None:
        await trionet.serve(_hear, "127.0.0.1:7", network=MemoryNetwork(), task_status=task_status)

    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(
                partial(
                    serve_until_signalled,
                    [serve], ending, show=shown.append, networks=[network],
                )
            )  # fmt: skip
            while not shown:
                await trio.lowlevel.checkpoint()
            ending.take(signal.SIGHUP)
            while len(caplog.records) < 2:
                await trio.lowlevel.checkpoint()
            assert shown == ["listening on 127.0.0.1:7"]
            listening, reload = caplog.records
            assert listening.__dict__["event"] == "listening"
            assert listening.getMessage() == "listening on 127.0.0.1:7"
            assert (reload.__dict__["event"], reload.getMessage()) == ("reload", told)
            assert reload.levelno == (logging.ERROR if "cannot" in told else logging.INFO)
            assert not nursery.cancel_scope.cancel_called
            ending.take(signal.SIGTERM)


async def _hear(connection: trionet.Connection) -> None:
    async for _ in connection.lines:
        pass
