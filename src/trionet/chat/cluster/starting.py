"""The start of a node: wait for Redis, see whether it can be used, and load what is there."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import trio

from trionet.chat.cluster.agreement import ASK_RUN, LOOK_AGAIN, Agreement, Opinion, run_of
from trionet.chat.cluster.entries import is_beginning
from trionet.chat.cluster.link import ErrorAnswer, Link, LinkLost
from trionet.chat.cluster.loading import (
    FIRST_PAUSE,
    LONGEST_PAUSE,
    PATIENCE,
    READ,
    ask,
    entries_of,
    load_stream,
)
from trionet.chat.cluster.node_standing import Standing
from trionet.chat.cluster.options import RedisError, RedisOptions
from trionet.chat.cluster.replica import BEGINNING, Replica
from trionet.chat.state.events import StateEvent

# How often a node looks for a snapshot that fits the stream, in seconds.
_LOOK_FOR_SNAPSHOT = 1.0


async def wait_for_redis(
    link: Link, options: RedisOptions, stream: bytes, tell: Callable[[str], object]
) -> None:
    """Wait until Redis answers, and has loaded what it has.

    Args:
        link: a connection.
        options: where Redis is, and how long to wait.
        stream: the key of the stream.
        tell: called with one line for people.

    Raises:
        RedisError: it does not answer in time, or has something else there.
    """
    place, was_told = options.place, False
    reason = "does not answer"
    with trio.move_on_after(options.wait):
        pause = FIRST_PAUSE
        while True:
            try:
                (answer,) = await link.calls((b"XLEN", stream), seconds=PATIENCE)
            except LinkLost:
                answer = None
            if isinstance(answer, int):
                return
            if isinstance(answer, ErrorAnswer):
                reason = f"answers: {answer.reason}"
                if "wrong kind" in answer.reason or "WRONGTYPE" in answer.reason:
                    break
            if not was_told:
                was_told = True
                tell(f"waiting for Redis at {place}")
            await trio.sleep(pause * (1 + random.random()))
            pause = min(2 * pause, LONGEST_PAUSE)
    raise RedisError(f"Redis at {place} {reason}")


async def check_settings(link: Link, place: str, tell: Callable[[str], object]) -> None:
    """Refuse a Redis that forgets, and warn of one that keeps nothing.

    Args:
        link: a connection.
        place: where Redis is, for people.
        tell: called with one line for people.

    Raises:
        RedisError: it throws entries away when memory is short.
    """
    answers = await ask(
        link,
        (b"CONFIG", b"GET", b"maxmemory-policy"),
        (b"CONFIG", b"GET", b"appendonly"),
    )
    policy, append_only = [_setting(answer) for answer in answers]
    if policy not in ("", "noeviction"):
        raise RedisError(
            f"Redis at {place} has maxmemory-policy {policy}: set it to noeviction, "
            "or Redis throws the chat away when memory is short"
        )
    if append_only == "no":
        tell(
            f"warning: Redis at {place} has appendonly no: "
            "set it to yes, or the chat is lost when Redis stops"
        )


async def load_past(
    link: Link, standing: Standing, *, patience: float
) -> tuple[Replica, list[tuple[str, bytes]], bool]:
    """Load what is there, and tell whether something is missing before the stream.

    Somebody has cut the stream then. A node that lives saves another snapshot soon. If none
    does within `patience` seconds, what is missing is lost for good.
    """
    until = trio.current_time() + patience
    while True:
        replica, tail = await load_stream(link, standing.stream, standing.snapshot_key)
        # The position of a snapshot alone need not be in the stream.
        standing.unanchored = replica.position
        if replica.position == BEGINNING:
            has_gap = bool(tail) and not is_beginning(tail[0][1])
            # A node that was there before knows that everything was lost.
            if standing.replica.position != BEGINNING:
                return replica, tail, has_gap
        else:
            place = replica.position.encode()
            (own,) = await ask(link, (b"XRANGE", standing.stream, place, place))
            has_gap = not own
        if not (has_gap and tail) or trio.current_time() >= until:
            return replica, tail, has_gap
        await trio.sleep(_LOOK_FOR_SNAPSHOT)


async def agree_at_start(
    link: Link, standing: Standing, key: str, keep: Callable[[list[StateEvent]], object]
) -> bool:
    """Wait until the stream is known to have its end; return whether it is.

    Args:
        link: a connection.
        standing: how the node stands.
        key: begins the keys of the chat.
        keep: called with the events that come meanwhile.
    """
    newcomer, lease = Agreement(key, ""), standing.lease
    while True:
        with suppress(LinkLost):
            place = standing.replica.position.encode()
            info, news = await link.calls(
                ASK_RUN,
                (b"XRANGE", standing.stream, b"(" + place, b"+", b"COUNT", b"%d" % READ),
                seconds=PATIENCE,
            )
            for position, data in [] if isinstance(news, ErrorAnswer) else entries_of(news or []):
                standing.replica.apply(position, data, lambda part: keep(part.events))
            standing.agreement.run = newcomer.run = run_of(info)
            living = standing.replica.lives.by_node
            if not newcomer.run or standing.replica.run == newcomer.run:
                opinion = Opinion.COMPLETE
            else:
                opinion = await newcomer.ask(
                    link, living, trio.current_time(), lease=lease, seconds=PATIENCE
                )
            if opinion is not Opinion.UNKNOWN:
                standing.agreement.settled = newcomer.run
                return opinion is Opinion.COMPLETE
        await trio.sleep(LOOK_AGAIN)


def _setting(answer: Any) -> str:
    """Return the value of a setting; empty: Redis does not tell it."""
    if isinstance(answer, dict):
        answer = [part for pair in answer.items() for part in pair]
    if not isinstance(answer, list) or len(answer) < 2:
        return ""
    return bytes(answer[1]).decode()
