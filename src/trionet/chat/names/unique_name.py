"""A name as operations and the state carry it: all that it is compared by. Pure."""

from __future__ import annotations

from msgspec import Struct


class UniqueName(Struct, frozen=True, gc=False, array_like=True):
    """A name of a member or a room, judged and ready to be compared.

    Attributes:
        shown: the form that everyone sees.
        key: the form that names are compared by.
        skeletons: what it looks like, sorted.
    """

    shown: str
    key: str
    skeletons: tuple[str, ...]
