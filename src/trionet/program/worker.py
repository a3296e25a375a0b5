"""A worker's end of the link to its parent; see `trionet.program.worker_process` for the other.

The environment variable ``TRIONET_WORKER`` makes a process a worker. It says which number it has,
which descriptors listen on which address, and which descriptor leads to the parent.
"""

from __future__ import annotations

import _thread
import json
import os
import signal
import socket
import time
from collections.abc import Mapping, MutableMapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from trionet.metrics import Reading

VARIABLE = "TRIONET_WORKER"

READY = b"ready\n"

# How many bytes a line of numbers may have: 1 MiB. A usual one has some 6 KiB.
MAX_NUMBERS = 1 << 20

# How long a worker whose parent is gone may take beyond its drain. Then it is ended by force.
_BEYOND_DRAIN_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Worker:
    """What a worker has been told.

    Attributes:
        number: which of the workers it is, from 1 on.
        addresses: where it listens.
        opened: for each address the sockets of each time that it is listened on; see
            `trionet.SystemNetwork`.
        link: leads to the parent.
    """

    number: int
    addresses: Sequence[str]
    opened: Mapping[str, Sequence[Sequence[socket.socket]]]
    link: socket.socket

    def tell_ready(self) -> None:
        """Tell the parent that everything listens. Never a checkpoint."""
        # Without a parent there is nobody to tell, and the other end of the link says so.
        with suppress(OSError):
            self.link.sendall(READY)

    def end_with_parent(self, drain_seconds: float) -> None:
        """Drain when the parent is gone, whatever has ended it, and end by force if that hangs.

        It waits in a thread, because the event loop may hang. Call it once.

        Args:
            drain_seconds: how long a drain may take.
        """

        def wait() -> None:
            with suppress(OSError):
                while self.link.recv(64):
                    pass
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(drain_seconds + _BEYOND_DRAIN_SECONDS)
            os._exit(1)

        # Not by `threading`, which would wait for it at the end.
        _thread.start_new_thread(wait, ())


class NumbersTold:
    """Tells a parent the numbers of its worker, each time in a line of JSON.

    Args:
        link: leads to the parent.
    """

    def __init__(self, link: socket.socket) -> None:
        self._link = link
        # What the parent has not taken yet. It gets whole lines, so nothing else is told before.
        self._unsent = b""

    def tell(self, readings: Sequence[Reading]) -> None:
        """Tell the numbers, unless the parent has not taken the last ones yet. Never waits."""
        if not self._unsent:
            self._unsent = json.dumps(readings).encode() + b"\n"
        # Without a parent there is nobody to tell.
        with suppress(OSError):
            self._unsent = self._unsent[self._link.send(self._unsent, socket.MSG_DONTWAIT) :]


def numbers_of(line: bytes) -> list[Reading]:
    """Return the numbers that a worker has told in a line."""
    return [Reading(*fields) for fields in json.loads(line)]


def take_worker(environ: MutableMapping[str, str] | None = None) -> Worker | None:
    """Return what this process was told as a worker; ``None``: it is not a worker.

    The variable is removed, and the descriptors are not passed on, so that no child takes itself
    for the worker.

    Args:
        environ: the environment; default: the process's own.
    """
    environ = os.environ if environ is None else environ
    written = environ.pop(VARIABLE, None)
    if written is None:
        return None
    told = json.loads(written)
    opened: dict[str, list[list[socket.socket]]] = {}
    for address, descriptors in told["sockets"]:
        socks = [socket.socket(fileno=descriptor) for descriptor in descriptors]
        opened.setdefault(address, []).append(socks)
    link = socket.socket(fileno=told["link"])
    for sock in (link, *(one for each in opened.values() for socks in each for one in socks)):
        sock.set_inheritable(False)
    addresses = [address for address, _ in told["sockets"]]
    return Worker(told["number"], addresses, opened, link)


def variable_for(number: int, sockets: Sequence[tuple[str, Sequence[int]]], link: int) -> str:
    """Return the value of the variable for a worker.

    Args:
        number: which of the workers it is.
        sockets: addresses, each with its descriptors.
        link: the descriptor that leads to the parent.
    """
    return json.dumps({"number": number, "sockets": sockets, "link": link})
