"""How long one client is served before the others have their turn.

All sessions share one thread. A client with costly lines must not hold up the others, so it is
served in time slices. A slice is not measured by the clock: it adds up what the work is known to
cost (see `trionet.calc.work`), so that tests get the same slices on every machine.
"""

from __future__ import annotations

import trio

from trionet.calc.fast_path import PAIR_COST
from trionet.calc.session import Reply
from trionet.calc.tally import Tally
from trionet.calc.work import Work
from trionet.connection.outbox import Outbox

# In microseconds. A slice holds a hundred common lines, so that changing clients costs little:
# 100,000 lines in a pipe took no longer than with slices of 1,000. Beside 50 clients that sent
# nothing but costly lines, the slowest answer to another client came after 51 ms; with slices of
# 1,000, after 196 ms.
TIME_SLICE = 300

# How many lines of two plain numbers and an operator fit into a slice.
PAIRS_A_SLICE = TIME_SLICE // PAIR_COST


class TimeSlice:
    """What one client has cost since the others last had their turn.

    Args:
        outbox: where the client's answers go.
        tally: counts what is calculated; default: one for this client.

    Attributes:
        answers: the answers found in this slice and not sent yet.
        spent: what they cost, in microseconds.
    """

    __slots__ = ("_outbox", "_tally", "answers", "spent")

    def __init__(self, outbox: Outbox, tally: Tally | None = None) -> None:
        self._outbox = outbox
        self._tally = tally or Tally()
        self.spent = 0
        self.answers: list[str] = []

    def begin(self, answers: list[str]) -> None:
        """Begin a new slice after a checkpoint, with the answers found since then."""
        self.spent = 0
        self.add_pairs(answers)

    def add_pairs(self, answers: list[str]) -> None:
        """Add answers to lines of two plain numbers and an operator."""
        self.answers += answers
        self.spent += len(answers) * PAIR_COST
        self._tally.pairs += len(answers)

    async def finish(self, work: Work[Reply]) -> Reply:
        """Do some work, in as many slices as it takes. A checkpoint at the end of each.

        Raises:
            trio.BrokenResourceError: the peer is gone; the rest of its work would only cost the
                others time.
        """
        spent = 0
        while True:
            try:
                cost = next(work)
            except StopIteration as done:
                reply: Reply = done.value
                self._tally.add(reply, spent)
                return reply
            spent += cost
            if not self.has_room(cost):
                await self.end()
            self.spent += cost

    def has_room(self, cost: int) -> bool:
        """Return whether this much more fits; anything fits into an empty slice."""
        return not self.spent or self.spent + cost <= TIME_SLICE

    async def end(self) -> None:
        """Send the answers, let the other clients have their turn, and begin the next slice.

        Raises:
            trio.BrokenResourceError: the peer is gone; the rest of its work would only cost the
                others time.
        """
        self.send_answers()
        await self._outbox.flush()
        if self._outbox.broken:
            raise trio.BrokenResourceError("the peer is gone")
        self.spent = 0

    def send_answers(self) -> None:
        """Put the answers into the outbox."""
        if self.answers:
            self._outbox.put(encode_answers(self.answers))
            self.answers = []


def encode_answers(answers: list[str]) -> bytes:
    """Return answers as lines; uses up the list."""
    # A session's answers are safe lines, so there is no need to check them again.
    answers.append("")
    return "\n".join(answers).encode()
