"""Which names are taken: no two may be equal, or look alike. Pure.

Members have one such register and rooms another, so a room may have the name of a member.
"""

from __future__ import annotations

from typing import Generic, TypeVar

from trionet.chat.names.unique_name import UniqueName

Owner = TypeVar("Owner")


class TakenNames(Generic[Owner]):
    """Names with their owners. No two names have a key or a skeleton in common.

    Attributes:
        by_key: each owner by its name's key. Do not change it.
    """

    __slots__ = ("_by_skeleton", "by_key")

    def __init__(self) -> None:
        self.by_key: dict[str, Owner] = {}
        self._by_skeleton: dict[str, Owner] = {}

    def take(self, name: UniqueName, owner: Owner) -> None:
        """Give a free name to an owner."""
        self.by_key[name.key] = owner
        for skeleton in name.skeletons:
            self._by_skeleton[skeleton] = owner

    def free(self, name: UniqueName) -> Owner:
        """Take a name from its owner, and return the owner."""
        for skeleton in name.skeletons:
            del self._by_skeleton[skeleton]
        return self.by_key.pop(name.key)

    def lookalikes(self, name: UniqueName) -> list[Owner]:
        """Return the owners of names that look like this one. One may come more than once."""
        owners: list[Owner] = []
        for skeleton in name.skeletons:
            owner = self._by_skeleton.get(skeleton)
            if owner is not None:
                owners.append(owner)
        return owners
