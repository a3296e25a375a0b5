"""What a room may be called: the same as a member, but no word is reserved.

A room is shown in its case-mapped form: `Builds` and `builds` are one room, written `builds`. A
room cannot look like another: rooms are told apart by their skeletons, as members are.
"""

from __future__ import annotations

from functools import lru_cache

from trionet.chat.names.names import Name, parse_room_name
from trionet.chat.names.skeleton import skeletons_of
from trionet.chat.names.unique_name import UniqueName

# Everyone starts here unless a login says otherwise, and it always exists.
LOBBY = "lobby"


def unique(name: Name) -> UniqueName:
    """Return a name with its skeletons, as operations carry it."""
    # Most names are their own skeleton, and thousands of members keep both: share one string.
    skeletons = tuple(name.key if one == name.key else one for one in sorted(name.skeletons))
    return UniqueName(name.shown, name.key, skeletons)


# Most requests name one of a few rooms. (Each entry takes some 300 bytes.)
@lru_cache(maxsize=1024)
def parse_room(text: str) -> UniqueName:
    """Read the name of a room.

    Args:
        text: the name in any case, without a `#`.

    Raises:
        NameRefused: no room can have this name.
    """
    key = parse_room_name(text).key
    return unique(Name(key, key, skeletons_of(key, key)))


LOBBY_NAME = UniqueName(LOBBY, LOBBY, (LOBBY,))
