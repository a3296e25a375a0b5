"""What a login brings besides a name: tokens, and what was seen before. Pure."""

from __future__ import annotations

from hashlib import sha256

from msgspec import Struct

from trionet.chat.names.unique_name import UniqueName
from trionet.chat.state.operations import RequestId


class Arrival(Struct, frozen=True, gc=False):
    """A login on its way to the state.

    Only the SHA-256 of a token goes on from here. Members are looked up by it, so the time that a
    lookup takes does not tell how much of a guessed token is right.

    Attributes:
        name: what to be called; ``None``: nobody can have the name that was given.
        rooms: where to start.
        id: names the request.
        hold: whether to be held when the connection ends.
        token: what was drawn for a new member; empty: it gets none.
        brought: the token that the login brought; empty: none.
        seen: the last number that was seen of each room.
        epoch: the epoch of these numbers.
    """

    name: UniqueName | None
    rooms: tuple[UniqueName, ...]
    id: RequestId = None
    hold: bool = False
    token: str = ""
    brought: str = ""
    seen: dict[str, int] = {}
    epoch: str | None = None

    def __repr__(self) -> str:
        # Whatever logs it must not show the token.
        return f"{type(self).__name__}({self.name!r})"


def hash_of(token: str) -> bytes:
    """Return the SHA-256 of a token; empty for an empty token."""
    return sha256(token.encode()).digest() if token else b""
