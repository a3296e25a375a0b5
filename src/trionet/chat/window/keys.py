"""Which key does what: the one table behind the window, F1 and `/help`.

A key's name is that of its character, or one of `up`, `down`, `left`, `right`, `home`, `end`,
`pageup`, `pagedown`, `enter`, `tab`, `backspace`, `delete`, `escape`, `f1`, `wheel-up`,
`wheel-down`; `c-a` is Ctrl-A, `m-a` Alt-A, `c-left` Ctrl-Left.
"""

from __future__ import annotations

from typing import NamedTuple


class Binding(NamedTuple):
    """Keys that do the same thing.

    Attributes:
        keys: their names.
        action: the name of the `actions.Actions` method.
        help: the keys and what they do, for F1; empty: the key does what everybody expects.
    """

    keys: tuple[str, ...]
    action: str
    help: str = ""


BINDINGS = (
    Binding(("enter",), "enter", "Enter: send"),
    Binding(("m-enter", "c-o"), "new_line", "Alt-Enter: a new line in the text"),
    Binding(("tab",), "complete", "Tab: complete a name, a room or a command"),
    Binding(("pageup",), "page_up", "PgUp, PgDn, wheel: scroll"),
    Binding(("pagedown",), "page_down"),
    Binding(("wheel-up",), "wheel_up"),
    Binding(("wheel-down",), "wheel_down"),
    Binding(("m-home",), "to_start", "Alt-Home, Alt-End: the oldest messages, the newest"),
    Binding(("m-end", "m->"), "to_end"),
    Binding(("m-u",), "to_mark", "Alt-U: the first unread message"),
    Binding(("m-p",), "previous_mention", "Alt-P, Alt-N: the mention before, the next one"),
    Binding(("m-n",), "next_mention"),
    Binding(("m-a",), "next_unread", "Alt-A: the next room with unread messages"),
    Binding(
        ("c-n", "m-down", "m-right", "f6"),
        "next_room",
        "Ctrl-N, Ctrl-P: the next room, the one before",
    ),
    Binding(("c-p", "m-up", "m-left", "f5"), "previous_room"),
    Binding(
        tuple(f"m-{place}" for place in range(1, 10)),
        "nth_room",
        "Alt-1 … Alt-9: a room by its place in the list",
    ),
    Binding(("c-r",), "search", "Ctrl-R: search for the text typed; again: further up"),
    Binding(("m-l",), "bare", "Alt-L: only messages, to copy long lines"),
    Binding(("up",), "up", "Up, Down: what was sent before"),
    Binding(("down",), "down"),
    Binding(("left", "c-b"), "left"),
    Binding(("right", "c-f"), "right"),
    Binding(("home", "c-a"), "home"),
    Binding(("end", "c-e"), "end"),
    Binding(("c-left", "m-b"), "word_left"),
    Binding(("c-right", "m-f"), "word_right"),
    Binding(("backspace",), "backspace"),
    Binding(("delete",), "delete"),
    Binding(("c-u",), "kill_to_start", "Ctrl-U, Ctrl-K, Ctrl-W: cut; Ctrl-Y: paste it"),
    Binding(("c-k",), "kill_to_end"),
    Binding(("c-w", "m-backspace"), "kill_word"),
    Binding(("m-d",), "kill_next_word"),
    Binding(("c-y",), "yank"),
    Binding(("escape",), "escape", "Esc: end a search or this help"),
    Binding(("c-l",), "redraw", "Ctrl-L: redraw the screen"),
    Binding(("f1",), "help", "F1: this help, then the rest of it"),
    Binding(("c-c",), "interrupt", "Ctrl-C: clear the text; with no text: leave"),
    Binding(("c-d",), "end_of_input", "Ctrl-D: leave, if there is no text"),
    Binding(("c-z",), "suspend", "Ctrl-Z: stop; the shell's fg brings it back"),
)

ACTIONS = {key: binding.action for binding in BINDINGS for key in binding.keys}


def key_help() -> list[str]:
    """Return the help: a line for each group of keys that needs one."""
    return [binding.help for binding in BINDINGS if binding.help]
