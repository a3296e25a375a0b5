"""How one peer is answered, and what its requests cost it. The same for every wire format."""

from __future__ import annotations

from collections.abc import Callable

from trionet.abc import Box
from trionet.chat.formats.answers import Event, Mistaken
from trionet.chat.formats.wire_format import WireFormat
from trionet.chat.names.names import TOO_MANY_REFUSED
from trionet.chat.session.switchboard import Switchboard
from trionet.chat.state.operations import RequestId
from trionet.errors import BadLine
from trionet.notices import EncodeNotice, LineRejected

# How many lines a peer may send in place of a name. People need two or three, and never ten. A
# program that tried for ever would hold a connection and have names judged at the server's cost.
MAX_REFUSED_NAMES = 10

# A line costs its sender one token, and one more for each 4,096 bytes of its answer: as many as a
# line may have. So a list of 10,000 members costs as much as 17 lines.
BYTES_A_TOKEN = 4096


class Answering:
    """The half of a session that answers; `trionet.chat.Session` is the other half.

    Arguments and attributes are those of `trionet.chat.Session`.
    """

    __slots__ = (
        "_board", "_charge", "_encode_notice", "_refused", "box", "ended", "member", "wire",
    )  # fmt: skip

    def __init__(
        self,
        board: Switchboard,
        box: Box,
        wire: WireFormat,
        charge: Callable[[int], object],
        encode_notice: EncodeNotice,
    ) -> None:
        self.ended = False
        self.member: int | None = None
        self.box = box
        self.wire = wire
        self._board = board
        self._charge = charge
        self._encode_notice = encode_notice
        self._refused = 0

    def speak(self, wire: WireFormat, encode_notice: EncodeNotice) -> None:
        """Speak another format from the first line on.

        Args:
            wire: the format.
            encode_notice: how the peer is told the toolkit's notices in it.
        """
        self.wire = wire
        self._encode_notice = encode_notice

    def answer(self, event: Event) -> None:
        """Tell the peer something, and charge it for a long answer. Never a checkpoint."""
        if self.member is None:
            # It has no place in the log's order, and its box is not in the hub. If it was a member
            # until another connection took that over, it has had its last line.
            if not self.ended:
                self.box.put(self.wire.encode(event))
        elif not self._board.is_closing:
            # The closing notice is the last thing that a member is told.
            size = self._board.hub.tell(self.box, event)
            if size >= BYTES_A_TOKEN:
                self._charge_for(size)

    def reject(self, reason: str, code: str, id_: RequestId, *, is_login: bool = False) -> None:
        """Tell the peer why its line was rejected.

        Args:
            reason: the words for people.
            code: the word for programs.
            id_: what the peer gave the request; ``None``: nothing.
            is_login: whether the line tried to log in. The tenth refused login ends the session.
        """
        if self.member is not None:
            self.answer(self._board.mistaken(reason, code, id_))
        elif not self._ends_with_refusal(id_, is_login=is_login):
            self.answer(Mistaken(reason, code, id_))

    def turn_away(self, reason: str, code: str) -> None:
        """End the session of a stranger, and tell it why."""
        self.answer(Mistaken(reason, code))
        self.ended = True

    def _reject_unreadable(self, line: BadLine) -> None:
        """Tell the peer that the toolkit could not read its line."""
        if self.member is not None:
            if not self._board.is_closing:
                lines = self._encode_notice(LineRejected(line))
                self._charge_for(self._board.hub.tell_lines(self.box, lines))
        elif not self.ended and not self._ends_with_refusal(None, is_login=False):
            self.box.put(self._encode_notice(LineRejected(line)))

    def _ends_with_refusal(self, id_: RequestId, *, is_login: bool) -> bool:
        """Count a refused name; end the session, and say so, if it is one too many."""
        if not (is_login or self.wire.names_first):
            return False
        self._refused += 1
        if self._refused < MAX_REFUSED_NAMES:
            return False
        self.answer(Mistaken(TOO_MANY_REFUSED, "name-refused", id_))
        self.ended = True
        return True

    def _charge_for(self, answer_bytes: int) -> None:
        """Charge the tokens that an answer of this size costs."""
        if answer_bytes >= BYTES_A_TOKEN:
            self._charge(answer_bytes // BYTES_A_TOKEN)

    def _charge_for_lines(self, text: str) -> None:
        """Charge a token for each further line of a text."""
        if "\n" in text:
            self._charge_for_more(1 + text.count("\n"))

    def _charge_for_more(self, count: int) -> None:
        """Charge a request that counts as `count` requests; the line has paid for one already."""
        if count > 1:
            self._charge(count - 1)
