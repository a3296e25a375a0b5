"""The chat as a service: one session for each connection, and a hub between them.

The hub outlives the connections, because handlers append leave notices in a ``finally``, and these
must still be delivered. `LastWords` makes a drain say good-bye only after everything that was
received has been said.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from secrets import token_hex, token_urlsafe
from time import monotonic, time_ns

import trio

from trionet.abc import Network
from trionet.argument_checks import check_flag, check_kind, shown
from trionet.chat.cluster.entries import Settings
from trionet.chat.cluster.options import RedisError, RedisOptions
from trionet.chat.cluster.statistics import LogStatistics
from trionet.chat.formats import json_lines
from trionet.chat.formats.answers import Event
from trionet.chat.formats.formats import is_json
from trionet.chat.formats.wire_format import WireFormat, check_format
from trionet.chat.limits import (
    DEFAULT_GRACE,
    DEFAULT_ROOMS,
    GRACE_SECONDS,
    HISTORY_DAYS,
    MEMORY,
    OPEN_ROOM,
    ROOMS,
)
from trionet.chat.serving.chat_metrics import readings_of, readings_of_log
from trionet.chat.serving.console import Console, encode_everything, encode_notices
from trionet.chat.serving.drain import LastWords
from trionet.chat.serving.format_detection import Door
from trionet.chat.serving.handling import Chat, is_held
from trionet.chat.serving.held_places import HeldPlaces
from trionet.chat.serving.history_choice import keep_history
from trionet.chat.serving.running_log import run_log
from trionet.chat.serving.steady_clock import SteadyClock
from trionet.chat.serving.timer import Timer
from trionet.chat.session.passwords import Password, check_password
from trionet.chat.session.switchboard import Switchboard
from trionet.chat.state.operations import Evict
from trionet.chat.state.state import State
from trionet.connection.first_line import Opening
from trionet.connection.when_slow import WhenSlow
from trionet.errors import AddressError, ListenError
from trionet.events import ServerEvent
from trionet.fanout.hub import Hub
from trionet.function_checks import check_callback
from trionet.limits import Limits
from trionet.metrics import Reading
from trionet.nurseries import single_error
from trionet.server import Server, check_serving
from trionet.server import serve as serve_lines
from trionet.transport.network import SYSTEM
from trionet.user_faults import FaultLog

logger = logging.getLogger("trionet.chat")

# 128 bits: nobody can guess a token.
_TOKEN_BYTES = 16

# What people are told if the other servers do not learn everything.
_NOT_WRITTEN = (
    "Redis did not take the last of it: %d operations of this server's members may be lost, such as"
    " messages"
)

# How long Redis may take to get the last of it once the handlers have ended, in seconds, if the
# drain left no more time; how long that and the rest may take together (the console and a history
# file); and how long this rest has if Redis took all the time. It has to be less than a second with
# the end of the process, of which a busy machine has taken 0.25 s (L45).
_LAST_OF_REDIS = 0.4
_LAST_OF_ALL = 0.6
_LAST_OF_REST = 0.2


async def serve(
    *addresses: str,
    limits: Limits = OPEN_ROOM,
    format: WireFormat | None = None,  # noqa: A002  the plainest name that it can have
    forever: bool = False,
    max_rooms: int = DEFAULT_ROOMS,
    history: str | Path = MEMORY,
    history_days: int | None = None,
    follows_history: bool = False,
    grace: float = DEFAULT_GRACE / 1000,
    backlog: int | None = None,
    on_event: Callable[[ServerEvent], object] | None = None,
    show: Callable[[str], object] | None = None,
    show_messages: bool = False,
    password: str | None = None,
    redis: RedisOptions | None = None,
    on_log: Callable[[str], object] | None = None,
    on_log_statistics: Callable[[Callable[[], LogStatistics]], object] | None = None,
    network: Network = SYSTEM,
    task_status: trio.TaskStatus[Server] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve a chat until its last member has left, or it is drained or cancelled.

    Args:
        addresses: see `trionet.parse_address`.
        limits: default `OPEN_ROOM`. When more than ``max_waiting`` bytes wait for a member, it
            loses the oldest lines and is told how many.
        format: the wire format of all members, which also writes the toolkit's own notices. Default
            ``None``: a peer whose first line is a JSON object speaks JSON lines, and everyone else
            the plain format.
        forever: keep serving when the last member has left; default ``False``.
        max_rooms: how many rooms there may be, including the lobby; default 10,000. At the limit
            the empty room with the oldest topic makes room for another.
        history: where to keep what was said: `memory` (the default), `none`, or the path of a file,
            from which the chat goes on when it is served again. (A file with one of these two names
            is given as a ``pathlib.Path``.)
        history_days: for how many days a file keeps it; default ``None``: for ever.
        follows_history: whether another process, which shares the chat by `redis`, writes the file.
            So this one only reads it, and it must exist; default ``False``.
        grace: for how many seconds a member that asked for it is held after its connection has
            ended; default 60. 0: nobody is held.
        backlog: how many connections the kernel holds until they are accepted; default 4,096, or
            what the kernel allows.
        on_event: see `trionet.serve`; default ``None``.
        show: called with each line for the console, in the plain format; it must not block. Default
            ``None``: there is no console. What it raises is logged once, and costs only its line.
        show_messages: show what the members say too, not only the notices; default ``False``.
        password: what whoever logs in must know; default ``None``: nothing. It is never told, shown
            or kept. Where it is given, nobody can log in over TCP without TLS, except from this
            machine.
        redis: the Redis that this server shares one chat with others through; default ``None``: it
            is alone. A server that shares a chat serves for ever, and accepts connections once
            Redis has answered. What `history` keeps is a copy then.
        on_log: called with one line for people when something about Redis is worth knowing; default
            ``None``: it is not told.
        on_log_statistics: called once with a function that returns how the shared log is doing;
            default ``None``.
        network: where to listen; default the real network.
        task_status: gets the `trionet.Server` once it accepts connections.

    Raises:
        TypeError, ValueError, AddressError, ListenError: as `trionet.serve`; a ``TypeError`` also
            for a `format` that lacks a function.
        HistoryError: the history's file cannot be used; it was not changed.
        RedisError: Redis does not answer in time, or cannot be used.

    Cancellation: immediate; connections are closed without a notice.

    Resource handling: closes everything it opened, however it ends.
    """
    check_serving(
        addresses,
        caller="chat.serve",
        limits=limits,
        on_event=on_event,
        backlog=backlog,
        network=network,
    )
    if format is not None:
        check_format(format)
    check_flag("forever", forever)
    check_flag("follows_history", follows_history)
    if follows_history and redis is None:
        raise ValueError("follows_history=True needs redis=: who else writes the file?")
    ROOMS.check("max_rooms", max_rooms)
    GRACE_SECONDS.check("grace", grace)
    if not isinstance(history, str | Path):
        raise TypeError(
            f"history must be 'memory', 'none' or the path of a file, not {shown(history)}"
        )
    if history_days is not None:
        HISTORY_DAYS.check("history_days", history_days)
    if password is not None:
        check_password(password)
    if redis is not None:
        check_kind("redis", redis, RedisOptions, hint='RedisOptions(url="redis://localhost")')
        forever = True
    check_callback("on_log", on_log)
    check_callback("on_log_statistics", on_log_statistics)
    check_flag("show_messages", show_messages)
    check_callback("show", show)
    show = FaultLog(logger).shielded("show", show)
    hub = Hub[Event]()
    door = Door(format)
    opening = None
    if format is None:
        most = limits.max_line * json_lines.TIMES_LONGER
        opening = Opening(begins=b"{", max_line=most, is_met=is_json)
    finished = trio.Event()
    clock = SteadyClock(_milliseconds, monotonic)
    timer = Timer(clock)
    if show is not None:
        encode = encode_everything if show_messages else encode_notices
        hub.add(Console(show), encode, topics=None)
    # Until when the end may take once all members are gone.
    end_by = math.inf

    with single_error(AddressError, ListenError, RedisError):
        async with (
            keep_history(
                history, days=history_days, follows=follows_history, stop_by=lambda: end_by
            ) as (kept, restored),
            trio.open_nursery() as nursery,
        ):
            epoch = token_urlsafe(9) if restored is None else restored.epoch
            shared = None
            if redis is None:
                state = State(max_rooms=max_rooms, grace=round(grace * 1000), epoch=epoch)
            else:
                from trionet.chat.serving.shared_log import open_log

                shared = await open_log(
                    redis,
                    settings=Settings(round(redis.lease * 1000), round(grace * 1000), max_rooms),
                    chat=epoch,
                    restored=restored,
                    history=kept,
                    clock=clock,
                    tell=on_log or (lambda _: None),
                )
                state = shared.replica.state
            board = Switchboard(
                hub,
                state=state,
                clock=clock,
                on_empty=lambda: None if forever else finished.set(),
                on_deadline=timer.look_again,
                draw_token=partial(token_hex, _TOKEN_BYTES),
                history=kept,
                log=shared,
                on_parted=lambda member, held: chat.parted(member, held),
            )
            last_words = LastWords(board.close, hub.wait_delivered)

            def begin_drain() -> None:
                last_words.begin_drain()
                chat.begin_drain()
                finished.set()

            chat = Chat(
                hub=hub,
                board=board,
                door=door,
                last_words=last_words,
                places=HeldPlaces(
                    most=limits.max_clients,
                    most_a_host=limits.max_per_address,
                    is_held=partial(is_held, board),
                    evict=lambda member: board.append(Evict(member)),
                ),
                password=None if password is None else Password(password, trio.current_time),
            )
            await nursery.start(hub.run)
            if shared is not None:
                await nursery.start(partial(run_log, shared, board, hub))
                if on_log_statistics is not None:
                    on_log_statistics(shared.statistics)
            else:
                if restored is not None:
                    board.append(restored)
                nursery.start_soon(timer.run, board)
            async with trio.open_nursery() as serving:
                server: Server = await serving.start(
                    partial(
                        serve_lines,
                        chat.handle,
                        *addresses,
                        limits=limits,
                        identifies=True,
                        when_slow=WhenSlow.DROP_OLDEST,
                        encode_notice=door.encode_notice,
                        encode_web_notice=door.encode_web_notice,
                        on_drain=begin_drain,
                        on_event=on_event,
                        opening=opening,
                        backlog=backlog,
                        network=network,
                    )
                )
                server.queues["hub"] = lambda: "{} entries, {} bytes".format(*hub.waiting)
                server.queues["history"] = lambda: repr(kept)
                server.metrics.add(hub.readings)
                server.metrics.add(partial(readings_of, state, kept, is_shared=shared is not None))
                if shared is not None:
                    server.metrics.add(partial(_readings_of_log, shared.statistics))
                task_status.started(server)
                await finished.wait()
                # A drain that somebody else has begun has its own deadline.
                if last_words.draining:
                    await last_words.close_before(server.drain_deadline)
                else:
                    await server.drain()
            now = trio.current_time()
            end_by = max(server.drain_deadline, now + _LAST_OF_ALL)
            if shared is not None:
                # Tell the other servers what this one's members still said, and that they are gone.
                until = max(server.drain_deadline, now + _LAST_OF_REDIS)
                with trio.CancelScope(deadline=until) as writing:
                    await shared.leave()
                if writing.cancelled_caught:
                    logger.warning(_NOT_WRITTEN, shared.statistics().pending)
                end_by = max(end_by, trio.current_time() + _LAST_OF_REST)
            # Only the console may still miss something. The drain's deadline holds for it too.
            with trio.CancelScope(deadline=end_by):
                await hub.wait_delivered()
            nursery.cancel_scope.cancel()


def _readings_of_log(statistics: Callable[[], LogStatistics]) -> list[Reading]:
    return readings_of_log(statistics())


def _milliseconds() -> int:
    """Return the time since 1970, UTC."""
    return time_ns() // 1_000_000
