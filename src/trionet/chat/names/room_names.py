"""What a room may be called: the same as a member, but no word is reserved.

A room is shown in its case-mapped form: `Builds` and `builds` are one room, written `builds`. A
room cannot look like another: rooms are told apart by their skeletons, as members are.
"""

from __future__ import annotations

from functools import lru_cache

from trionet.chat.names.names import any_name
from trionet.chat.names.skeleton import skeletons_of
from trionet.chat.names.unique_name import UniqueName

# Everyone starts here unless a login says otherwise, and it always exists.
LOBBY = "lobby"


# Most requests name one of a few rooms. (Each entry takes some 300 bytes.)
@lru_cache(maxsize=1024)
def parse_room(text: str) -> UniqueName:
    """Read the name of a room.

    Args:
        text: the name in any case, without a `#`.

    Raises:
        NameRefused: no room can have this name.
    """
    key = any_name(text).key
    return UniqueName(key, key, skeletons_of(key, key))


LOBBY_NAME = UniqueName(LOBBY, LOBBY, (LOBBY,))
