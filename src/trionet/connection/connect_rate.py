"""How many connections a second each host may open: `trionet.Limits.connect_rate`. Pure.

A host may open `BURST_SECONDS` times its rate at once, and its rate in the long run. What is kept
for a host is one number: when it may have its whole burst again. From then on the host is
forgotten, so a server remembers only who came in the last `BURST_SECONDS`, and never more than
`MOST_HOSTS` of them.
"""

from __future__ import annotations

from collections import OrderedDict

from trionet.transport.hosts import Host

# A burst is what a host may open in this many seconds.
BURST_SECONDS = 5

# Hosts that are remembered: some 12 MiB. Of a flood from more hosts than this, those that came
# first are forgotten first, and may begin again.
MOST_HOSTS = 65_536


class ConnectRate:
    """Counts the new connections of each host.

    Args:
        rate: new connections a second for each host; 0: any number.
    """

    __slots__ = ("_full_at", "_interval", "_slack")

    def __init__(self, rate: float) -> None:
        self._interval = 1 / rate if rate else 0.0
        # A host that has its whole burst may open as many connections as it likes until its burst
        # is this far away. Even a rate of less than one in five seconds allows one at a time.
        self._slack = max(BURST_SECONDS - self._interval, 0.0)
        # When each host has its whole burst again, the host that came last at the end.
        self._full_at: OrderedDict[Host, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._full_at)

    def admit(self, host: Host | None, now: float) -> bool:
        """Count a new connection, and tell whether the host may have it.

        A connection that it may not have does not count.

        Args:
            host: whose it is; ``None``: nobody's, and there is no limit.
            now: the time, on any clock that does not go back, in seconds.
        """
        if not self._interval or host is None:
            return True
        self._forget(now)
        full_at = max(self._full_at.get(host, now), now)
        # Sums of intervals are not exact, and a whole burst must fit.
        if full_at - now > self._slack + self._interval / 1000:
            return False
        self._full_at[host] = full_at + self._interval
        self._full_at.move_to_end(host)
        if len(self._full_at) > MOST_HOSTS:
            self._full_at.popitem(last=False)
        return True

    def _forget(self, now: float) -> None:
        """Forget the hosts that came first and have their whole burst again."""
        while self._full_at:
            host = next(iter(self._full_at))
            if self._full_at[host] > now:
                break
            del self._full_at[host]
