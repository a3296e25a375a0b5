"""Which events this node tells: each once, whatever past the stream has.

An entry is known by its life and number, wherever it stands in a stream. A node that finds its
place again applies entries that it had applied before, and tells only those whose numbers are
greater than all that it has told of that life. The end of a life stands in no entry, and is always
told.
"""

from __future__ import annotations

from collections.abc import Callable

from trionet.chat.cluster.node_standing import Standing
from trionet.chat.cluster.replica import EXPIRY, Part, Replica, epoch_of
from trionet.chat.state.events import EpochBegan, StateEvent


class Telling:
    """What was told here.

    Args:
        standing: how the node stands.
        note: called with the events that are new here.

    Attributes:
        show: called with what members are told.
        shown: the last entry of each life whose events were told here.
    """

    def __init__(self, standing: Standing, note: Callable[[list[StateEvent]], object]) -> None:
        self.show: Callable[[list[StateEvent]], object] = lambda _: None
        self.shown: dict[int, int] = {}
        self._standing = standing
        self._note = note
        # The entries whose parts are being told, and whether they are told for the first time.
        self._telling: dict[tuple[int, int], bool] = {}

    def begin_entry(self) -> None:
        """Note that the parts of another entry follow."""
        self._telling.clear()

    def is_new(self, life: int, seq: int) -> bool:
        """Tell whether the events of an entry of a life were never told here."""
        return seq > self.shown.get(life, -1)

    def tell(self, part: Part) -> None:
        """Tell the events of a part of an entry, unless they were told before."""
        if part.seq != EXPIRY:
            # An entry may have several parts of its own; all are new, or none is.
            key = part.life, part.seq
            is_new = self._telling.get(key)
            if is_new is None:
                is_new = self._telling[key] = self.is_new(*key)
                if is_new:
                    self.shown[part.life] = part.seq
            if not is_new:
                return
        if part.events or self._standing.audience:
            self._note(part.events)
            self._tell_of(part.events)

    def _tell_of(self, events: list[StateEvent]) -> None:
        kept = events
        for event in events:
            if type(event) is EpochBegan:
                if event.epoch == epoch_of(*self._standing.told):
                    kept = [one for one in kept if one is not event]
                else:
                    self._standing.told = (
                        self._standing.replica.chat,
                        self._standing.replica.generation,
                    )
        self.show(kept)

    def note_shown(self, replica: Replica) -> None:
        """Take what a state knows as told."""
        for life, seq in replica.lives.all_last():
            self.shown[life] = max(seq, self.shown.get(life, -1))
