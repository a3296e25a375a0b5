"""The chat's server: what it sets `trionet.Limits` to, and limits of its own.

Pure, so that ``--help`` shows them without Trio.
"""

from __future__ import annotations

from trionet.limits import Bound, Limits

# Half a minute for a name; then no limit, because people listen for hours (TCP's keep-alive finds
# peers that vanish). 50 lines a second are beyond any typist, and 1,000 at once are a large paste.
# One host can take a tenth of the room: enough for an office behind one address.
OPEN_ROOM = Limits(
    max_clients=10_000, max_per_address=1_000, login_timeout=30, rate=50, burst=1_000
)

# Rooms that there may be. One costs some 0.5 KiB.
ROOMS = Bound(least=1, most=1_000_000)
DEFAULT_ROOMS = 10_000

# Days that a history file keeps events for.
HISTORY_DAYS = Bound(least=1, most=36_500)

# Seconds that a member may be held. A day is beyond any bad line.
GRACE_SECONDS = Bound(least=0, most=86_400, whole=False)

# How long a member that asked for it is held without a connection, in milliseconds: long enough
# for a train in a tunnel, short enough that the others know who is there. Ten days at most, because
# whoever is held takes a place that somebody else could have.
GRACE = Bound(least=0, most=10 * 24 * 3600 * 1000)
DEFAULT_GRACE = 60_000

# Where a history can be kept besides in a file.
MEMORY = "memory"
NONE = "none"
