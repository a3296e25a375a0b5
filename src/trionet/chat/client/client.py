"""The chat for Python programs: a member that comes back by itself when its connection is lost.

This is what a program sees: `Client` with its arguments, requests and events. The connection behind
it is in `connection`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from types import MappingProxyType
from typing import Any, Self

from trionet.abc import Network
from trionet.argument_checks import check_network
from trionet.chat.client.connection import ClientConnection
from trionet.chat.client.events import (
    Acted,
    ChatEvent,
    Entered,
    Found,
    Left,
    Members,
    Pong,
    Removed,
    RoomInfo,
    Rooms,
    Said,
    Told,
    TopicSet,
)
from trionet.chat.client.pages import Past
from trionet.chat.client.rooms import Room
from trionet.chat.session.passwords import check_password
from trionet.connection.generator_context import EnteredOnce
from trionet.function_checks import check_callback
from trionet.transport.addresses import parse_address
from trionet.transport.network import SYSTEM
from trionet.type_checks import check_kinds, shown


class Client(EnteredOnce):
    """A member of a chat, which any number of tasks can use at the same time.

    An async context manager: entering it connects and logs in, and leaving it quits.

        async with Client("localhost:22223", name="ann") as chat:
            await chat.say("lobby", "hello")
            async for event in chat:
                print(event)

    When the connection is lost, the client connects again in growing pauses, for ever, and resumes
    where it was: what happened meanwhile follows, and requests that were not answered are repeated.
    Nothing is said twice even then. Where the server has forgotten this member, the client looks
    into the history before it says anything again. What could not be recovered is told by an event
    of type ``missed`` (ask `history` for it) or ``epoch`` (the server has begun its numbers anew).

    Args:
        address: where the server is; see `trionet.parse_address`.
        name: what the member is called.
        network: what to connect over; default the real network.
        rooms: where it starts; default the lobby.
        hold: whether the server keeps its place for a while (60 s unless the operator has changed
            it) when the connection is lost; default true. Without it, others are told that it left.
        on_pause: called before each pause, with its length in seconds and a text that says why the
            connection was lost or not made; default ``None``: nothing is told. Not async.
        password: the chat's password, where it has one; default ``None``. It is sent only to this
            machine and over TLS.

    Attributes:
        name: what the member is called now.
        rooms: the rooms it is in, as of the last event received. Each has ``members``, ``count``,
            ``topic`` and ``last``.

    Raises:
        AddressError: the address cannot be read.
        TypeError: an argument has the wrong type; the message says what to write.

    Entering raises:
        ConnectError: nobody answers there. It is not tried again.
        ConnectionLost: the server closed the connection, is full, does not answer within 30
            seconds, or does not speak this protocol.
        NameTaken: another member has this name, or one that looks like it.
        NameRefused: nobody can have this name.
        RequestRefused: the server refused the login for another reason: its code is
            ``bad-password`` if the server wants a password and this is not it.

    Cancellation: entering leaves nothing behind; leaving takes a second at most.

    Resource handling: the client's tasks and its connection end with the block. What the block
    raises is not wrapped in a group. Leaving waits until everything is answered and the server has
    closed, for two seconds at most; if the block has failed or was cancelled, for one.
    Events that are not taken are kept up to 1 MiB, each counted as its line, or as 100 bytes if
    that is shorter; then a ``missed`` takes the oldest ones' place.
    At most 64 requests are under way; more wait for their turn.
    """

    def __init__(
        self,
        address: str,
        *,
        name: str,
        network: Network = SYSTEM,
        rooms: Sequence[str] = ("lobby",),
        hold: bool = True,
        on_pause: Callable[[float, str], object] | None = None,
        password: str | None = None,
    ) -> None:
        parse_address(address)
        check_kinds(name=(name, str), hold=(hold, bool))
        is_list = isinstance(rooms, Sequence) and not isinstance(rooms, str)
        if not is_list or not all(isinstance(room, str) for room in rooms):
            raise TypeError(f"rooms are several texts, such as ['lobby'], not {shown(rooms)}")
        check_network(network)
        check_callback("on_pause", on_pause, arguments=2)
        if password is not None:
            check_password(password)
        self._address = address
        self._connection = ClientConnection(
            address,
            name=name,
            network=network,
            rooms=rooms,
            hold=hold,
            on_pause=on_pause,
            password=password,
        )
        self._ask = self._connection.ask
        self._rooms = MappingProxyType(self._connection.state.rooms)

    def __repr__(self) -> str:
        state = "closed" if self._connection.was_entered else "not connected yet"
        if self._connection.is_open:
            state = "in the chat" if self._connection.state.is_live else "connecting"
        return f"<Client {self.name!r} of {self._address}: {state}>"

    @property
    def name(self) -> str:
        """What this member is called now."""
        return self._connection.state.name

    @property
    def rooms(self) -> Mapping[str, Room]:
        """The rooms this member is in, as of the last event received."""
        return self._rooms

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> ChatEvent:
        """Return the next event. Several tasks that iterate share the events.

        Raises:
            TrionetError: the server does not let this member come back.
            StopAsyncIteration: the client is closed.

        Cancellation: no event is lost. Always a checkpoint.
        """
        return await self._connection.next_event()

    async def say(self, room: str, text: str) -> Said:
        """Say something in a room, and return the receipt.

        Args:
            room: a room that this member is in.
            text: at most 4,096 bytes and 50 lines.

        Raises:
            TypeError: an argument is not a text.
            RequestRefused: the server refused it; nothing was said.
            ConnectionLost: the server does not let this member come back; or the connection was
                lost, and nobody knows any more whether it was said.
            trio.ClosedResourceError: the client is used outside its block.

        Cancellation: the text may be said or not, never twice. Always a checkpoint.
        """
        check_kinds(room=(room, str), text=(text, str))
        return await self._ask(Said, type="say", room=room, text=text)

    async def act(self, room: str, text: str) -> Acted:
        """Do something in a room (``* Ann waves``), and return the receipt.

        Args:
            room: a room that this member is in.
            text: what this member does; at most 4,096 bytes and 50 lines.

        Raises and is cancelled as `say`. Always a checkpoint.
        """
        check_kinds(room=(room, str), text=(text, str))
        return await self._ask(Acted, type="act", room=room, text=text)

    async def tell(self, to: str, text: str) -> Told:
        """Tell one member something, and return the receipt.

        Args:
            to: the member's name, in whatever room it is.
            text: at most 4,096 bytes and 50 lines.

        Raises and is cancelled as `say`. Always a checkpoint.
        """
        check_kinds(to=(to, str), text=(text, str))
        return await self._ask(Told, type="tell", to=to, text=text)

    async def join(self, room: str) -> Room:
        """Join a room, and return what is known of it. Raises as `say`.

        Cancellation: the member may be in the room or not. Always a checkpoint.
        """
        check_kinds(room=(room, str))
        entered = await self._ask(Entered, type="join", room=room)
        return self._rooms.get(entered.room) or Room(
            [*entered.members], entered.count, entered.topic, entered.last
        )

    async def leave(self, room: str) -> None:
        """Leave a room. Raises as `say`.

        Cancellation: the member may be in the room or not. Always a checkpoint.
        """
        check_kinds(room=(room, str))
        await self._ask(Left, type="leave", room=room)

    async def topic(self, room: str, text: str) -> TopicSet:
        """Set a room's topic, and return the receipt. Raises as `say`.

        Args:
            room: a room that this member is in.
            text: one line of at most 390 bytes; empty: the topic is removed.

        Cancellation: the topic may be set or not. Always a checkpoint.
        """
        check_kinds(room=(room, str), text=(text, str))
        return await self._ask(TopicSet, type="topic", room=room, text=text)

    async def nick(self, name: str) -> None:
        """Take another name. Raises as `say`.

        Cancellation: the member may have the new name or the old one. Always a checkpoint.
        """
        check_kinds(name=(name, str))
        await self._ask(ChatEvent, type="nick", name=name)

    async def remove(self, room: str, number: int) -> Removed:
        """Remove one of this member's messages, and return the receipt. Raises as `say`.

        Args:
            room: the room in which it was said.
            number: the message's number in that room.

        Cancellation: the message may be removed or not. Always a checkpoint.
        """
        check_kinds(room=(room, str), number=(number, int))
        return await self._ask(Removed, type="remove", room=room, number=number)

    async def who(self, room: str) -> list[str]:
        """Return all members of a room, in the order of joining. Raises as `say`.

        Cancellation: the answer is dropped when it comes. Always a checkpoint.
        """
        check_kinds(room=(room, str))
        return await self._list(Members, type="who", room=room)

    async def list_rooms(self) -> list[RoomInfo]:
        """Return all rooms of the chat. Raises as `say`.

        Cancellation: the answer is dropped when it comes. Always a checkpoint.
        """
        return await self._list(Rooms, type="rooms")

    async def ping(self) -> None:
        """Wait until the server has answered everything before this. Raises as `say`.

        Cancellation: the answer is dropped when it comes. Always a checkpoint.
        """
        await self._ask(Pong, type="ping")

    def history(self, room: str, *, after: int | None = None, before: int | None = None) -> Past:
        """Return an async iterator over a room's past, which asks for pages as they are needed.

        The newest comes first; with `after`, the oldest. For what a ``missed`` tells of, call
        ``history(event.room, after=event.after, before=event.before)``.

        Args:
            room: any room; ``"@"``: this member's private messages.
            after: only what has greater numbers; default ``None``: no bound.
            before: only what has smaller numbers; default ``None``: no bound.

        Raises:
            TypeError: an argument has the wrong type.

        Its steps raise as `say`. Cancellation: no event is lost.
        """
        check_kinds(room=(room, str), **_kinds(int, after=after, before=before))
        return Past(self._ask, room, after, before)

    async def search(
        self,
        text: str,
        *,
        room: str | None = None,
        name: str | None = None,
        before: int | None = None,
        limit: int = 50,
    ) -> Found:
        """Find messages that have all words of a text; return the newest. Raises as `say`.

        Args:
            text: the words.
            room: only in this room; default: everywhere.
            name: only what this member said; default: whoever it was.
            before: only smaller numbers, which needs a room; default ``None``: no bound.
            limit: how many messages at most, up to 500; default 50.

        Cancellation: the answer is dropped when it comes. Always a checkpoint.
        """
        check_kinds(text=(text, str), limit=(limit, int), **_kinds(int, before=before))
        check_kinds(**_kinds(str, room=room, name=name))
        given = _given(room=room, name=name, before=before, limit=limit)
        return await self._ask(Found, type="search", text=text, **given)

    def _run(self) -> AbstractAsyncContextManager[None]:
        return self._connection.run()

    async def _list(self, kind: type[ChatEvent], **fields: Any) -> list[Any]:
        parts: list[Any] = []
        await self._ask(kind, parts, **fields)
        return parts


def _given(**fields: Any) -> dict[str, Any]:
    """Return the fields of a request that are not left out."""
    return {name: value for name, value in fields.items() if value is not None}


def _kinds(kind: type, **arguments: object) -> dict[str, tuple[object, type]]:
    """Return arguments that may be left out, for `check_kinds`."""
    return {name: (value, kind) for name, value in _given(**arguments).items()}
