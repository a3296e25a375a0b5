"""One connection of the chat: hand its lines to a session, and carry out the session's errands."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from functools import partial
from typing import cast

import trio

from trionet.abc import TellsEnd
from trionet.chat.formats.answers import Event
from trionet.chat.serving.drain import LastWords
from trionet.chat.serving.format_detection import Door
from trionet.chat.serving.held_places import HeldPlaces
from trionet.chat.session.admission import Admission
from trionet.chat.session.pacing import TURNS, Pacer
from trionet.chat.session.passwords import Password
from trionet.chat.session.session import Session
from trionet.chat.session.switchboard import Switchboard
from trionet.connection.connection import Connection
from trionet.connection.peer import is_private
from trionet.fanout.hub import Hub
from trionet.fanout.hub_log import HIGH_WATER
from trionet.lines import Line

# How many entries of the hub's log keep a login waiting. A login can have a hundred rooms told of
# it. Where 900 of these came in a second, no member was served any more, and a drain took 28 s.
_MANY_ENTRIES = 4096

# How many lines of a stranger are taken before others have their turn. Its answers are not in the
# log, so it never waits for room there, and a line that is no request costs 20 µs. Where 100
# strangers sent a thousand each, a member waited 2 to 4 s.
LINES_OF_A_STRANGER = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class Chat:
    """What all connections of one chat share.

    Args:
        hub: delivers what happens.
        board: the chat itself.
        door: which format a peer speaks.
        last_words: waits, in a drain, until all has been said.
        places: which held member leaves where there are too many.
        password: what whoever logs in must know; default ``None``: nothing.
        parting: members whose departure is still on its way to a shared log, and their hosts.
        newcomers: the waits of those whose login waits for room in the log.
        turns: how many members may be told the past at a time; default 128.
        gate: lets one at a time of them ask the history.
    """

    hub: Hub[Event]
    board: Switchboard
    door: Door
    last_words: LastWords
    places: HeldPlaces
    password: Password | None = None
    turns: trio.CapacityLimiter = field(default_factory=lambda: trio.CapacityLimiter(TURNS))
    gate: trio.Lock = field(default_factory=trio.Lock)
    parting: dict[int, Hashable] = field(default_factory=dict)
    newcomers: set[trio.CancelScope] = field(default_factory=set)

    def parted(self, member: int, held: bool) -> None:
        """Note that a member whose connection has ended is held, or gone."""
        if member in self.parting:
            host = self.parting.pop(member)
            if held:
                self.places.held(member, host)

    def begin_drain(self) -> None:
        """Let nobody log in any more, and refuse at once those who wait for room.

        After 4 s of 4,500 logins a second, 9,000 waited. A drain of 5 s did not come to their end,
        and took 7.
        """
        self.board.admits = False
        for scope in self.newcomers:
            scope.cancel()

    async def handle(self, connection: Connection) -> None:
        """Serve one connection until its session or its input ends."""
        hub, board = self.hub, self.board
        session = Session.of_server(
            board,
            connection.outbox,
            self.door.wire,
            connection.lines.charge,
            self.door.encode_notice,
            connection.lines.stop,
        )
        self.door.receive(session, connection)
        host = connection.host
        if self.password is not None:
            session.admission = Admission(
                self.password, host, is_private=is_private(connection.stream)
            )
        self.places.connected(host)
        self.last_words.begin_reading()
        is_first, is_silent = True, True
        try:
            # No `with`: while it waits for a line, it would keep a method for each member.
            try:
                while not session.ended and (part := await connection.lines.receive_batch()):
                    if is_first:
                        is_first = False
                        self.door.enter(session, connection, part[0])
                    elif is_silent:
                        # Not before, so that a member who says nothing needs no memory for it.
                        is_silent = False
                        connection.answer_at_once(partial(self._say_at_once, session))
                    while part and not session.ended:
                        await self._take_all(part, session, connection, host)
                        # Go on with what was received while the log has room. A batch of the hub
                        # for each part of 100 lines took twice the time where one member says
                        # 1,000.
                        if not connection.lines.holds_lines or session.ended:
                            break
                        if hub.must_wait or board.log.must_wait:
                            break
                        # What a stranger causes is not in the log, and after the good-bye nothing
                        # is, so the log does not fill. Where 100 members had sent 64 KiB each, a
                        # drain of 5 s took 10 to 16.
                        if session.name is None or board.is_closing:
                            break
                        part = connection.lines.take_held()
                    # So an idle member keeps no list.
                    del part
                await session.settle()
            except BaseException:
                self.last_words.end_reading(cut_off=True)
                raise
            self.last_words.end_reading()
            if not session.ended and await self.last_words.wait():
                return
        finally:
            self._leave(session, host)
        # Lines that the peer should still get are in the log, before its departure.
        await hub.wait_delivered()

    def _leave(self, session: Session, host: Hashable) -> None:
        """End a session, and count its place, or its member's, no longer or as a held one."""
        self.places.disconnected(host)
        member = session.member
        session.end()
        if member is not None and is_held(self.board, member):
            self.places.held(member, host)
        elif member in self.board.state.members:
            # The log is shared, and its departure is on the way.
            self.parting[member] = host

    def _say_at_once(self, session: Session, lines: list[Line]) -> tuple[bytes, list[Line]]:
        """Take what members say without waking their tasks; see `Connection.answer_at_once`.

        Nearly all lines are messages. Where twenty members pipeline them to a thousand, a delivery
        takes 0.75 to 0.86 of the CPU, and to a hundred 0.89.
        """
        history = self.board.history
        if (
            self.hub.must_wait
            or self.board.log.must_wait
            or (history is not None and history.must_wait)
            or not session.say_at_once(lines)
        ):
            return b"", lines
        return b"", []

    async def _take_all(
        self, lines: list[Line], session: Session, connection: Connection, host: Hashable
    ) -> None:
        """Hand lines to a session, and wait for room in the log as often as need be."""
        hub, board, history = self.hub, self.board, self.board.history
        taken = 0
        while taken < len(lines) and not session.ended:
            part = lines[taken:] if taken else lines
            if session.name is None and len(lines) > LINES_OF_A_STRANGER:
                if taken:
                    await trio.lowlevel.checkpoint()
                part = part[:LINES_OF_A_STRANGER]
            # A login alone does not fill the log, and a thousand who come at once would know of
            # each other half as soon. But it must not take the room of those who wait.
            if session.name is not None or hub.others_wait or hub.waiting[0] > _MANY_ENTRIES:
                if history is not None:
                    await history.wait()
                if board.log.must_wait:
                    await board.log.wait_room()
                if hub.must_wait:
                    if session.name is None:
                        await self._wait_turn()
                    else:
                        rest = lines[taken:]
                        size = sum(len(line) for line in rest if isinstance(line, str))
                        await hub.wait_room(len(rest), size=size)
                    # A disk that is behind cannot take what a hundred members who find room at once
                    # have to say.
                    if history is not None:
                        await history.wait()
            taken += session.receive_batch(part)
            self._identify(session, connection, host)
            if session.errand is not None:
                pacer = Pacer(
                    hub,
                    connection.outbox,
                    self.turns,
                    self.gate,
                    partial(_input_has_ended, connection),
                    connection.postpone_login,
                )
                while session.errand is not None and not session.ended:
                    await session.run_errand(pacer)
                    # It may have been a login, and the next one may take minutes.
                    self._identify(session, connection, host)

    async def _wait_turn(self) -> None:
        """Have a newcomer wait for room in the log, but not once a drain has begun."""
        with trio.CancelScope() as scope:
            self.newcomers.add(scope)
            try:
                if self.board.admits:
                    # Nobody can see how many rooms a login means.
                    await self.hub.wait_room(HIGH_WATER)
            finally:
                self.newcomers.discard(scope)

    def _identify(self, session: Session, connection: Connection, host: Hashable) -> None:
        if session.name is None or connection.name == session.name:
            return
        if connection.name is None and session.member is not None:
            # Whoever has come back is no longer held, and whoever is new may need a place.
            self.places.logged_in(session.member, host)
            # A login takes its time in a shared log, and few wait for it through an outage.
            if self.board.log.is_shared and _is_gone(connection):
                session.peer_has_gone()
        connection.identify(session.name)


def _input_has_ended(connection: Connection) -> bool:
    return connection.lines.end is not None


def _is_gone(connection: Connection) -> bool:
    stream = connection.stream
    if connection.outbox.broken:
        return True
    return hasattr(stream, "has_ended") and cast(TellsEnd, stream).has_ended()


def is_held(board: Switchboard, member: int) -> bool:
    """Tell whether a member is here without a connection."""
    there = board.state.members.get(member)
    return there is not None and not there.connections
