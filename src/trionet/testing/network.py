"""A network held in memory: real listeners and streams, no socket, time from the Trio clock."""

from __future__ import annotations

import errno
import os
import random
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import cast

import trio

from trionet.abc import Listener
from trionet.argument_checks import check_backlog, check_kind, check_kinds
from trionet.errors import ConnectError, ListenError, TrionetError
from trionet.testing.links import Link, check_link, cut_at_random
from trionet.testing.streams import MemoryStream, memory_stream_pair
from trionet.transport.addresses import (
    RemoteAddress,
    TCPAddress,
    UnixAddress,
    WebAddress,
    parse_address,
)
from trionet.transport.network import DEFAULT_BACKLOG, import_web
from trionet.transport.web.settings import WebSettings

# The range of ports that most systems pick from, for listeners and for clients.
_FIRST_FREE_PORT = 49152
_LAST_PORT = 65535

# All interfaces of IPv4, and of IPv6.
_WILDCARDS = ("0.0.0.0", "::")


class MemoryNetwork:
    """A network for tests: give it to `trionet.serve` and to clients as their ``network``.

    Addresses are written and shown as on the real network: ``localhost`` has both families, port 0
    picks a free port, and it is an error to listen on a port in use or to connect to a port where
    nobody listens.

    Args:
        link: what connections are like unless `connect` says otherwise; default ``Link()``.
        seed: the seed of all random choices, a number; default 0.
        web: what ``web:`` listeners serve; default: no files. See `trionet.SystemNetwork`.

    Attributes:
        streams: the client's end of every connection so far, in order.
    """

    def __init__(
        self, *, link: Link | None = None, seed: int = 0, web: WebSettings | None = None
    ) -> None:
        check_link("link", link)
        check_kinds(seed=(seed, int))
        if web is not None:
            check_kind("web", web, WebSettings, hint="trionet.WebSettings(...)")
        self._web = web or WebSettings()
        self._link = link or Link()
        self._seed = seed
        self._random = random.Random(seed)
        self._listeners: dict[str, MemoryListener] = {}
        self._next_port = _FIRST_FREE_PORT
        self._connected = trio.lowlevel.ParkingLot()
        self._is_partitioned = False
        self.streams: list[MemoryStream] = []

    def __repr__(self) -> str:
        listening = ", ".join(self._listeners) or "nothing"
        state = ", partitioned" if self._is_partitioned else ""
        return (
            f"<{type(self).__name__} listening on {listening}: "
            f"{len(self.streams)} connections made{state}>"
        )

    async def listen(self, address: str, *, backlog: int | None = None) -> Sequence[Listener]:
        """Listen on every address that `address` stands for, and return the listeners.

        It does what `trionet.SystemNetwork.listen` does.

        Args:
            address: a TCP address or a Unix socket's, or ``web:`` before TCP; port 0 picks a
                free one.
            backlog: how many connections wait until they are accepted; default 4,096.

        Raises:
            AddressError: `address` cannot be read.
            ListenError: the address is in use, or is neither TCP nor a Unix socket, nor ``web:``
                before TCP.

        Cancellation: nothing is listened on. Always a checkpoint.

        Resource handling: the caller closes the listeners.
        """
        check_backlog(backlog)
        where = parse_address(address)
        if isinstance(where, WebAddress):
            web = import_web()
            listeners = await self.listen(str(where.below), backlog=backlog)
            return [web.WebListener(listener, self._web) for listener in listeners]
        await trio.lowlevel.checkpoint()
        shown = self._numeric(address)
        if any(one in self._listeners for one in shown):
            raise ListenError(f"cannot listen on {address}: {_words(errno.EADDRINUSE)}")
        capacity = DEFAULT_BACKLOG if backlog is None else backlog
        made = [MemoryListener(self, one, backlog=capacity) for one in shown]
        self._listeners.update((listener.address, listener) for listener in made)
        return made

    async def connect(
        self,
        address: str,
        *,
        source: str = "127.0.0.1",
        link: Link | None = None,
        back: Link | None = None,
    ) -> MemoryStream:
        """Connect to a listener on `address`; see `trionet.SystemNetwork.connect`.

        With a ``web:`` address it asks for a WebSocket, and returns a stream of lines over it; the
        stream under that is in `streams`. A test of HTTP connects to the address without ``web:``.

        Args:
            address: see `trionet.parse_address`; without a host it means localhost.
            source: the host that the connection comes from, as the server sees it; default
                127.0.0.1.
            link: what this connection is like; default the network's link.
            back: what it is like from the server to the client; default as `link`.

        Raises:
            TypeError: `source` is not a text, or a link is not a `Link`.
            AddressError: `address` cannot be read.
            ConnectError: nobody listens there, or it is neither TCP, a Unix socket, nor ``web:``
                before TCP; or the server grants no WebSocket.

        Cancellation: leaves nothing behind. Always a checkpoint.

        Resource handling: the caller closes the stream.
        """
        if not isinstance(source, str):
            raise TypeError(f"source must be a host such as '10.0.0.7', not {source!r}")
        check_link("link", link)
        check_link("back", back)
        web = parse_address(address)
        if isinstance(web, WebAddress):
            transport = await self.connect(str(web.below), source=source, link=link, back=back)
            return await _ask_for_web_socket(transport, web)
        link = link or self._link
        back = back or link
        # A handshake takes a round trip.
        await trio.sleep(link.latency + back.latency)
        while self._is_partitioned:
            await self._connected.park()
        listener = self._find(address)
        if listener is None:
            raise ConnectError(f"cannot connect to {address}: {_words(errno.ECONNREFUSED)}")
        here: RemoteAddress = TCPAddress(source, self._pick_port())
        where = parse_address(listener.address)
        if isinstance(where, UnixAddress):
            # As in the kernel: the client of a Unix socket has no address of its own.
            here = where
        ours, theirs = memory_stream_pair(link, back, names=(str(here), listener.address))
        theirs.remote = here
        await listener.offer(theirs)
        if self._is_partitioned:
            # The partition began while this connection waited for a place in the backlog.
            ours.stall()
        self.streams.append(ours)
        return ours

    def random_link(self, *, capacity: int = 64, latency: float = 0.0) -> Link:
        """Return a link that cuts input at random places, repeatable by the network's seed.

        Args:
            capacity: see `Link`; default 64 bytes, so that senders often wait.
            latency: see `Link`; default 0 seconds.
        """
        number = self._random.getrandbits(32)
        counter = iter(range(1 << 30))
        return Link(
            capacity=capacity,
            latency=latency,
            cut=lambda: cut_at_random(f"{number}:{next(counter)}"),
        )

    def partition(self) -> None:
        """Let nothing arrive anywhere until `heal`. As on TCP, nothing is lost."""
        self._is_partitioned = True
        for stream in self.streams:
            stream.stall()

    def heal(self) -> None:
        """End a partition, and deliver what it held back."""
        self._is_partitioned = False
        for stream in self.streams:
            stream.resume()
        self._connected.unpark_all()

    def _find(self, address: str) -> MemoryListener | None:
        where = _parse(address, ConnectError, "connect to")
        if isinstance(where, UnixAddress):
            return self._listeners.get(str(where))
        for host in _hosts(where):
            for bound in (host, _WILDCARDS[":" in host]):
                found = self._listeners.get(str(TCPAddress(bound, where.port)))
                if found is not None:
                    return found
        return None

    def _numeric(self, address: str) -> list[str]:
        where = _parse(address, ListenError, "listen on")
        if isinstance(where, UnixAddress):
            return [str(where)]
        port = where.port or self._pick_port()
        hosts = list(_WILDCARDS) if not where.host else _hosts(where)
        return [str(TCPAddress(host, port)) for host in hosts]

    def _pick_port(self) -> int:
        in_use = {address.rpartition(":")[2] for address in self._listeners}
        while True:
            port = self._next_port
            self._next_port = _FIRST_FREE_PORT if port == _LAST_PORT else port + 1
            if str(port) not in in_use:
                return port

    def forget(self, address: str) -> None:
        """Free an address. A listener calls this when it is closed."""
        self._listeners.pop(address, None)


class MemoryListener(trio.abc.Listener[MemoryStream]):
    """A listener of a `MemoryNetwork`, which makes it.

    Args:
        network: the network.
        address: the display address.
        backlog: how many connections may wait.

    Attributes:
        address: its own display address.

    Resource handling: `aclose` stops it; what waits to be accepted is reset.
    """

    def __init__(self, network: MemoryNetwork, address: str, *, backlog: int) -> None:
        check_kind("network", network, MemoryNetwork, hint="MemoryNetwork()")
        check_kinds(address=(address, str), backlog=(backlog, int))
        self._network = network
        # Linux, too, holds one more than the backlog.
        self._capacity = backlog + 1
        self._queue: deque[MemoryStream] = deque()
        self._accepters = trio.lowlevel.ParkingLot()
        self._connecters = trio.lowlevel.ParkingLot()
        self._closed = False
        self.address = address

    def __repr__(self) -> str:
        state = "closed" if self._closed else f"{len(self._queue)} waiting"
        return f"<{type(self).__name__} on {self.address}: {state}>"

    async def offer(self, stream: MemoryStream) -> None:
        """Put a connection in the queue, waiting while the backlog is full.

        Args:
            stream: the server's end.

        Raises:
            ConnectError: the listener is closed; the connection was reset.

        Cancellation: the connection is not in the queue.
        """
        await trio.lowlevel.checkpoint()
        while len(self._queue) >= self._capacity and not self._closed:
            await self._connecters.park()
        if self._closed:
            stream.reset()
            raise ConnectError(f"cannot connect to {self.address}: {_words(errno.ECONNREFUSED)}")
        self._queue.append(stream)
        self._accepters.unpark()

    async def accept(self) -> MemoryStream:
        """Wait for a connection and return it.

        Raises:
            trio.ClosedResourceError: the listener was closed.

        Cancellation: no connection is lost.
        """
        await trio.lowlevel.checkpoint()
        while True:
            with suppress(trio.WouldBlock):
                return self.accept_nowait()
            await self._accepters.park()

    def accept_nowait(self) -> MemoryStream:
        """Return a connection from the queue. Never a checkpoint.

        Raises:
            trio.WouldBlock: the queue is empty.
            trio.ClosedResourceError: the listener was closed.
        """
        if self._closed:
            raise trio.ClosedResourceError("the listener is closed")
        if not self._queue:
            raise trio.WouldBlock
        self._connecters.unpark()
        return self._queue.popleft()

    async def aclose(self) -> None:
        """Stop listening, and reset the connections in the queue, as TCP does.

        Always a checkpoint.

        Cancellation: the listener is closed all the same.
        """
        if not self._closed:
            self._closed = True
            self._network.forget(self.address)
            for stream in self._queue:
                stream.reset()
            self._queue.clear()
            self._accepters.unpark_all()
            self._connecters.unpark_all()
        await trio.lowlevel.checkpoint()


async def _ask_for_web_socket(transport: MemoryStream, where: WebAddress) -> MemoryStream:
    import_web()
    from trionet.transport.web.client import open_web_socket

    try:
        stream = await open_web_socket(transport, where.tcp)
    except trio.BrokenResourceError as error:
        transport.close()
        raise ConnectError(f"cannot connect to {where}: {error}") from error
    except BaseException:
        transport.close()
        raise
    # It has no `stall` and `reset`: those are below. Nearly every test wants the other kind, and
    # should not have to say so.
    return cast(MemoryStream, stream)


def _parse(address: str, error: type[TrionetError], doing: str) -> TCPAddress | UnixAddress:
    """Read an address. Memory stands in for TCP and Unix sockets, and every other kind is refused.

    TLS is too: a service does the same with it and without, and in memory there is nobody to hide
    from. So a new kind of address needs no change here.
    """
    where = parse_address(address)
    if isinstance(where, TCPAddress | UnixAddress):
        return where
    kind = str(where).partition(":")[0].upper()
    raise error(f"cannot {doing} {address}: a network in memory has no {kind}")


def _hosts(where: TCPAddress) -> list[str]:
    return ["127.0.0.1", "::1"] if where.host in ("", "localhost") else [where.host]


def _words(number: int) -> str:
    return os.strerror(number).lower()
