"""What a session cannot do in one stretch: it asks the history, and the history may ask the disk.

A session that has an errand takes no more lines until its server has carried it out. So answers
stay in order, and a peer has one errand at a time. Nothing here imports Trio: whoever carries out
an errand lends it a `Pace`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from math import inf
from typing import Any, Protocol, TypeAlias, TypeVar, assert_never

from trionet.chat.formats.answers import Event, Found, Past
from trionet.chat.formats.json_missing import PRIVATE
from trionet.chat.formats.requests import HERE, AskHistory, Remove, Search
from trionet.chat.formats.texts import repeated
from trionet.chat.history.history import History, Page, Query
from trionet.chat.session.requested_operations import room_key
from trionet.chat.state import operations
from trionet.chat.state.operations import RequestId
from trionet.chat.state.state import State
from trionet.errors import TrionetError

T = TypeVar("T")


class Pace(Protocol):
    """How fast an errand may go. `trionet.chat.session.pacing.Pacer` implements it."""

    async def ask(self, function: Callable[..., Awaitable[T]], *given: Any, **named: Any) -> T:
        """Await a function of the history.

        Raises:
            TrionetError: the history cannot answer, or does not in time.
        """

    def turn(self) -> AbstractAsyncContextManager[None]:
        """Return a context for something large; not everybody can be in one at a time."""

    def put(self, lines: bytes) -> None:
        """Send lines past the hub, before whatever it has not delivered yet."""

    async def sleep(self, seconds: float) -> bool:
        """Wait, and return whether the peer is still served; if not, this ends early."""

    async def settle(self, within: float = inf) -> bool:
        """Wait until the peer has what it was sent; return whether it is still there.

        Args:
            within: how long to wait at most, in seconds.
        """


Errand: TypeAlias = Callable[[Pace], Awaitable[None]]


class Asker(Protocol):
    """A session, as errands see it. `trionet.chat.Session` implements it."""

    @property
    def member(self) -> int | None:
        """The number of its member; ``None``: it has none, or no longer."""

    ticket: int

    @property
    def tokens(self) -> tuple[bytes, ...]:
        """The SHA-256 of each token that proves what it has said."""

    @property
    def former(self) -> bytes:
        """The SHA-256 of a token that it had as another member; empty: none."""

    async def settle(self) -> None:
        """Wait until the log has its member, if it has lost it; with a local log, not at all."""

    def answer(self, event: Event) -> None:
        """Tell the peer something, at its cost."""

    def reject(self, reason: str, code: str, id_: RequestId) -> None:
        """Tell the peer why its request was rejected."""


class Board(Protocol):
    """The switchboard, as errands see it. `trionet.chat.Switchboard` implements it."""

    state: State
    history: History | None
    clock: Callable[[], int]

    def append(self, operation: operations.Operation) -> int:
        """Append an operation to the log; return its ticket."""


async def ask_the_past(
    request: AskHistory | Search | Remove, asker: Asker, board: Board, pace: Pace
) -> None:
    """Carry out a request that needs the history, and answer it."""
    member, history = asker.member, board.history
    if member is None:
        return
    if isinstance(request, AskHistory) and request.room == PRIVATE:
        _tell_private(request, member, asker, board)
        return
    if history is None:
        asker.reject("no history is kept here", "unavailable", request.id)
        return
    try:
        match request:
            case AskHistory():
                await _tell_history(request, member, asker, board, history, pace)
            case Search():
                await _search(request, member, asker, board, history, pace)
            case Remove():
                await _remove(request, member, asker, board, history, pace)
            case _:
                assert_never(request)
    except TrionetError as error:
        asker.reject(str(error), "unavailable", request.id)


def _tell_private(request: AskHistory, member: int, asker: Asker, board: Board) -> None:
    """Answer with the member's own private sequence, as far as it is kept."""
    kept = board.state.private_of(member, request.after or 0)
    if request.before is not None:
        kept = [told for told in kept if told.number < request.before]
    more = len(kept) > request.limit
    is_newest = request.after is None
    kept = kept[-request.limit :] if is_newest else kept[: request.limit]
    asker.answer(Past(PRIVATE, kept, more, is_newest, board.clock(), request.id))


async def _tell_history(
    request: AskHistory, member: int, asker: Asker, board: Board, history: History, pace: Pace
) -> None:
    room = room_key(request.room, member, board.state)
    if request.room is HERE and not room:
        asker.reject("you are in no room", "not-in-room", request.id)
        return
    page = await pace.ask(
        history.page,
        room,
        before=request.before,
        after=request.after,
        limit=request.limit,
    )
    if not page.events and not _is_known(room, board, history):
        asker.reject(f"there is no room {repeated(room)}", "no-such-room", request.id)
        return
    if request.room is HERE and page.more and len(page.events) < request.limit:
        await _tell_pages(page, room, request.limit, asker, board, history, pace)
        return
    is_newest, now = request.after is None, board.clock()
    asker.answer(Past(room, page.events, page.more, is_newest, now, request.id, asker.former))


async def _tell_pages(
    page: Page, room: str, limit: int, asker: Asker, board: Board, history: History, pace: Pace
) -> None:
    """Show a terminal what does not fit in a page: a program asks again, and a person does not.

    Only one page is held at a time. So the way back is gone first, to find where to begin.
    """
    last, before, count = page.events[-1].number, page.events[0].number, len(page.events)
    while count < limit and page.more and page.events:
        page = await pace.ask(history.page, room, before=before, limit=limit - count)
        if page.events:
            before, count = page.events[0].number, count + len(page.events)
    after = before - 1
    while after < last and asker.member is not None:
        page = await pace.ask(history.page, room, after=after, limit=limit)
        events = [event for event in page.events if event.number <= last]
        if not events:
            return
        after = events[-1].number
        asker.answer(Past(room, events, page.more, False, board.clock()))
        # No faster than it reads: more than waits for a member would be dropped.
        if not await pace.settle():
            return


async def _search(
    request: Search, member: int, asker: Asker, board: Board, history: History, pace: Pace
) -> None:
    room = None
    if request.room is not None:
        room = room_key(request.room, member, board.state)
        if not _is_known(room, board, history):
            # A room that nobody has used for long is known once its history was asked for.
            await pace.ask(history.page, room, limit=1)
        if not _is_known(room, board, history):
            asker.reject(f"there is no room {repeated(room)}", "no-such-room", request.id)
            return
    query = Query(
        text=request.text,
        room=room,
        name=request.name,
        before=request.before,
        limit=request.limit,
    )
    page = await pace.ask(history.search, query)
    asker.answer(Found(page.events, page.more, request.id))


async def _remove(
    request: Remove, member: int, asker: Asker, board: Board, history: History, pace: Pace
) -> None:
    room = room_key(request.room, member, board.state)
    if room not in board.state.members[member].rooms:
        asker.reject(f"you are not in {room}", "not-in-room", request.id)
        return
    found = await pace.ask(history.find, room, request.number)
    if found is None:
        asker.reject(f"there is no message {request.number}", "no-such-message", request.id)
    elif not found.author or found.author not in asker.tokens:
        asker.reject("somebody else has said this", "forbidden", request.id)
    else:
        # A shared log may have lost the member meanwhile. Then it has another number, and its
        # former one may be somebody else's.
        await asker.settle()
        if asker.member is not None:
            removal = operations.Remove(asker.member, room, request.number, request.id)
            asker.ticket = board.append(removal)


def _is_known(room: str, board: Board, history: History) -> bool:
    return room in board.state.rooms or history.last(room) is not None
