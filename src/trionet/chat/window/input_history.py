"""Texts that were sent, which the arrow keys bring back."""

from __future__ import annotations

# The most texts that are kept, and the most characters in all of them.
MAX_TEXTS = 500
MAX_CHARACTERS = 256 << 10


class InputHistory:
    """Texts that were sent, and how far the person has gone back through them."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._back = 0
        self._unsent = ""

    def add(self, text: str) -> None:
        """Keep a text that was sent; the same text twice in a row is kept once."""
        self._back = 0
        if text.strip() and self._texts[-1:] != [text]:
            self._texts.append(text)
        while len(self._texts) > MAX_TEXTS or sum(map(len, self._texts)) > MAX_CHARACTERS:
            del self._texts[0]

    def keep(self, text: str) -> None:
        """Keep a text that could not be sent, unless it is kept already."""
        if text not in self._texts:
            self.add(text)

    def older(self, shown: str) -> str | None:
        """Return the text before the one that is shown; ``None``: there is none.

        A text that was typed and not sent comes back after the newest one.
        """
        if self._back == 0:
            self._unsent = shown
            # A text that was refused is kept already: do not show it twice.
            self._back = int(self._texts[-1:] == [shown])
        if self._back == len(self._texts):
            return None
        self._back += 1
        return self._texts[-self._back]

    def newer(self) -> str | None:
        """Return the text after the one that is shown; ``None``: nothing was brought back."""
        if self._back == 0:
            return None
        self._back -= 1
        return self._texts[-self._back] if self._back else self._unsent

    def leave(self) -> None:
        """Return to the newest text."""
        self._back = 0
