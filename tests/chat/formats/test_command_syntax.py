"""Which command a mistyped one may have meant; `test_plain` shows how commands are read."""

from __future__ import annotations

from trionet.chat.formats.command_syntax import nearest


def test_of_two_commands_that_may_be_meant_none_is_named() -> None:
    assert nearest("/cat", ["/bat", "/car"]) is None
    assert nearest("/cat", ["/bat", "/dog"]) == "/bat"
    assert nearest("", ["/bat"]) is None
