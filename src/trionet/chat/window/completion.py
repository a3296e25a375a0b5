"""Completing a word with Tab: names (the last speaker first), rooms and commands."""

from __future__ import annotations

from collections.abc import Sequence

from trionet.chat.window.editor import Editor
from trionet.chat.window.widths import graphemes


class Completion:
    """Completes one word; pressing Tab again shows the next match."""

    def __init__(self) -> None:
        self._found: list[str] = []
        self._next = 0
        self._shown = 0
        self._text = ""
        self._at = 0

    def complete(
        self, editor: Editor, names: Sequence[str], rooms: Sequence[str], commands: Sequence[str]
    ) -> bool:
        """Complete the word before the cursor; ``False``: nothing matches.

        Args:
            editor: where the word stands.
            names: the members' names, the likeliest first.
            rooms: the rooms' names.
            commands: the commands, each with its ``/``.
        """
        if not (self._found and editor.text == self._text and editor.at == self._at):
            self._look_up(editor, names, rooms, commands)
        if not self._found:
            return False
        text = self._found[self._next % len(self._found)]
        self._next += 1
        editor.replace_before(self._shown, text)
        self._shown = len(graphemes(text))
        self._text, self._at = editor.text, editor.at
        return True

    def _look_up(
        self, editor: Editor, names: Sequence[str], rooms: Sequence[str], commands: Sequence[str]
    ) -> None:
        start = editor.at
        while start and not editor.cells[start - 1].isspace():
            start -= 1
        word = "".join(editor.cells[start : editor.at])
        line = "".join(editor.cells[:start])
        behind = " "
        if not word:
            pool: Sequence[str] = ()
        elif start == 0 and word[0] == "/":
            pool = sorted(commands)
        elif line.split(" ")[0] in ("/join", "/leave", "/room"):
            pool = rooms
        elif word[0] == "#":
            pool = [f"#{room}" for room in rooms]
        else:
            pool = names
            behind = ": " if start == 0 else " "
        folded = word.casefold()
        self._found = [one + behind for one in pool if one.casefold().startswith(folded)]
        self._next, self._shown = 0, editor.at - start
