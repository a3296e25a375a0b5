"""Messages: what talkers send, and whether listeners receive exactly that. Like ``messages.c``."""

from __future__ import annotations

import re
import string
from collections.abc import Iterable, Sequence

from benchmarks.load.clients import Client, GaveUp

# The bytes of the number, the space before the filler, and the line end.
_REST = 11
_LINE = re.compile(rb"m(\d+): (\d{9}) (.*)")


def filler(size: int) -> bytes:
    """Return the filler that makes a line this many bytes long on the wire."""
    if not 12 <= size <= 1024:
        raise GaveUp("a line has 12 to 1024 bytes")
    letters = string.ascii_lowercase.encode()
    return (letters * (size // len(letters) + 1))[: size - _REST]


def message(number: int, fill: bytes) -> bytes:
    """Return a line that a talker sends."""
    return b"%09d %s\n" % (number, fill)


class Reader:
    """Checks everything that one member receives, line by line."""

    def __init__(self, expected: Sequence[int], fill: bytes) -> None:
        self._next = list(expected)
        self._fill = fill
        self._part = b""
        self.order = 0
        self.faults = 0

    def read(self, data: bytes) -> None:
        """Check more input."""
        *lines, self._part = (self._part + data).split(b"\n")
        for line in lines:
            found = _LINE.fullmatch(line)
            if found is None or int(found[1]) >= len(self._next):
                self.faults += 1
                continue
            who, number = int(found[1]), int(found[2])
            self.faults += number != self._next[who] or found[3] != self._fill
            self._next[who] = number + 1
            self.order = hash((self.order, who, number))


class Checks:
    """Checks what two listeners and one talker receive."""

    def __init__(self, clients: Sequence[Client], checked: Iterable[Client], fill: bytes) -> None:
        self._readers: list[tuple[Client, Reader]] = []
        for client in dict.fromkeys(checked):
            client.reader = Reader([other.said for other in clients], fill)
            self._readers.append((client, client.reader))

    def end(self) -> tuple[int, bool]:
        """Return how many lines were wrong, and whether both listeners received the same order."""
        for client, _ in self._readers:
            client.reader = None
        # The last one is the talker, who does not receive everything.
        orders = {reader.order for _, reader in self._readers[:-1]}
        return sum(reader.faults for _, reader in self._readers), len(orders) == 1
