"""Snapshots: from where a new node starts, and what the stream can do without.

A snapshot is saved late: only when enough has happened after it that a node that starts from it has
a history too. The node that has lived longest saves it, together with the trim, by one script,
and only if there is none that is newer.
"""

from __future__ import annotations

from trionet.chat.cluster.entries import UnknownFormat
from trionet.chat.cluster.options import RedisError
from trionet.chat.cluster.replica import Replica
from trionet.chat.state.events import Said, StateEvent

# How much of the stream a new node replays at least, in events of rooms, entries or bytes,
# whichever comes first. 20,000 heartbeats of two nodes are three hours, and take a second.
KEPT_EVENTS = 10_000
KEPT_ENTRIES = 20_000

# KEYS: stream, snapshot. ARGV: position, snapshot, whether to trim. The position stands before the
# state.
SAVE = b"""
local old = redis.call('GETRANGE', KEYS[2], 0, 40)
local function parts(id)
  local ms, n = string.match(id, '^(%d+)-(%d+)')
  return tonumber(ms), tonumber(n)
end
local ms, n = parts(ARGV[1])
local old_ms, old_n = parts(old)
if old_ms and (old_ms > ms or (old_ms == ms and old_n >= n)) then return 0 end
if #redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[1]) == 0 then return 0 end
redis.call('SET', KEYS[2], ARGV[1] .. ' ' .. ARGV[2])
if ARGV[3] == '1' then redis.call('XTRIM', KEYS[1], 'MINID', ARGV[1]) end
return 1
"""


def load_snapshot(data: bytes) -> Replica:
    """Make a state of a snapshot.

    Raises:
        RedisError: another version has written it, or something else has.
    """
    try:
        return Replica.load(data.partition(b" ")[2])
    except UnknownFormat:
        raise
    except Exception as error:
        raise RedisError(f"the snapshot in Redis is not from a trionet chat: {error}") from None


class Snapshots:
    """Decides when to save which snapshot. Pure.

    Args:
        events: after how many events of rooms.
        entries: after how many entries.

    Attributes:
        entries: how many entries were applied since the last one.
    """

    def __init__(self, events: int = KEPT_EVENTS, entries: int = KEPT_ENTRIES) -> None:
        self._most_events = events
        self._most_entries = entries
        self._events = self.entries = 0
        self._dump: tuple[str, bytes] | None = None

    def note(self, events: list[StateEvent]) -> None:
        """Count the events of an entry."""
        for event in events:
            self._events += len(event.texts) if type(event) is Said else 1

    def due(self, replica: Replica) -> tuple[str, bytes] | None:
        """Return the position and the state to save now; ``None``: none."""
        if self._events < self._most_events and self.entries < self._most_entries:
            return None
        saved = self._dump
        self._dump = replica.position, replica.dump()
        self._events = self.entries = 0
        return saved

    def restart(self) -> None:
        """Forget what was to be saved: the stream has another past."""
        self._dump = None
        self._events = self.entries = 0
