"""Put one batch into the boxes of all members that it concerns.

Each member is served with one call, however many lines the batch has. Members that get the same
lines are served group by group, and the others one by one. Between the steps other tasks run.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from contextlib import ExitStack
from itertools import chain
from time import perf_counter
from typing import TypeAlias, TypeVar

import trio

from trionet.abc import Box
from trionet.fanout.batch import Batch
from trionet.fanout.encoded import Delta, Encode, Payload
from trionet.fanout.group import MEMBERS_AT_ONCE, is_direct, weight_of
from trionet.fanout.membership import Membership

E = TypeVar("E")

# Called with a member whose box raises, and with the error.
OnError: TypeAlias = Callable[[Box, Exception], object]

# The longest time between two checkpoints, however many members were served in it. (One send takes
# up to a hundred times as long as another: some sockets have room, others have to make it.)
_SECONDS_AT_ONCE = 0.002

# A member with a payload of its own takes as long to serve as this many that get the whole batch.
_DELTA_WEIGHT = 2


async def deliver(batch: Batch[E, Box], membership: Membership[E], on_error: OnError) -> None:
    """Put a batch into the boxes of all members that it concerns.

    Args:
        batch: what was appended. Nothing is added to it any more.
        membership: the members as of its end. A member that joins or leaves meanwhile belongs to
            the next batch.
        on_error: called with a member whose box raises, and with the error.

    Cancellation: members that have not been served yet get nothing.
    """
    # Look everything up before the first checkpoint, at which members may come and go.
    group_of = membership.group_of
    deltas = [
        (box, group_of[box].encode, group_of[box].topics, delta)
        for box, delta in batch.deltas.items()
        if box in group_of
    ]
    deliveries = [
        group.deliver(encoded, without=batch.deltas, on_error=on_error)
        for group, active in membership.reached(batch)
        if (encoded := batch.encoded(group.encode, active)).whole
    ]
    with ExitStack() as stack:
        for delivery in deliveries:
            stack.callback(delivery.close)
        served, began = 0, perf_counter()
        for weight in chain(_put_payloads(batch, deltas, on_error), *deliveries):
            served += weight
            if served >= MEMBERS_AT_ONCE or perf_counter() - began > _SECONDS_AT_ONCE:
                await trio.lowlevel.checkpoint()
                served, began = 0, perf_counter()


def _put_payloads(
    batch: Batch[E, Box],
    deltas: list[tuple[Box, Encode[E], frozenset[Hashable] | None, Delta]],
    on_error: OnError,
) -> Iterator[int]:
    """Serve the members with payloads of their own, in steps as `FormatGroup.deliver` does."""
    # Departures come first: a member that left may have joined again.
    for box, encode, departed, end, had in batch.departures:
        yield _put_payload(box, batch.payload(encode, had, departed, end), on_error)
    for box, encode, topics, delta in deltas:
        yield _put_payload(box, batch.payload(encode, topics, delta), on_error)


def _put_payload(box: Box, payload: Payload, on_error: OnError) -> int:
    """Put a member's payload, and return its weight."""
    pieces, lines, size = payload
    if pieces:
        try:
            if is_direct(box):
                box.put_pieces(pieces, lines, size)
            else:
                box.put(b"".join(pieces))
        except Exception as error:
            on_error(box, error)
    return _DELTA_WEIGHT * weight_of(size)
