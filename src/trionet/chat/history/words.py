"""What a word is, and which texts have the words that somebody looks for. Pure.

The rule is that of SQLite's full-text search (FTS5 with `unicode61 remove_diacritics 0`), with one
addition: in scripts that are written without spaces each character is a word. The ring searches by
it, and the file indexes the words that are found here, so both find the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache

from trionet.chat.history.message_runs import cut, text_of
from trionet.chat.history.word_tables import FOLDED, WORD_CHARACTERS, WORD_MARKS
from trionet.chat.state.events import Acted, RoomEvent, Said

# Han, Kana, Thai, Lao, Khmer and Myanmar, with their extensions. The marks among them (Thai vowels)
# are not part of words.
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u19e0-\u19ff\u3005-\u3007\u3021-\u3029\u3031-\u3035"
    "\u3038-\u303c\u3041-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\ua9e0-\ua9ff\uaa60-\uaa7f"
    "\uf900-\ufaff\uff66-\uff9f\U0001b000-\U0001b16f\U00020000-\U0003fffd"
)

# Of text in ASCII: letters in lower case and digits as they are, a space for all else. To split at
# these takes a third of what a pattern takes to find the words.
_ASCII = bytes(ord(chr(code).lower()) if chr(code).isalnum() else 32 for code in range(128)).ljust(
    256
)

# The same, with ends of lines as they are.
_ASCII_LINES = _ASCII[:10] + b"\n" + _ASCII[11:]


class Wanted:
    """What somebody looks for.

    Args:
        text: all of its words must be there. Characters that stand together in it, of a script
            without spaces, must stand together.
        name: whose messages, in any case; ``None``: anybody's.

    Attributes:
        groups: words that must stand side by side, in this order; most groups are one word.
        name: the name, folded.

    It is false if the text has no words: nothing is found.
    """

    __slots__ = ("_parts", "groups", "name")

    def __init__(self, text: str, name: str | None = None) -> None:
        self.groups = tuple(dict.fromkeys(_groups(fold(text))))
        self.name = None if name is None else fold(name)
        # What a text must have anyway; quicker to look for than words.
        self._parts = tuple(dict.fromkeys(word for group in self.groups for word in group))

    def __bool__(self) -> bool:
        return bool(self.groups)

    def matches(self, text: str) -> bool:
        """Return whether a text has all the words."""
        text = fold(text)
        if not self.groups or not all(part in text for part in self._parts):
            return False
        found = words_of_folded(text)
        return all(_stands_in(group, found) for group in self.groups)

    def among(self, event: RoomEvent) -> Iterator[Said | Acted]:
        """Yield the messages of an event that match, each as an event of its own, newest first."""
        if self.name is not None and fold(event.name) != self.name:
            return
        if type(event) is Said and len(event.texts) > 1:
            for index in range(len(event.texts) - 1, -1, -1):
                if self.matches(event.texts[index]):
                    number = event.number + index
                    one = cut(event, number - 1, number + 1)
                    assert type(one) is Said
                    yield one
        elif isinstance(event, Said | Acted):
            text = text_of(event)
            if text is not None and self.matches(text):
                yield event


def fold(text: str) -> str:
    """Return a text in the case that words are compared in."""
    return text.lower() if text.isascii() else text.translate(_folding())


def words(text: str) -> list[str]:
    """Return the words of a text, folded, in order."""
    # ASCII is folded there.
    return words_of_folded(text if text.isascii() else fold(text))


def words_of_each(texts: Sequence[str]) -> list[str]:
    """Return the `words` of each text, with spaces between them.

    For short texts in ASCII this takes 0.3 to 0.6 µs each. Asking for the words of each takes 1.4.
    """
    lines = "\n".join(texts)
    if not lines.isascii() or lines.count("\n") != len(texts) - 1:
        return [" ".join(words(text)) for text in texts]
    lines = lines.encode().translate(_ASCII_LINES).decode()
    while "  " in lines:
        lines = lines.replace("  ", " ")
    return lines.replace("\n ", "\n").replace(" \n", "\n").strip(" ").split("\n")


def words_of_folded(text: str) -> list[str]:
    """Return the words of a text that is folded already."""
    if text.isascii():
        return text.encode().translate(_ASCII).decode().split()
    return _word().findall(text)


def _groups(text: str) -> Iterator[tuple[str, ...]]:
    """Yield the words of a folded text; those of a script without spaces together."""
    group: list[str] = []
    end = -1
    for match in _word().finditer(text):
        is_unspaced = _unspaced().match(match[0]) is not None
        # Thai vowel signs stand between, and are not words.
        if group and is_unspaced and _joins(text[end : match.start()]):
            group.append(match[0])
        else:
            if group:
                yield tuple(group)
            group = [match[0]]
            if not is_unspaced:
                yield (match[0],)
                group = []
        end = match.end()
    if group:
        yield tuple(group)


def _joins(between: str) -> bool:
    return not between or _unspaced().fullmatch(between) is not None


def _stands_in(group: tuple[str, ...], found: list[str]) -> bool:
    first, size = group[0], len(group)
    if size == 1:
        return first in found
    return any(
        found[index] == first and tuple(found[index : index + size]) == group
        for index in range(len(found) - size + 1)
    )


@cache
def _word() -> re.Pattern[str]:
    """Return what matches a word. Made when it is needed first: it takes 3 ms."""
    characters = _as_class(WORD_CHARACTERS)
    # A mark belongs to the character before it, of any script.
    marks = f"[{_as_class(WORD_MARKS)}]*"
    return re.compile(
        f"[{_UNSPACED}](?<=[{characters}]){marks}|(?:(?![{_UNSPACED}])[{characters}]{marks})+"
    )


@cache
def _unspaced() -> re.Pattern[str]:
    return re.compile(f"[{_UNSPACED}]+")


@cache
def _folding() -> dict[int, str]:
    return {ord(one): _fold_one(one) for one in _characters(FOLDED)}


def _fold_one(character: str) -> str:
    folded = character.casefold()
    return folded if len(folded) == 1 else character.lower()


def _as_class(table: str) -> str:
    return "".join(
        character if step == 2 else f"{character}-{chr(last)}"
        for first, last, step in _ranges(table)
        for character in map(chr, range(first, (last if step == 2 else first) + 1, 2))
    )


def _characters(table: str) -> Iterator[str]:
    for first, last, step in _ranges(table):
        yield from map(chr, range(first, last + 1, step))


def _ranges(table: str) -> Iterator[tuple[int, int, int]]:
    for entry in table.split():
        span, _, step = entry.partition("/")
        first, _, last = span.partition("-")
        yield int(first, 16), int(last or first, 16), int(step or 1)
