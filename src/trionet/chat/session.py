"""One peer's way through the room: logs in, talks, leaves. Every wire format meets it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from trionet.abc import Box
from trionet.chat.events import (
    Act,
    AskHelp,
    AskWho,
    Event,
    LogIn,
    Mistaken,
    Misunderstood,
    Quit,
    Request,
    Say,
)
from trionet.chat.names import NameRefused, parse_name
from trionet.chat.room import Member, Room
from trionet.errors import BadLine
from trionet.lines import Line
from trionet.notices import Notice

# Lines that somebody may send in place of a name. People need two or three; ten is beyond them, and
# a program that goes on would hold a connection, and judge names at the server's cost, for ever.
MAX_REFUSED_NAMES = 10

# A line costs its sender one token, and one more for each so many bytes of its answer: as much as a
# line may have. To be told of 10,000 members costs what 17 lines cost.
BYTES_A_TOKEN = 4096


class WireFormat(Protocol):
    """How requests and events are written. `trionet.chat.plain` is one."""

    def decode_login(self, line: str) -> Request:
        """Read a line from somebody who is no member yet."""

    def decode(self, line: str) -> Request | None:
        """Read a line from a member; ``None``: it means nothing. Texts come out safe to show."""

    def decode_messages(self, lines: list[Line]) -> list[str] | None:
        """Read lines from a member that are plain messages all; ``None``: take them one by one."""

    def encode(self, event: Event) -> bytes:
        """Return the lines that tell an event."""

    def encode_notice(self, notice: Notice) -> bytes:
        """Return the lines that tell what the toolkit itself has to say."""


class Session:
    """One peer, from its first line to its leaving.

    Args:
        room: where it wants to be.
        box: where its lines go.
        wire: how it writes.
        charge: called with how many tokens more a line costs than one, if it does, because of what
            it is answered: `trionet.LineReader.charge`.

    Attributes:
        ended: whether the session is over: the peer has quit, or ten of its names were refused.
            Hand in no line after that, and close the connection.
    """

    __slots__ = ("_box", "_charge", "_member", "_refused", "_room", "_wire", "ended")

    def __init__(
        self,
        room: Room,
        box: Box,
        wire: WireFormat,
        charge: Callable[[int], object] = lambda _tokens: None,
    ) -> None:
        self.ended = False
        self._room = room
        self._box = box
        self._wire = wire
        self._charge = charge
        self._member: Member | None = None
        self._refused = 0

    @property
    def name(self) -> str | None:
        """The member's name as everyone sees it; ``None``: the peer has not logged in."""
        return None if self._member is None else self._member.name.shown

    def receive(self, line: Line) -> None:
        """Take one line, good or bad, and do what it asks. Never a checkpoint."""
        if isinstance(line, BadLine):
            # Not raised: a traceback would hold this frame, and the frame the line.
            self._answer_mistake(str(line))
            return
        member = self._member
        if member is not None and isinstance(line, BadLine):
            # Not raised: a traceback would keep more alive than the line itself.
            self._tell_mistake(str(line))
            return
        try:
            if member is None:
                self._request_as_stranger(self._wire.decode_login(line))
                return
            request = self._wire.decode(line)
            # Nearly every line is a message, and a `match` costs as much as all else about it.
            if type(request) is Say:
                self._room.say(member, request.text)
            else:
                self._request_as_member(member, request)
        except (Misunderstood, NameRefused) as mistake:
            self._answer_mistake(str(mistake))

    def receive_batch(self, lines: list[Line]) -> int:
        """Take lines that came together, until the room is full or the session ends.

        Never a checkpoint. At least one line is taken, if there is one.

        Args:
            lines: a few, of which messages are taken together: 100, not 10,000.

        Returns:
            How many were taken. The rest is to be handed in when there is room again.
        """
        if self._member is not None:
            texts = self._wire.decode_messages(lines)
            if texts is not None:
                self._room.say_all(self._member, texts)
                return len(lines)
        for count, line in enumerate(lines, start=1):
            self.receive(line)
            # Asked for each line: one may be answered with 64 KiB.
            if self.ended or self._room.is_full:
                return count
        return len(lines)

    def end(self) -> None:
        """Leave the room, whatever the reason; again does nothing. Never a checkpoint."""
        if self._member is not None:
            self._room.leave(self._member)
        elif self._room.is_closing and not self.ended:
            self._tell_mistake("server is closing")
        self.ended = True

    def _request_as_stranger(self, request: Request) -> None:
        match request:
            case LogIn() if self._room.is_closing:
                self.end()
            case LogIn(name):
                self._member = self._room.enter(parse_name(name), self._box, self._wire.encode)
            case Quit():
                self.ended = True
            case _:
                raise Misunderstood("log in first")

    def _answer_mistake(self, reason: str) -> None:
        if self._member is None:
            self._refuse(reason)
        else:
            self._tell_mistake(reason)

    def _refuse(self, reason: str) -> None:
        """Tell why a line is no name, or end the session where it was one too many."""
        self._refused += 1
        if self._refused == MAX_REFUSED_NAMES:
            reason = "too many names were refused"
            self.ended = True
        self._tell_mistake(reason)

    def _request_as_member(self, member: Member, request: Request | None) -> None:
        match request:
            case Act(text):
                self._room.act(member, text)
            case AskWho():
                self._pay(self._room.tell_who(member))
            case AskHelp():
                self._pay(self._room.tell_help(member))
            case Quit():
                self.end()
            case LogIn():
                raise Misunderstood(f"you are {member.name} already")
            case None:
                pass

    def _pay(self, answered: int) -> None:
        if answered >= BYTES_A_TOKEN:
            self._charge(answered // BYTES_A_TOKEN)

    def _tell_mistake(self, reason: str) -> None:
        # A stranger is nowhere in the log's order, and its box not in the hub.
        if self._member is None:
            self._box.put(self._wire.encode(Mistaken(reason)))
        else:
            self._pay(self._room.tell_mistake(self._member, reason))
