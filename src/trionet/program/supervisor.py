"""Tell the supervisor that started the program how it is, as systemd asks for (sd_notify(3)).

Each notification is one datagram to the socket that ``NOTIFY_SOCKET`` names. Without that variable
nobody asks, and nothing is sent.

The watchdog (``WATCHDOG_USEC``) is fed by a task of the event loop: a loop that hangs feeds it no
more, and the supervisor starts the program again.
"""

from __future__ import annotations

import logging
import os
import re
import socket
import time
from collections.abc import Callable, MutableMapping

import trio

from trionet.errors import system_reason
from trionet.text.safe import safe_text

VARIABLES = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")

# How often the number of connections is told anew, if it has changed.
_STATUS_SECONDS = 5.0

# A supervisor that takes nothing for this long does not hold the server up.
_SEND_SECONDS = 1.0

_MICROSECONDS = re.compile("[0-9]{1,18}")

logger = logging.getLogger("trionet.program")


class Supervisor:
    """Who started the program and wants to know how it is; made by `take_supervisor`.

    Args:
        address: its socket, a path or ``@NAME``; ``None``: nobody wants to know.
        watchdog: how many seconds may pass between two signs of life; ``None``: any number.
    """

    def __init__(self, address: str | None = None, watchdog: float | None = None) -> None:
        self._address = address
        self._watchdog = watchdog
        self._status: Callable[[], str] = str
        self._told = ""
        self._is_ready = False
        self._has_failed = False
        # Notifications arrive in the order in which they were made.
        self._turn = trio.StrictFIFOLock()

    async def ready(self, status: Callable[[], str]) -> None:
        """Say that everything listens.

        Args:
            status: returns what there is to say about the program, in a line; asked now and then.
        """
        self._status = status
        self._is_ready = True
        await self._send("READY=1", self._new_status(status()))

    async def reloading(self) -> None:
        """Say that a reload begins. Before the program is ready, and at its end, nobody asks."""
        if self._is_ready:
            # The supervisor compares the time with its own: it must be CLOCK_MONOTONIC.
            await self._send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    async def reloaded(self) -> None:
        """Say that the reload has ended."""
        if self._is_ready:
            await self.ready(self._status)

    async def stopping(self, status: str) -> None:
        """Say that the program is about to end, and how far that is."""
        self._is_ready = False
        await self._send("STOPPING=1", self._new_status(status))

    async def run(self) -> None:
        """Feed the watchdog and tell the status, until cancelled.

        Cancellation: loses nothing but the last status.
        """
        if self._address is None:
            return
        async with trio.open_nursery() as nursery:
            if self._watchdog is not None:
                nursery.start_soon(self._feed, self._watchdog / 2)
            while True:
                await trio.sleep(_STATUS_SECONDS)
                if (now := self._status()) != self._told:
                    await self._send(self._new_status(now))

    async def _feed(self, seconds: float) -> None:
        while True:
            await self._send("WATCHDOG=1")
            await trio.sleep(seconds)

    def _new_status(self, status: str) -> str:
        self._told = status
        return f"STATUS={safe_text(status)}"

    async def _send(self, *assignments: str) -> None:
        """Send one notification. One that cannot be sent is logged once, and ends nothing."""
        if self._address is None:
            return
        data = "\n".join(assignments).encode()
        where = self._address
        with trio.move_on_after(_SEND_SECONDS):
            async with self._turn:
                try:
                    with trio.socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
                        # Connected, because only then the kernel says when there is room.
                        await sock.connect("\0" + where[1:] if where[:1] == "@" else where)
                        await sock.send(data)
                except OSError as error:
                    if not self._has_failed:
                        self._has_failed = True
                        reason = system_reason(error)
                        logger.warning("cannot notify the supervisor at %s: %s", where, reason)


def take_supervisor(environ: MutableMapping[str, str] | None = None) -> Supervisor:
    """Read who wants to know how the program is, and remove the variables, so no child tells it.

    Args:
        environ: the environment; default: the process's own.
    """
    environ = os.environ if environ is None else environ
    address, watchdog, pid = (environ.pop(name, "") for name in VARIABLES)
    if address[:1] not in ("/", "@"):
        # There are none of another kind on one machine.
        return Supervisor()
    is_ours = pid in ("", str(os.getpid()))
    if is_ours and _MICROSECONDS.fullmatch(watchdog) and int(watchdog) > 0:
        return Supervisor(address, int(watchdog) / 1e6)
    return Supervisor(address)
