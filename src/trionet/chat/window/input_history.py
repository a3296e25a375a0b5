"""What was sent before, brought back by the arrow keys."""

from __future__ import annotations

# The texts that are kept, and their characters altogether.
MAX_TEXTS = 500
MAX_CHARACTERS = 256 << 10


class InputHistory:
    """Texts that were sent, and how far a person has gone back in them."""

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

        What was typed and not sent is kept, and comes back after the newest one.
        """
        if self._back == 0:
            self._unsent = shown
            # A text that was refused is both typed and kept.
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
        """Forget how far a person has gone back."""
        self._back = 0
