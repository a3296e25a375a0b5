"""One peer's way through the room: it logs in, talks and leaves. The same for every wire format."""

from __future__ import annotations

from collections.abc import Callable
from typing import assert_never

from trionet.abc import Box
from trionet.chat.events import (
    Act,
    AskHelp,
    AskWho,
    LogIn,
    Mistaken,
    Misunderstood,
    Quit,
    Request,
    Say,
)
from trionet.chat.names import NameRefused, parse_name
from trionet.chat.room import Member, Room
from trionet.chat.wire_format import WireFormat
from trionet.errors import BadLine
from trionet.lines import Line
from trionet.notices import EncodeNotice, LineRejected, ServerClosing

# How many lines a peer may send in place of a name. People need two or three, and never ten. A
# program that tried for ever would hold a connection and have names judged at the server's cost.
MAX_REFUSED_NAMES = 10

# A line costs its sender one token, and one more for each 4,096 bytes of its answer: as many as a
# line may have. So a list of 10,000 members costs as much as 17 lines.
BYTES_A_TOKEN = 4096


class Session:
    """One peer, from its first line until it leaves.

    Args:
        room: the room that the peer wants to enter.
        box: where the peer's lines go.
        wire: the peer's wire format.
        charge: called with the extra tokens that a line costs because of the size of its answer,
            if it costs any: `trionet.LineReader.charge`.
        encode_notice: used in place of `wire`'s own function, by a server that guards it; default
            ``None``.

    Attributes:
        ended: whether the session is over, because the peer has quit or ten of its names were
            refused. Hand in no more lines after that, and close the connection.
    """

    __slots__ = (
        "_box", "_charge", "_encode_notice", "_member", "_refused", "_room", "_wire", "ended"
    )  # fmt: skip

    def __init__(
        self,
        room: Room,
        box: Box,
        wire: WireFormat,
        charge: Callable[[int], object] = lambda _tokens: None,
        *,
        encode_notice: EncodeNotice | None = None,
    ) -> None:
        self.ended = False
        self._room = room
        self._box = box
        self._wire = wire
        self._charge = charge
        self._encode_notice = encode_notice or wire.encode_notice
        self._member: Member | None = None
        self._refused = 0

    @property
    def name(self) -> str | None:
        """The member's name as everyone sees it; ``None`` until the peer has logged in."""
        return None if self._member is None else self._member.name.shown

    def receive(self, line: Line) -> None:
        """Take one line, good or bad, and do what it asks. Never a checkpoint."""
        if isinstance(line, BadLine):
            # Not raised: a traceback would hold this frame, and the frame the line.
            self._reject_unreadable(line)
            return
        member = self._member
        try:
            if member is None:
                self._request_as_stranger(self._wire.decode_login(line))
                return
            request = self._wire.decode(line)
            # Nearly every line is a message, and a `match` costs as much as the rest of its way.
            if type(request) is Say:
                self._room.say(member, request.text)
            else:
                self._request_as_member(member, request)
        except (Misunderstood, NameRefused) as mistake:
            self._reject(str(mistake))

    def receive_batch(self, lines: list[Line]) -> int:
        """Take lines that came together, until the room is full or the session ends.

        Never a checkpoint. Takes at least one line, if there is one.

        Args:
            lines: a few lines: 100, not 10,000. If all are messages, they are taken in one go.

        Returns:
            How many lines were taken. Hand in the others when there is room again.
        """
        if self._member is not None:
            texts = self._wire.decode_messages(lines)
            if texts is not None:
                self._room.say_all(self._member, texts)
                return len(lines)
        for count, line in enumerate(lines, start=1):
            self.receive(line)
            # Checked after each line: the answer to a single one can be 64 KiB.
            if self.ended or self._room.is_full:
                return count
        return len(lines)

    def end(self) -> None:
        """Leave the room, whatever the reason; a second call does nothing. Never a checkpoint."""
        if self._member is not None:
            self._room.leave(self._member)
        elif self._room.is_closing and not self.ended:
            self._box.put(self._encode_notice(ServerClosing()))
        self.ended = True

    def _request_as_stranger(self, request: Request) -> None:
        match request:
            case LogIn() if self._room.is_closing:
                self.end()
            case LogIn(name):
                self._member = self._room.enter(parse_name(name), self._box, self._wire.encode)
            case Quit():
                self.ended = True
            case Say() | Act() | AskWho() | AskHelp():
                raise Misunderstood("log in first")
            case _:
                assert_never(request)

    def _request_as_member(self, member: Member, request: Request | None) -> None:
        match request:
            case Say(text):
                self._room.say(member, text)
            case Act(text):
                self._room.act(member, text)
            case AskWho():
                self._charge_for(self._room.tell_who(member))
            case AskHelp():
                self._charge_for(self._room.tell_help(member))
            case Quit():
                self.end()
            case LogIn():
                raise Misunderstood(f"you are {member.name} already")
            case None:
                pass
            case _:
                assert_never(request)

    def _reject(self, reason: str) -> None:
        """Tell the peer why its line was rejected."""
        if self._member is None:
            # It has no place in the log's order, and its box is not in the hub.
            if not self._ends_with_refusal():
                self._box.put(self._wire.encode(Mistaken(reason)))
        else:
            self._charge_for(self._room.tell_mistake(self._member, reason))

    def _reject_unreadable(self, line: BadLine) -> None:
        """Tell the peer that the toolkit could not read its line."""
        if self._member is None:
            if not self._ends_with_refusal():
                self._box.put(self._encode_notice(LineRejected(line)))
        else:
            lines = self._encode_notice(LineRejected(line))
            self._charge_for(self._room.tell_lines(self._member, lines))

    def _ends_with_refusal(self) -> bool:
        """Count a refused name; end the session, and say so, if it is one too many."""
        self._refused += 1
        if self._refused < MAX_REFUSED_NAMES:
            return False
        self.ended = True
        self._box.put(self._wire.encode(Mistaken("too many names were refused")))
        return True

    def _charge_for(self, answer_bytes: int) -> None:
        """Charge the tokens that an answer of this size costs."""
        if answer_bytes >= BYTES_A_TOKEN:
            self._charge(answer_bytes // BYTES_A_TOKEN)
