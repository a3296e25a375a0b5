"""Whom the person at a window does not want to hear."""

from __future__ import annotations

from trionet.chat.ignoring import MAX_IGNORED


class Ignored:
    """Names, in whatever case. They are this window's own: the server does not know of them."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}

    @property
    def names(self) -> list[str]:
        """The names as they were typed."""
        return list(self._names.values())

    def add(self, name: str) -> bool:
        """Ignore a member; ``False``: too many are ignored."""
        if len(self._names) >= MAX_IGNORED:
            return False
        self._names[name.casefold()] = name
        return True

    def discard(self, name: str) -> bool:
        """Hear a member again; ``False``: it was not ignored."""
        return self._names.pop(name.casefold(), None) is not None

    def has(self, name: str) -> bool:
        """Tell whether a member is ignored."""
        return bool(self._names) and name.casefold() in self._names

    def rename(self, name: str, to: str) -> None:
        """Go on ignoring a member who takes another name."""
        if self.has(name):
            self.discard(name)
            self.add(to)
