"""Bytes from a terminal become keys."""

from __future__ import annotations

import pytest

from trionet.cli.window.keyboard import Keyboard


def keys_of(*pieces: bytes) -> list[str]:
    keys: list[str] = []
    keyboard = Keyboard(keys.append, lambda text: keys.append(f"paste {text!r}"))
    for piece in pieces:
        keyboard.feed(piece)
    keyboard.flush()
    return keys


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"ab\r", ["a", "b", "enter"]),
        ("é日👍".encode(), ["é", "日", "👍"]),
        (b"\x1b[A\x1b[B\x1bOC\x1b[D", ["up", "down", "right", "left"]),
        (b"\x1b[5~\x1b[6~\x1b[H\x1b[F\x1b[3~", ["pageup", "pagedown", "home", "end", "delete"]),
        (b"\x7f\x08\t\x01\x03\x1a", ["backspace", "backspace", "tab", "c-a", "c-c", "c-z"]),
        (b"\x1b", ["escape"]),
        (b"\x1b\x1b", ["escape", "escape"]),
        (b"\x1b\r\x1ba\x1b\x7f", ["m-enter", "m-a", "m-backspace"]),
        (b"\x1b[1;3F\x1b[1;5D\x1b[1;3A", ["m-end", "c-left", "m-up"]),
        (b"\x1bOP\x1b[11~", ["f1", "f1"]),
        (b"\x1b[<64;3;4M\x1b[<65;3;4M\x1b[<0;3;4M", ["wheel-up", "wheel-down"]),
        (b"\x1b[200~one\ntwo\x1b[201~x", ["paste 'one\\ntwo'", "x"]),
        (b"\x1b\x1b[200~one\x1b[201~", ["escape", "paste 'one'"]),
        (b"\xff", ["\ufffd"]),
    ],
)
def test_keys_have_their_names(data: bytes, expected: list[str]) -> None:
    assert keys_of(data) == expected
    pieces = [data[at : at + 1] for at in range(len(data))]
    assert keys_of(*pieces) == expected


def test_a_click_and_the_wheel_tell_where_the_pointer_is() -> None:
    heard: list[object] = []
    keyboard = Keyboard(heard.append, heard.append, lambda *place: heard.append(place))
    # A click and its end, another button, the wheel, and a place that no screen has.
    for data in (b"0;70;4M", b"0;70;4m", b"2;3;4M", b"64;70;9M", b"0;0;99999999M"):
        keyboard.feed(b"\x1b[<" + data)
    assert heard == [(69, 3, True), (69, 8, False), "wheel-up"]


def test_the_rest_of_a_paste_that_is_too_long_is_not_typed() -> None:
    pieces = [b"\x1b[200~", *[b"line\r" * 10_000] * 40, b"\x1b[20", b"1~z"]
    keys = keys_of(*pieces)
    assert keys[-1] == "z"
    assert len(keys) == 2
    assert keys[0].startswith("paste 'xxx")


@pytest.mark.parametrize(
    ("data", "is_paste"),
    [
        (b"one\rq\r", True),
        (b"one\r\n\tq", True),
        (b"one\r", False),
        (b"one\r\r", False),
        (b"\rone", False),
        # A key among it: somebody types ahead.
        (b"one\x1b[A\rtwo\r", False),
        (b"one\x15two\rq\r", False),
        (b"\x1b[200~one\rtwo\x1b[201~", False),
        # A command before all others: somebody types ahead, but not so fast as to leave.
        (b"/join kitchen\rhello\r", False),
        (b"/names\rhello\rhello again", False),
        (b"/join kitchen\rhello\rq\r", True),
        (b"/join kitchen\r /quit", True),
        (b"/etc/fstab\rhello\r", True),
        (b"hello\r/join kitchen\r", True),
    ],
)
def test_several_lines_at_once_are_a_paste(data: bytes, is_paste: bool) -> None:
    keyboard = Keyboard(lambda _: None, lambda _: None)
    assert keyboard.is_paste(data) is is_paste
    # The next piece of a paste that is marked.
    keyboard.feed(b"\x1b[200~text")
    assert not keyboard.is_paste(data)
    keyboard.feed(b"\x1b[201~")
    assert keyboard.is_paste(data) is is_paste
