"""The snapshot: a node that starts finds one from which the stream goes on.

`Upkeep.save` is the usual way: the oldest node saves a snapshot when `snapshots.py` says so, and
trims the stream. `Upkeep.care` mends what went wrong: if the stream does not reach back to the
snapshot, a node saves its own state at once, and trims nothing.
"""

from __future__ import annotations

from contextlib import suppress

import trio

from trionet.chat.cluster.entries import is_beginning
from trionet.chat.cluster.link import ErrorAnswer, Link, LinkLost
from trionet.chat.cluster.loading import PATIENCE, entries_of
from trionet.chat.cluster.node_standing import Standing
from trionet.chat.cluster.options import RedisError
from trionet.chat.cluster.snapshots import SAVE, Snapshots

# How often a node looks after the snapshot, in seconds: the oldest node, and others more rarely.
# And how long a node waits for a snapshot that fits the stream: when it starts, and later. After
# the stream has lost something, all of them look for their place first.
CARE = 1.0
GAP_PATIENCE = 4 * CARE
CARE_AFTER = 10.0
START_PATIENCE = CARE_AFTER + GAP_PATIENCE


class Upkeep:
    """Looks after the snapshot.

    Args:
        standing: how the node stands.

    Attributes:
        snapshots: decides when one is saved.
    """

    def __init__(self, standing: Standing) -> None:
        self.snapshots = Snapshots()
        self._standing = standing
        self._next_care = 0.0

    def pause(self) -> None:
        """Leave the snapshot alone: other nodes look for their places, and it must not overtake."""
        self._next_care = trio.current_time() + CARE_AFTER

    async def care(self, link: Link) -> None:
        """See that a new node has a snapshot to start from, whose end is in the stream."""
        lives = list(self._standing.replica.lives.by_node)
        if trio.current_time() < self._next_care or self._standing.node not in lives:
            return
        # The oldest node looks most often; another one does if that is not well.
        self._next_care = trio.current_time() + CARE * (1 + lives.index(self._standing.node))
        try:
            (head,) = await link.calls(
                (b"GETRANGE", self._standing.snapshot_key, b"0", b"40"),
                seconds=PATIENCE,
                opens=False,
            )
            if isinstance(head, ErrorAnswer):
                return
            # Without a snapshot, the stream must have all from its beginning on.
            place = head.partition(b" ")[0]
            (found,) = await link.calls(
                (b"XRANGE", self._standing.stream, place or b"-", b"+", b"COUNT", b"1"),
                seconds=PATIENCE,
                opens=False,
            )
            if isinstance(found, ErrorAnswer):
                return
            first = entries_of(found)
            if place:
                is_whole = bool(first) and first[0][0].encode() == place
            else:
                is_whole = bool(first) and is_beginning(first[0][1])
        except (LinkLost, RedisError):
            return
        if not is_whole and self._standing.replica.position != self._standing.unanchored:
            # Without a trim: other nodes may be behind this one.
            await self._write_snapshot(
                link, self._standing.replica.position, self._standing.replica.dump(), trims=False
            )

    async def save(self, link: Link) -> None:
        """Save a snapshot, if it is this node's turn and there is something to save."""
        lives = self._standing.replica.lives.by_node
        is_oldest = next(iter(lives), None) == self._standing.node
        saved = self.snapshots.due(self._standing.replica) if is_oldest else None
        if saved is None:
            return
        await self._write_snapshot(link, *saved, trims=True)

    async def _write_snapshot(self, link: Link, position: str, data: bytes, *, trims: bool) -> None:
        place = position.encode()
        command = (
            b"EVAL",
            SAVE,
            b"2",
            self._standing.stream,
            self._standing.snapshot_key,
            place,
            data,
            b"%d" % trims,
        )
        # If it is not saved, the next one will be.
        with suppress(LinkLost, RedisError):
            await link.calls(command, seconds=PATIENCE, opens=False)
