"""The first line tells which format a peer speaks."""

from __future__ import annotations

from functools import partial

import pytest
import trio
import trio.testing

from trionet import Line, Notice
from trionet.chat import Event, Request, serve
from trionet.chat.formats import formats, json_lines, plain
from trionet.chat.formats.formats import Selected, format_of
from trionet.errors import LineNotUTF8
from trionet.testing import LineClient, MemoryNetwork


class UpperCase:
    """The plain format in capitals. Its first line is `HELLO NAME`."""

    receipts = False
    names_first = True

    def decode_login(self, line: str, /) -> Request:
        return plain.decode_login(line.removeprefix("HELLO "))

    def decode(self, line: str, /) -> Request | None:
        return plain.decode(line)

    def decode_messages(self, _lines: list[Line], /) -> None:
        return None

    def encode(self, event: Event, /) -> bytes:
        return plain.encode(event).upper()

    def encode_notice(self, notice: Notice, /) -> bytes:
        return plain.encode_notice(notice).upper()


@pytest.mark.parametrize("line", ['{"type": "login", "name": "Ann"}', " {}", '{"x": 1}\t'])
def test_a_json_object_is_json_lines(line: str) -> None:
    assert format_of(line) is json_lines


@pytest.mark.parametrize("line", ["Ann", "", "[]", "{", "{Ann}", LineNotUTF8(b"{}\xff")])
def test_anything_else_is_plain(line: Line) -> None:
    assert format_of(line) is plain


async def test_a_format_in_the_table_is_spoken_from_the_first_line_on(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    upper = UpperCase()
    rows = (*formats.SELECTED, Selected(upper, lambda line: line.startswith("HELLO ")))
    monkeypatch.setattr(formats, "SELECTED", rows)
    network = MemoryNetwork()
    async with trio.open_nursery() as nursery:
        server = await nursery.start(partial(serve, "127.0.0.1:0", network=network))
        ann = LineClient(await network.connect(server.addresses[0]))
        await ann.send("HELLO Ann")
        await ann.expect("*** WELCOME, ANN (1 HERE: ANN)")
        bob = LineClient(await network.connect(server.addresses[0]))
        await bob.send("Bob")
        await bob.expect("*** welcome, Bob (2 here: Ann, Bob)")
        await ann.expect("*** BOB JOINED (2 HERE)")
        await ann.send_bytes(b"\xff\n")
        await ann.expect("ERROR: LINE IS NOT UTF-8")
        nursery.cancel_scope.cancel()
