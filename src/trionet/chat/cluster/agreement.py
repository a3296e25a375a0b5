"""Whether a Redis that has started anew has all that was told: the nodes find out together.

A Redis that was killed, and a replica in its place, may lack the newest entries. Whoever had read
them sees that its position is gone. But a node that was cut off meanwhile sees nothing amiss, and
if it wrote first, it would give numbers that others have told. So each start of Redis has to be
*agreed* on, once:

- Each node that finds its position there adds its name to a set, and waits until all nodes have
  that live as far as it knows. Then nothing is lost. It writes `Agreed`, so that nobody asks again.
- Whoever has lost its position says so with a hello, and that is an agreement too.
- A node that is not heard for a whole lease may be dead, or may have told what is lost now. Then
  numbers go on far above, in a new epoch, as after a loss.

Redis tells its starts apart by `run_id`. Where a user may not ask for it, nobody waits.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import Enum
from typing import Any

from trionet.chat.cluster.link import Command, ErrorAnswer, Link

# What tells which start of Redis this is.
ASK_RUN: Command = (b"INFO", b"server")

# How long the names of one start are kept, in milliseconds. Nobody waits for longer than a lease.
_KEPT = 3_600_000

# How often a node looks whether the others have come, in seconds.
LOOK_AGAIN = 0.05


class Opinion(Enum):
    """What a node knows of one start of Redis."""

    UNKNOWN = "others may know more, and are waited for"
    COMPLETE = "nothing is lost"
    DOUBTFUL = "somebody who may know more does not come"


def run_of(answer: Any) -> str:
    """Return which start of Redis has answered; empty: it does not say."""
    if isinstance(answer, str):
        answer = answer.encode()
    if isinstance(answer, dict):
        return _text(answer.get("run_id") or answer.get(b"run_id") or "")
    if not isinstance(answer, bytes):
        return ""
    _, _, rest = answer.partition(b"run_id:")
    return rest.partition(b"\r")[0].partition(b"\n")[0].decode()


class Agreement:
    """One node's part in it.

    Args:
        key: begins the key of each set.
        node: the node's name; empty: it does not live yet, and only looks.

    Attributes:
        run: the start of Redis that this node reads from, and in which its position is.
        settled: the start that this node has agreed on.
    """

    def __init__(self, key: str, node: str) -> None:
        self.run = ""
        self.settled = ""
        self._key = key
        self._node = node.encode()
        # Which start is asked about, and since when, in seconds.
        self._asked = ""
        self._since = 0.0

    @property
    def is_settled(self) -> bool:
        """Whether this node has nobody to ask."""
        return self.settled == self.run

    async def ask(
        self, link: Link, living: Collection[str], now: float, *, lease: float, seconds: float
    ) -> Opinion:
        """Tell that this node's position is there, and look who else has found theirs.

        Args:
            link: a connection to this start of Redis.
            living: the nodes that live as far as this one knows.
            now: the time, in seconds.
            lease: how long to wait for the others, in seconds.
            seconds: how long Redis may take to answer.

        Raises:
            LinkLost: Redis does not answer.
        """
        key = f"{self._key}:read:{self.run}".encode()
        tell: tuple[Command, ...] = ()
        if self._node:
            tell = (b"SADD", key, self._node), (b"PEXPIRE", key, b"%d" % _KEPT)
        *told, names = await link.calls(*tell, (b"SMEMBERS", key), seconds=seconds, opens=False)
        if isinstance(names, ErrorAnswer) or any(
            isinstance(answer, ErrorAnswer) for answer in told
        ):
            return Opinion.UNKNOWN
        if self._asked != self.run:
            self._asked, self._since = self.run, now
        there = {_text(name) for name in names}
        if set(living) - {_text(self._node)} <= there:
            return Opinion.COMPLETE
        return Opinion.DOUBTFUL if now >= self._since + lease else Opinion.UNKNOWN


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
