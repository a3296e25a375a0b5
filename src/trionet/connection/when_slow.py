"""What a server does about a peer that reads too slowly."""

from __future__ import annotations

import enum


class WhenSlow(enum.Enum):
    """What happens to a peer that reads more slowly than lines come for it."""

    DISCONNECT = "give the peer up and drop all that waits for it"
    DROP_OLDEST = "drop the oldest lines that wait, and tell the peer how many"
