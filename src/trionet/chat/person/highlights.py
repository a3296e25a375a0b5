"""Which messages are for a person: those with their name or with a word they wait for. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

# How many words a person can wait for. Every message is searched for all of them.
MAX_WORDS = 100


class Highlights:
    """A person's name and words, as they are looked for in messages.

    Args:
        name: what the person is called.
        words: the words; upper and lower case are the same.
    """

    def __init__(self, name: str, words: Iterable[str] = ()) -> None:
        self._name = name
        # As they are compared, and as they were given.
        self._words: dict[str, str] = {}
        for word in words:
            self._words[word.casefold()] = word
        self._pattern = self._compiled()

    @property
    def words(self) -> list[str]:
        """The words, the first one first."""
        return [*self._words.values()]

    def are_in(self, text: str) -> bool:
        """Tell whether a text has the name, or one of the words, as a word."""
        return self._pattern.search(text) is not None

    def set_name(self, name: str) -> None:
        """Look for another name."""
        self._name = name
        self._pattern = self._compiled()

    def add(self, word: str) -> bool:
        """Look for a word as well; ``False``: there are too many already."""
        if len(self._words) >= MAX_WORDS and word.casefold() not in self._words:
            return False
        self._words[word.casefold()] = word
        self._pattern = self._compiled()
        return True

    def discard(self, word: str) -> bool:
        """Look for a word no more; ``False``: it was none of them."""
        if self._words.pop(word.casefold(), None) is None:
            return False
        self._pattern = self._compiled()
        return True

    def _compiled(self) -> re.Pattern[str]:
        either = "|".join(map(re.escape, (self._name, *self._words.values())))
        return re.compile(rf"(?<!\w)(?:{either})(?!\w)", re.IGNORECASE)
