"""Accept connections on all listeners of a server, and stop doing so when it drains.

- All connections that are waiting are accepted in one go. A listener first accepts and then waits
  for a free place: a place taken before ``accept`` would be kept from the other listeners. So each
  listener parks one connection at most.
- At a drain, the connections in the kernel's queues are answered before their listeners are closed.
  Listeners for browsers go on accepting, and tell everybody that the server is closing. The queue
  of an inherited socket is left alone: the next server accepts it.

What becomes of a connection is the server's business (`trionet.running_server`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, suppress
from typing import cast

import trio

from trionet.abc import AnswersWhileDraining, Listener, OutlivesServer
from trionet.connection.connection_places import Places
from trionet.connection.guarded_accept import Accepting
from trionet.notices import Notice, ServerClosing
from trionet.transport.network import DEFAULT_BACKLOG
from trionet.type_checks import shown
from trionet.user_faults import FaultLog

# Connections accepted between two checkpoints: some 9 ms in which no other task runs. That many
# come at once only when a crowd does. With fewer, a hub would make more and smaller batches: with
# 64, it takes a fifth longer until a thousand members all know of each other.
_ACCEPTS_AT_ONCE = 256

# At a drain, at most this many connections in the queue of each listener are answered (as many as
# it holds by default), and all of them within this many seconds (enough for them). Without a
# bound, newcomers that never cease would keep the server from ending: one that accepts as fast as
# it can never sees the queue empty.
_TURNED_AWAY_AT_ONCE = DEFAULT_BACKLOG
_TURNING_AWAY_SECONDS = 0.25


class Acceptors:
    """Accepts on the listeners of one server.

    Args:
        listeners: where.
        places: the server's.
        waits: whether a connection waits for a free place; otherwise `begin` refuses it.
        begin: called with each connection and the nursery for its task: serves it, or turns it
            away.
        turn_away: called with each connection that comes too late, because the server drains, with
            the notice of that and the nursery.
        faults: where the faults of listeners are logged.
    """

    __slots__ = ("_begin", "_faults", "_listeners", "_places", "_turn_away", "_waits")

    def __init__(
        self,
        listeners: Sequence[Listener],
        places: Places,
        *,
        waits: bool,
        begin: Callable[[trio.abc.Stream, trio.Nursery], object],
        turn_away: Callable[[trio.abc.Stream, Notice, trio.Nursery], object],
        faults: FaultLog,
    ) -> None:
        self._listeners = listeners
        self._places = places
        self._waits = waits
        self._begin = begin
        self._turn_away = turn_away
        self._faults = faults

    async def accept_until(
        self, draining: trio.Event, handlers: trio.Nursery, started: Callable[[], object]
    ) -> None:
        """Accept until an event is set. Then answer those who are too late, and close.

        Args:
            draining: the event.
            handlers: where the tasks of the connections run.
            started: called once connections are being accepted.

        Cancellation: closes all listeners, and answers nobody.
        """
        try:
            async with trio.open_nursery() as acceptors:
                for listener in self._listeners:
                    acceptors.start_soon(self._accept, listener, handlers)
                started()
                await draining.wait()
                for listener in self._listeners:
                    if hasattr(listener, "begin_drain"):
                        cast(AnswersWhileDraining, listener).begin_drain()
                acceptors.cancel_scope.cancel()
            self._turn_queues_away(handlers)
        finally:
            others = [one for one in self._listeners if not _answers_while_draining(one)]
            try:
                await close_all(others if draining.is_set() else self._listeners)
            except Exception as error:
                # It does not concern those who are being served.
                self._faults.report(error, close_all, "a listener could not be closed")

    async def answer_while_draining(self) -> None:
        """Go on answering requests, such as those about the server's health, until cancelled."""
        async with trio.open_nursery() as nursery:
            for listener in self._listeners:
                if _answers_while_draining(listener):
                    nursery.start_soon(self._answer_all, listener, nursery)

    async def _answer_all(self, listener: Listener, nursery: trio.Nursery) -> None:
        accepting = Accepting(listener, self._faults)
        try:
            while True:
                self._turn_away(await accepting.accept(), ServerClosing(), nursery)
        finally:
            await close_all([listener])

    async def _accept(self, listener: Listener, handlers: trio.Nursery) -> None:
        """Accept on one listener until cancelled, and start a task for each connection."""
        accepting = Accepting(listener, self._faults)
        while True:
            if self._waits and (_is_inherited(listener) or getattr(listener, "is_shared", False)):
                # A drain turns away whoever is accepted and waits here for a place, but not those
                # still in the queue. Besides, another process may have a place.
                await self._places.wait_possible()
            stream = await accepting.accept()
            await self._wait_vacancy(stream, handlers)
            self._begin(stream, handlers)
            with suppress(trio.WouldBlock):
                for _ in range(_ACCEPTS_AT_ONCE):
                    if self._waits and self._places.are_taken:
                        break
                    self._begin(accepting.accept_nowait(), handlers)

    async def _wait_vacancy(self, stream: trio.abc.Stream, handlers: trio.Nursery) -> None:
        if not self._waits:
            return
        try:
            await self._places.wait_vacancy()
        except trio.Cancelled:
            self._turn_away(stream, ServerClosing(), handlers)
            raise

    def _turn_queues_away(self, handlers: trio.Nursery) -> None:
        """Answer the connections in the kernel's queues: closing a listener would reset them."""
        until = trio.current_time() + _TURNING_AWAY_SECONDS
        for listener in self._listeners:
            if _is_inherited(listener):
                continue
            with suppress(trio.WouldBlock, trio.ClosedResourceError):
                accepting = Accepting(listener, self._faults)
                for _ in range(_TURNED_AWAY_AT_ONCE):
                    self._turn_away(accepting.accept_nowait(), ServerClosing(), handlers)
                    if trio.current_time() > until:
                        break


def _is_inherited(listener: Listener) -> bool:
    """Tell whether a listener's queue is another server's after this one."""
    return hasattr(listener, "is_inherited") and cast(OutlivesServer, listener).is_inherited


def _answers_while_draining(listener: Listener) -> bool:
    return hasattr(listener, "begin_drain") and not _is_inherited(listener)


def check_listeners(listeners: object) -> None:
    """Refuse what is not a list of listeners.

    Raises:
        TypeError: it is not one.
    """
    if not isinstance(listeners, Sequence) or not all(
        hasattr(listener, "accept_nowait") for listener in listeners
    ):
        raise TypeError(
            "listeners must be a list of listeners: write await network.listen(address), "
            f"not {shown(listeners)}"
        )


async def close_all(listeners: Sequence[Listener]) -> None:
    """Close listeners, also when cancelled, and all of them although closing one raises."""
    # Shielded, because closing waits for nothing, and each must be closed.
    with trio.CancelScope(shield=True):
        async with AsyncExitStack() as stack:
            for listener in reversed(listeners):
                stack.push_async_callback(listener.aclose)
