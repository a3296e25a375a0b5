"""What the chat needs of a history, and what it is asked for. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, cast, get_args

from msgspec import Struct

from trionet.chat.state.events import Acted, RoomEvent, Said, StateEvent
from trionet.chat.state.operations import RequestId

# What one answer holds unless told otherwise, in bytes as `message_runs.size` counts them: a line
# to a client has at most 64 KiB.
PAGE_SIZE = 65_536

# In milliseconds.
DAY = 24 * 60 * 60 * 1000

_KEPT = frozenset(get_args(RoomEvent))


def kept_of(happened: Sequence[StateEvent]) -> Sequence[RoomEvent]:
    """Return the events that a history keeps, in their order."""
    if len(happened) == 1 and type(happened[0]) is Said:
        # What happens most.
        return cast("Sequence[RoomEvent]", happened)
    kept: list[Any] = [event for event in happened if type(event) in _KEPT]
    return kept


class Page(Struct, frozen=True, gc=False):
    """Some events, oldest first.

    Attributes:
        events: a run may be cut, so that each of its texts can be the first or the last.
        more: whether there are others further on, in the direction that was asked for.
    """

    events: list[RoomEvent]
    more: bool


class Query(Struct, frozen=True, gc=False, kw_only=True):
    """What to look for.

    Attributes:
        text: every word of it must be in a message or an action, as `words.Wanted` has it.
        room: the room's key; ``None``: in every room.
        name: whose; in any case. ``None``: anybody's.
        before: only what has a smaller number. It needs `room`.
        limit: how many messages, at most: the newest that match.
        most_bytes: how many bytes of them, as `message_runs.size` counts; one message is
            always allowed.
    """

    text: str
    room: str | None = None
    name: str | None = None
    before: int | None = None
    limit: int = 50
    most_bytes: int = PAGE_SIZE


class Found(Struct, frozen=True, gc=False):
    """One message.

    Attributes:
        event: the message alone, even if it was said in a run.
        author: the SHA-256 of its author's token; empty: the author had none.
        id: what its author gave the request.
    """

    event: Said | Acted
    author: bytes
    id: RequestId


class Backlog(Struct, frozen=True, gc=False, kw_only=True):
    """How a history is doing.

    Attributes:
        memory: bytes of events in memory.
        messages: how many events are not in the file yet, a run as its texts.
        seconds: how long the oldest of these has been waiting.
    """

    memory: int = 0
    messages: int = 0
    seconds: float = 0.0


class History(Protocol):
    """Keeps the events of rooms.

    `memory.MemoryHistory` and `file_history.FileHistory` implement it. The switchboard appends to
    it; sessions ask it for pages. Rooms are given by their keys.
    """

    def append(self, events: Sequence[RoomEvent]) -> None:
        """Keep some events. A `Removed` erases the text that it names. Never a checkpoint."""

    def lose(self, room: str, after: int, before: int) -> None:
        """Note that the events between two numbers never come. Never a checkpoint."""

    async def page(
        self,
        room: str,
        *,
        before: int | None = None,
        after: int | None = None,
        limit: int,
        most_bytes: int = PAGE_SIZE,
    ) -> Page:
        """Return events of a room before or after a number; without one, the newest.

        Args:
            room: the room's key; of one never seen there are no events.
            before: the newest events with smaller numbers.
            after: the oldest events with greater numbers; not together with `before`.
            limit: how many events at most; each text of a run is one.
            most_bytes: how many bytes of them, as `message_runs.size` counts; one event is
                always allowed.
        """

    async def since(self, room: str, after: int, most_bytes: int) -> list[RoomEvent]:
        """Return the oldest events after a number, to tell them all one stretch after the other.

        Args:
            room: the room's key.
            after: the number.
            most_bytes: about how many bytes of them, in lines; there is at least one event, unless
                there are none left.
        """

    async def search(self, query: Query) -> Page:
        """Return the newest messages that match, oldest first."""

    async def find(self, room: str, number: int) -> Found | None:
        """Return one message; ``None``: no message has this number, or it was removed."""

    def recent(self, room: str, after: int) -> list[RoomEvent] | None:
        """Return all events after a number, from memory. Never a checkpoint.

        ``None``: some of them are not in memory. Ask `page`.
        """

    def last(self, room: str) -> int | None:
        """Return the number of a room's last event; ``None``: nothing of it is kept."""

    def gaps(self, room: str, after: int) -> list[tuple[int, int]]:
        """Return what was lost after a number, oldest first. Never a checkpoint.

        Each is a pair of numbers; the events between them were told but could not be kept.
        """

    def backlog(self) -> Backlog:
        """Return how much waits to be written. Never a checkpoint."""

    @property
    def must_wait(self) -> bool:
        """Whether `wait` may wait."""

    async def wait(self) -> None:
        """Wait while what is appended comes faster than it can be kept.

        A checkpoint only if it waits. It waits for 1 s at most without progress.
        """
