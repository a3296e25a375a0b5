"""Whom a person does not want to hear: `/ignore`."""

from __future__ import annotations

from trionet.chat.names.names import NameRefused, parse_name
from trionet.chat.session.ignoring import MAX_IGNORED


class Ignored:
    """Members that are hidden, by their names.

    The server hides nothing from a client that speaks JSON, so the client does. Names are compared
    as the server compares them, and a member that takes another name stays hidden.
    """

    def __init__(self) -> None:
        # The names as they are compared, and as they are shown.
        self._names: dict[str, str] = {}

    def __contains__(self, name: str) -> bool:
        # Nearly everybody ignores nobody.
        return bool(self._names) and _key(name) in self._names

    @property
    def names(self) -> list[str]:
        """Who is hidden, the first one first."""
        return [*self._names.values()]

    def add(self, name: str) -> bool:
        """Hide a member; ``False``: too many are hidden."""
        key = _key(name)
        if len(self._names) >= MAX_IGNORED and key not in self._names:
            return False
        self._names[key] = name
        return True

    def discard(self, name: str) -> bool:
        """Hear a member again; ``False``: it was heard."""
        return self._names.pop(_key(name), None) is not None

    def renamed(self, name: str, to: str) -> None:
        """Take note that a member has another name."""
        if name in self:
            self.discard(name)
            self.add(to)


def _key(name: str) -> str:
    try:
        return parse_name(name).key
    except NameRefused:
        # Nobody has this name.
        return name.casefold()
