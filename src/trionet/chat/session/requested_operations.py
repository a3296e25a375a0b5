"""What a request means: which names it gives, and which operation it asks for. Pure.

A name that nobody can have is refused here, before it costs a place in the log. What depends on the
other members, such as a name that somebody has already, is refused by the state
(`trionet.chat.state.state`).
"""

from __future__ import annotations

from typing import TypeAlias, assert_never

from trionet.chat.formats.answers import Mistaken
from trionet.chat.formats.requests import (
    HERE,
    Act,
    Join,
    Leave,
    LogIn,
    Misunderstood,
    Rename,
    SetTopic,
    Tell,
)
from trionet.chat.formats.texts import repeated
from trionet.chat.names.names import NameRefused, member_name
from trionet.chat.names.room_names import LOBBY_NAME, parse_room
from trionet.chat.names.unique_name import UniqueName
from trionet.chat.state import operations
from trionet.chat.state.operations import Operation
from trionet.chat.state.state import State

# Where whoever names no room begins.
_LOBBY_ALONE = (LOBBY_NAME,)

# The requests that others can observe, except messages: nearly every line is one, and the session
# spares them the `match` below. All other requests only ask, or concern one connection alone.
Change: TypeAlias = Act | Tell | Join | Leave | SetTopic | Rename


def operation_of(request: Change, member: int, state: State) -> Operation:
    """Return the operation that a member's request asks for.

    Raises:
        Misunderstood: it gives a name that nobody can have.
    """
    match request:
        case Act(text, room, id_):
            return operations.Act(member, room_key(room, member, state), text, id_)
        case Tell(to, text, id_):
            return operations.Tell(member, repeated(to), member_key(to), text, id_)
        case Join():
            try:
                name = parse_room(request.room)
            except NameRefused as refused:
                raise Misunderstood(str(refused), code="name-refused", id=request.id) from None
            return operations.Join(member, name, request.moves, request.id)
        case Leave(room, id_):
            return operations.Leave(member, room_key(room, member, state), id_)
        case SetTopic(text, room, id_):
            return operations.SetTopic(member, room_key(room, member, state), text, id_)
        case Rename(text, id_):
            try:
                name = member_name(text)
            except NameRefused as refused:
                raise Misunderstood(str(refused), code="name-refused", id=id_) from None
            return operations.Rename(member, name, id_)
        case _:
            assert_never(request)


def login_names(
    request: LogIn,
) -> tuple[UniqueName | None, tuple[UniqueName, ...], list[Mistaken]]:
    """Return the name of whoever logs in, the rooms to start in, and answers to unfit rooms.

    The name may be missing if there is a token, because the token says who it is.

    Raises:
        Misunderstood: nobody can have the name.
    """
    id_ = request.id
    name = None
    try:
        name = member_name(request.name)
    except NameRefused as refused:
        if not request.token:
            raise Misunderstood(str(refused), code="name-refused", id=id_, is_login=True) from None
    if request.rooms is None:
        return name, _LOBBY_ALONE, []
    rooms: list[UniqueName] = []
    unfit: list[Mistaken] = []
    for text in request.rooms:
        try:
            rooms.append(parse_room(text))
        except NameRefused as refused:
            unfit.append(Mistaken(str(refused), "name-refused", id_, text))
    return name, tuple(rooms), unfit


def room_key(text: str, member: int, state: State) -> str:
    """Return the key of the room that a member means; the text itself, if no room can have it."""
    if text is HERE:
        rooms = state.members[member].rooms
        return rooms[0] if rooms else ""
    if text in state.rooms:
        return text
    try:
        return parse_room(text).key
    except NameRefused:
        return repeated(text)


def member_key(name: str) -> str:
    """Return the key of a member's name; if nobody can have it, a key that nobody has."""
    try:
        return member_name(name).key
    except NameRefused:
        return ""
