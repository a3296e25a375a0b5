"""One peer's way through the chat: it logs in, talks and leaves. The same for every wire format.

The plan:

- The wire format turns each line into a request. A request that changes something becomes an
  operation, which the switchboard appends to the log. Most others are answered at once.
- `Session.receive` never waits. What has to wait becomes an *errand*, which the server carries out
  before it hands in the next line: a question about the past, a password after wrong tries, or a
  request that must see earlier operations come back.
- Only with a shared log do operations take time to come back. Until then a session is *behind*. It
  may still say things, unless an earlier operation changes where they go.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import assert_never

from trionet.abc import Box
from trionet.argument_checks import check_box, check_kind, check_kinds
from trionet.chat.formats.answers import Helped, Ignored, Mistaken, PasswordAsked, Ponged, TopicIs
from trionet.chat.formats.requests import (
    Act,
    AskHelp,
    AskHistory,
    AskRooms,
    AskTopic,
    AskWho,
    HearAgain,
    Ignore,
    Join,
    Leave,
    LogIn,
    Misunderstood,
    Ping,
    Quit,
    Remove,
    Rename,
    Reply,
    Request,
    Say,
    SayAll,
    Search,
    SetTopic,
    Tell,
)
from trionet.chat.formats.texts import repeated
from trionet.chat.formats.wire_format import WireFormat, check_format
from trionet.chat.session.admission import MISSING, NOT_HERE, WRONG, Admission
from trionet.chat.session.arrival import Arrival, hash_of
from trionet.chat.session.base_session import Answering
from trionet.chat.session.history_errands import Errand, Pace, ask_the_past
from trionet.chat.session.ignoring import MAX_IGNORED
from trionet.chat.session.requested_operations import (
    login_names,
    member_key,
    operation_of,
    room_key,
)
from trionet.chat.session.switchboard import Switchboard
from trionet.chat.state import events, operations
from trionet.chat.state.members import Member
from trionet.chat.state.operations import ConnectionId, RequestId
from trionet.errors import BadLine
from trionet.function_checks import check_callback
from trionet.lines import Line
from trionet.notices import EncodeNotice, ServerClosing

# One object for everyone, so that a hub can encode it once for many.
_HELPED = Helped()
_PASSWORD_ASKED = PasswordAsked()


class Session(Answering):
    """One peer, from its first line until it leaves.

    Args:
        board: the chat that the peer wants to enter.
        box: where the peer's lines go.
        wire: the peer's wire format.
        charge: called with the extra tokens that a line costs because of its size or that of its
            answer, if it costs any: `trionet.LineReader.charge`. Default: nothing is called.
        encode_notice: used in place of `wire`'s own function, by a server that guards it; default
            ``None``.
        on_taken_over: called when another connection has taken the member over. `ended` is true
            then, and the peer may never close this connection by itself. Default: nothing is
            called.

    Attributes:
        box: where the peer's lines go.
        wire: the peer's wire format.
        name: the member's name as everyone sees it; ``None`` until the peer has logged in.
        ended: whether the session is over, because the peer has quit, ten of its names were
            refused, or another connection has taken it over. Then hand in no more lines, and close
            the connection.
        errand: what must be carried out before the next line is handed in; ``None``: nothing.
        member: the member's number; ``None``: the peer is not, or no longer, a member.
        tokens: the SHA-256 of the tokens that prove what it has said.
        former: the SHA-256 of a token that the member has brought to its first login, and that no
            longer belonged to any member then.
        ticket: the ticket of its last operation; 0: it has none that may still come back.
        is_away: whether the log has lost its member, which is coming in again.
        is_resumed: whether its login has resumed a member.
        admission: what the peer must show to become a member; ``None``: nothing. A server sets it
            before the first line.
    """

    __slots__ = (
        "_asked", "_barrier", "_connection", "_has_token", "_on_taken_over", "_writer", "admission",
        "errand", "former", "is_away", "is_resumed", "name", "ticket", "tokens",
    )  # fmt: skip

    def __init__(
        self,
        board: Switchboard,
        box: Box,
        wire: WireFormat,
        charge: Callable[[int], object] = lambda _tokens: None,
        *,
        encode_notice: EncodeNotice | None = None,
        on_taken_over: Callable[[], object] = lambda: None,
    ) -> None:
        check_kind("board", board, Switchboard, hint="trionet.chat.Switchboard(hub)")
        check_box(box)
        check_callback("charge", charge, optional=False)
        check_callback("encode_notice", encode_notice)
        check_callback("on_taken_over", on_taken_over, arguments=0, optional=False)
        check_format(wire)
        self._begin(board, box, wire, charge, encode_notice or wire.encode_notice, on_taken_over)

    @classmethod
    def of_server(
        cls,
        board: Switchboard,
        box: Box,
        wire: WireFormat,
        charge: Callable[[int], object],
        encode_notice: EncodeNotice,
        on_taken_over: Callable[[], object],
    ) -> Session:
        """Make the session of a server's connection: the server has checked the arguments.

        By position and without checks, which took 0.5 % of a login.

        Args:
            board: as in the constructor, and so are the others.
            box: see there.
            wire: see there.
            charge: see there.
            encode_notice: see there.
            on_taken_over: see there.
        """
        session = cls.__new__(cls)
        cls._begin(session, board, box, wire, charge, encode_notice, on_taken_over)
        return session

    def _begin(
        self,
        board: Switchboard,
        box: Box,
        wire: WireFormat,
        charge: Callable[[int], object],
        encode_notice: EncodeNotice,
        on_taken_over: Callable[[], object],
    ) -> None:
        # Not by `super()`, which is another call.
        Answering.__init__(self, board, box, wire, charge, encode_notice)
        self.errand: Errand | None = None
        self.tokens: tuple[bytes, ...] = ()
        self.former = b""
        self.name: str | None = None
        self.admission: Admission | None = None
        self.ticket = 0
        self.is_away = False
        self.is_resumed = False
        # The ticket of the last operation that changes what requests mean: until it has come back,
        # none can be carried out. 0: there is none.
        self._barrier = 0
        # The login of a peer that was asked for the password, which its next line must be.
        self._asked: LogIn | None = None
        self._on_taken_over = on_taken_over
        self._connection: ConnectionId | None = None
        # Whether the peer may know a token with which its member can be resumed.
        self._has_token = True
        # Who sent it the last private message, unless they have gone, and their name.
        self._writer: tuple[Member | None, str] | None = None

    def __repr__(self) -> str:
        state = "ended" if self.ended else "open"
        return f"<trionet.chat.Session of {self.name or 'nobody yet'}: {state}>"

    def receive(self, line: Line) -> None:
        """Take one line, good or bad, and do what it asks. Never a checkpoint.

        Raises:
            TypeError: it is not a line, but bytes for example.
        """
        if isinstance(line, BadLine):
            if self._is_behind():
                self.errand = partial(self._reject_later, line)
                return
            # Not raised: a traceback would hold this frame, and the frame the line.
            self._asked = None
            self._reject_unreadable(line)
            return
        if type(line) is not str:
            check_kinds(line=(line, str))
        member = self.member
        try:
            if member is None:
                self._request_as_stranger(self.wire.decode_login(line))
                return
            request = self.wire.decode(line)
            # Nearly every line is a message, and a `match` would double what one costs here.
            if request is not None and self.ticket and self._must_come_later(request):
                self.errand = partial(self._request_later, request)
            elif type(request) is Say:
                self._say(member, request)
            elif request is not None:
                self._request_as_member(member, request)
        except Misunderstood as mistake:
            if self._is_behind():
                self.errand = partial(self._refuse_later, mistake)
            else:
                self._refuse(mistake)

    def receive_batch(self, lines: list[Line]) -> int:
        """Take lines that came together, until the log is full or the session ends.

        Never a checkpoint. Takes at least one line, if there is one.

        Args:
            lines: a few lines: 100, not 10,000. If all are messages, they are taken in one go.

        Returns:
            How many lines were taken. Hand in the others when there is room again.

        Raises:
            TypeError: they are not a list, or one of them is not a line.
        """
        if type(lines) is not list:
            check_kinds(lines=(lines, list))
        member = self.member
        if member is not None and lines:
            run = self.wire.decode_messages(lines)
            if run is not None:
                if self.ticket and self._must_come_later(run):
                    self.errand = partial(self._request_later, run)
                else:
                    self._say_all(member, run)
                return len(lines)
        for count, line in enumerate(lines, start=1):
            self.receive(line)
            if count == len(lines) or self.ended or self.errand is not None:
                return count
            # Checked after each line: the answer to a single one can be 64 KiB.
            if self._board.is_full:
                return count
        return 0

    def say_at_once(self, lines: list[Line]) -> bool:
        """Take lines that came together, if all are messages and nothing has to come first.

        Never a checkpoint. Ask first whether the log is full.

        Args:
            lines: a few lines, as for `receive_batch`.

        Returns:
            Whether they were taken. If not, hand them to `receive_batch`.
        """
        member = self.member
        if member is None or self.ended or self.errand is not None:
            return False
        run = self.wire.decode_messages(lines)
        if run is None or (self.ticket and self._must_come_later(run)):
            return False
        self._say_all(member, run)
        return True

    def end(self, reason: str = "lost") -> None:
        """Leave the chat, whatever the reason (default ``lost``); a second call does nothing.

        Never a checkpoint.
        """
        if self.member is not None:
            held_as = self._connection if reason == "lost" and self._has_token else None
            self._board.log_out(self, self.member, reason, held_as)
        elif not self.ended:
            self._board.give_up(self)
            if self._board.is_closing:
                self.box.put(self._encode_notice(ServerClosing()))
        self.ended = True

    # -- what the switchboard calls

    async def run_errand(self, pace: Pace) -> None:
        """Carry out the errand, if there is one. It may leave another.

        Args:
            pace: how fast it may go.

        Cancellation: the errand is given up; what was sent so far stays sent.
        """
        if self.errand is not None and not self.ended:
            errand, self.errand = self.errand, None
            await errand(pace)

    def logged_in(self, login: events.LoggedIn) -> None:
        """Note that the peer is a member now: `login` says which."""
        self.member = login.member
        self.name = login.name
        self._connection = login.connection
        self.is_resumed = login.resumed
        claim = self._board.state.members[login.member].claim
        if self.wire.receipts and claim is not None:
            self.former = claim.former
            self.tokens = (claim.token, claim.former) if claim.former else (claim.token,)

    def peer_has_gone(self) -> None:
        """Note that the peer had gone before it became a member: nobody was told a new token."""
        self._has_token = self.is_resumed

    @property
    def connection(self) -> ConnectionId | None:
        """Its connection, as the log knows it; ``None``: it was never a member."""
        return self._connection

    async def settle(self) -> None:
        """Wait until all that it has asked for has come back; with a local log, not at all.

        Cancellation: what it has asked for still happens.
        """
        while self._is_behind():
            await self._board.log.wait(self.ticket)
            if self.is_away:
                await self._board.away.wait()

    def came_in_again(self, member: int) -> None:
        """Note that the log knows the member again, under another number."""
        self.member = member
        self.is_away = False

    def taken_over(self) -> None:
        """Note that another connection has taken the member over. Never a checkpoint."""
        self.member = None
        self.is_away = False
        self.ended = True
        self._on_taken_over()

    def login_refused(self, refusal: events.LoginRefused) -> None:
        """Tell the peer why it has not become a member: `refusal` says it."""
        self.reject(refusal.reason, refusal.code, refusal.id, is_login=True)

    def named(self, name: str) -> None:
        """Note the member's new name."""
        self.name = name

    def written_to(self, told: events.Told) -> None:
        """Note from `told` who sent the member a private message, for `/reply`."""
        self._writer = self._board.state.members.get(told.member), told.name

    # -- what must wait for the log

    def _is_behind(self) -> bool:
        return self.is_away or self.ticket > self._board.log.applied

    def _must_come_later(self, request: Request) -> bool:
        """Tell whether a request must wait until earlier operations have come back.

        A request that only says something need not, unless they change where it goes. Every other
        request has an answer, or depends on what others see.
        """
        if not self._is_behind():
            self.ticket = 0
            return False
        if type(request) in (Say, SayAll, Act, Tell):
            return self.is_away or self._barrier > self._board.log.applied
        return True

    async def _request_later(self, request: Request, _pace: Pace) -> None:
        await self.settle()
        member = self.member
        if member is not None and not self.ended:
            try:
                self._request_as_member(member, request)
            except Misunderstood as mistake:
                self._refuse(mistake)

    async def _reject_later(self, line: BadLine, _pace: Pace) -> None:
        await self.settle()
        self._asked = None
        self._reject_unreadable(line)

    async def _refuse_later(self, mistake: Misunderstood, _pace: Pace) -> None:
        await self.settle()
        self._refuse(mistake)

    def _refuse(self, mistake: Misunderstood) -> None:
        self.reject(str(mistake), mistake.code, mistake.id, is_login=mistake.is_login)

    def _append(self, operation: operations.Operation) -> None:
        """Append an operation that may change what later requests mean."""
        self.ticket = self._barrier = self._board.append(operation)

    # -- requests

    def _request_as_stranger(self, request: Request | None) -> None:
        if isinstance(request, LogIn):
            self._ask_to_enter(request)
        elif isinstance(request, Ping):
            self.answer(Ponged(request.id))
        elif isinstance(request, Quit):
            self.ended = True
        elif request is not None:
            raise Misunderstood("log in first", code="not-logged-in")

    def _ask_to_enter(self, request: LogIn) -> None:
        """Log a peer in, once it has shown what it must."""
        admission = self.admission
        asked, self._asked = self._asked, None
        if admission is None:
            self._log_in(request)
        elif asked is not None:
            # It was asked for the password, and this line is it.
            self._try_password(admission, asked, request.name)
        elif not admission.is_private:
            self.reject(NOT_HERE, "forbidden", request.id, is_login=True)
        elif request.token and self._board.state.knows_token(hash_of(request.token)):
            self._log_in(request)
        elif self.wire.names_first:
            name, _, _ = login_names(request)
            problem = "" if name is None else self._board.state.why_not_called(name)
            if problem:
                self.reject(problem, "name-taken", request.id, is_login=True)
            else:
                self._asked = request
                self.answer(_PASSWORD_ASKED)
        elif not request.password:
            # An empty password is no guess: somebody left the field empty.
            self.reject(MISSING, "bad-password", request.id, is_login=True)
        else:
            self._try_password(admission, request, request.password)

    def _try_password(self, admission: Admission, request: LogIn, password: str) -> None:
        """Judge a password, now or after a wait."""

        def judge() -> None:
            if admission.is_right(password):
                self._log_in(request)
            else:
                self.reject(WRONG, "bad-password", request.id, is_login=True)

        async def judge_later(pace: Pace) -> None:
            if await pace.sleep(seconds):
                try:
                    judge()
                except Misunderstood as mistake:
                    self._refuse(mistake)

        seconds = admission.wait_for_try()
        if seconds:
            self.errand = judge_later
        else:
            judge()

    def _log_in(self, request: LogIn) -> None:
        if not self._board.admits:
            self.answer(Mistaken("server is closing", "closing", request.id))
            self.ended = True
            return
        name, rooms, unfit = login_names(request)
        if len(rooms) > 1:
            # Each room is told of the newcomer, as if by a request of its own.
            self._charge_for_more(len(rooms))
        # Only programs need a token, and drawing one takes longer than the rest of a login.
        token = self._board.draw_token() if self.wire.receipts else ""
        arrival = Arrival(
            name,
            rooms,
            request.id,
            request.hold,
            token,
            request.token,
            request.seen or {},
            request.epoch,
        )
        self.ticket = self._barrier = self._board.log_in(self, arrival)
        if self.ticket:
            self.errand = partial(self._answer_unfit_later, unfit)
        elif unfit:
            self._answer_unfit(unfit)

    def _answer_unfit(self, unfit: list[Mistaken]) -> None:
        if self.member is not None:
            for mistake in unfit:
                self.answer(mistake)

    async def _answer_unfit_later(self, unfit: list[Mistaken], _pace: Pace) -> None:
        await self.settle()
        self._answer_unfit(unfit)

    def _request_as_member(self, member: int, request: Request) -> None:
        board = self._board
        match request:
            case Quit():
                # First: nearly every member leaves with it, and each case before it would cost a
                # thousand who leave at once a look.
                self.end("quit")
            case Say():
                self._say(member, request)
            case Act() | Tell():
                self._charge_for_lines(request.text)
                self.ticket = board.append(operation_of(request, member, board.state))
            case SayAll():
                self._say_all(member, request)
            case Join() | Leave() | SetTopic():
                self._append(operation_of(request, member, board.state))
            case Rename():
                renaming = operation_of(request, member, board.state)
                # Each room is told of the new name.
                self._charge_for_more(len(board.state.members[member].rooms))
                self._append(renaming)
            case Reply(text):
                self._reply(member, text)
            case AskTopic(room):
                room = room_key(room, member, board.state)
                if room in board.state.rooms:
                    self.answer(TopicIs(room, board.state.rooms[room].topic))
                else:
                    self.reject("you are in no room", "not-in-room", None)
            case Ignore(name):
                self._ignore(name)
            case HearAgain(name):
                self._hear_again(name)
            case AskWho(room, id_):
                self._tell_who(member, room, id_)
            case AskRooms(id_):
                self.answer(board.views.room_list(id_))
            case AskHistory() | Search() | Remove():
                self.errand = partial(ask_the_past, request, self, board)
            case AskHelp():
                self.answer(_HELPED)
            case Ping(id_):
                self.answer(Ponged(id_))
            case LogIn(_, _, id_):
                self.reject(f"you are {self.name} already", "bad-request", id_)
            case _:
                assert_never(request)

    def _say(self, member: int, request: Say) -> None:
        self._charge_for_lines(request.text)
        ids: list[RequestId] | None = None if request.id is None else [request.id]
        room = room_key(request.room, member, self._board.state)
        self.ticket = self._board.append(operations.Say(member, room, [request.text], ids))

    def _say_all(self, member: int, request: SayAll) -> None:
        room = room_key(request.room, member, self._board.state)
        operation = operations.Say(member, room, request.texts, request.ids)
        self.ticket = self._board.append(operation)

    def _reply(self, member: int, text: str) -> None:
        if self._writer is None:
            self.reject("nobody has written to you yet", "no-such-member", None)
            return
        board, (writer, name) = self._board, self._writer
        if writer is not None and board.state.members.get(writer.id) is not writer:
            # They have left. Or a shared log had lost them, and they are back or still to come.
            writer = board.state.find_again(writer)
            if writer is not None or not board.away:
                self._writer = writer, name
        if writer is None:
            self.reject(f"there is no {name} here", "no-such-member", None)
            return
        name = writer.name.shown
        self.ticket = board.append(operations.Tell(member, name, writer.name.key, text))

    def _ignore(self, name: str) -> None:
        other = self._other(name)
        if other is None:
            return
        if self._board.ignoring.add(self.box, other.id):
            self.answer(Ignored(other.name.shown))
        else:
            self.reject(f"you ignore {MAX_IGNORED} members already", "bad-request", None)

    def _hear_again(self, name: str) -> None:
        other = self._other(name)
        if other is not None:
            self._board.ignoring.discard(self.box, other.id)
            self.answer(Ignored(other.name.shown, again=True))

    def _other(self, name: str) -> Member | None:
        """Return the member with a name, but not this one; ``None``: the peer was told why not."""
        other = self._board.state.find_member(member_key(name))
        if other is None:
            self.reject(f"there is no {repeated(name)} here", "no-such-member", None)
        elif other.id == self.member:
            self.reject("you cannot ignore yourself", "bad-request", None)
        else:
            return other
        return None

    def _tell_who(self, member: int, room: str, id_: RequestId) -> None:
        name = room_key(room, member, self._board.state)
        history = self._board.history
        is_known = history is not None and history.last(name) is not None
        if name in self._board.state.rooms or is_known:
            self.answer(self._board.views.present(name, id_))
        else:
            self.reject(f"there is no room {repeated(name)}", "no-such-room", id_)
