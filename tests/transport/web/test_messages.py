"""What `websockets`' own client sends comes out as lines, and what comes in reads well to it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.frames import Close, Frame, Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

from trionet.transport.web.framing import FRAMES
from trionet.transport.web.messages import Messages

MAX = 64


def client() -> ClientProtocol:
    return ClientProtocol(parse_uri("ws://localhost/"), state=State.OPEN)


def frame(opcode: Opcode, data: bytes, *, fin: bool = True, mask: bool = True) -> bytes:
    return Frame(opcode, data, fin=fin).serialize(mask=mask)


def fed(data: bytes, cuts: Callable[[bytes], list[bytes]]) -> tuple[bytes, bytes, bytes, bool]:
    """Return what comes of input: lines, answers, the close frame at the end, and a failure."""
    messages = Messages(MAX)
    lines = answers = b""
    for piece in cuts(data):
        more, answered = messages.receive(piece)
        lines += more
        answers += answered
    return lines, answers, messages.goodbye(1001), messages.has_failed


def whole(data: bytes) -> list[bytes]:
    return [data]


def bytewise(data: bytes) -> list[bytes]:
    return [data[at : at + 1] for at in range(len(data))]


def close_of(goodbye: bytes) -> int:
    """Return the code of a close frame, as a client's own library reads it."""
    reader = client()
    reader.receive_data(goodbye)
    assert reader.close_rcvd is not None
    return reader.close_rcvd.code


def pongs_of(answers: bytes) -> list[bytes]:
    reader = client()
    reader.receive_data(answers)
    return [bytes(one.data) for one in reader.events_received() if isinstance(one, Frame)]


texts = st.text(max_size=12).map(lambda text: text.encode())


@st.composite
def sendings(draw: st.DrawFn) -> tuple[bytes, bytes, list[bytes], int | None]:
    """Return what a client sends, and what must come of it: lines, pongs, and its close code."""
    side = client()
    lines, pongs = b"", []
    for kind in draw(st.lists(st.sampled_from(["text", "ping", "pong", "parts"]), max_size=8)):
        data = draw(texts)
        if kind == "text":
            side.send_text(data)
            lines += data if data.endswith(b"\n") else data + b"\n"
        elif kind == "ping":
            side.send_ping(data)
            pongs.append(data)
        elif kind == "pong":
            side.send_pong(data)
        else:
            at = draw(st.integers(0, len(data)))
            side.send_text(data[:at], fin=False)
            if draw(st.booleans()):
                side.send_ping(b"between")
                pongs.append(b"between")
            side.send_continuation(data[at:], fin=True)
            lines += data if data.endswith(b"\n") else data + b"\n"
    code = draw(st.sampled_from([None, 1000, 1001, 3000, 4999]))
    if code is not None:
        side.send_close(code, "bye")
    return b"".join(side.data_to_send()), lines, pongs, code


@given(sendings())
def test_what_a_client_sends_comes_out_however_it_is_cut(
    sent: tuple[bytes, bytes, list[bytes], int | None],
) -> None:
    data, lines, pongs, code = sent
    assert fed(data, whole) == fed(data, bytewise)
    got, answers, goodbye, has_failed = fed(data, bytewise)
    assert got == lines
    assert pongs_of(answers) == pongs
    assert close_of(goodbye) == (1001 if code is None else code)
    assert not has_failed


@given(st.lists(st.text(max_size=20).map(lambda text: text.replace("\n", "")), max_size=8))
def test_what_is_sent_reads_well_to_a_client(texts: list[str]) -> None:
    data = "".join(f"{text}\n" for text in texts).encode()
    reader = client()
    reader.receive_data(FRAMES.wrap(data))
    events = [one for one in reader.events_received() if isinstance(one, Frame)]
    assert b"".join(bytes(one.data) for one in events) == data
    assert reader.parser_exc is None


TOO_LONG = b"x" * (MAX + 1)

MISTAKES = {
    "binary": (frame(Opcode.BINARY, b"x"), 1003),
    "binary in parts": (frame(Opcode.BINARY, b"x", fin=False), 1003),
    "not UTF-8": (frame(Opcode.TEXT, b"\xff"), 1007),
    "not UTF-8 across parts": (
        frame(Opcode.TEXT, b"\xc3", fin=False) + frame(Opcode.CONT, b"x"), 1007,
    ),
    "half a surrogate pair": (frame(Opcode.TEXT, b"\xed\xa0\x80"), 1007),
    "too long": (frame(Opcode.TEXT, TOO_LONG), 1009),
    "too long with a line end": (frame(Opcode.TEXT, TOO_LONG + b"\r\n"), 1009),
    "much too long": (frame(Opcode.TEXT, b"x" * 70_000), 1009),
    "too long in parts": (
        frame(Opcode.TEXT, b"x" * 40, fin=False) + frame(Opcode.CONT, b"x" * 40), 1009,
    ),
    "two lines that are too long together": (
        frame(Opcode.TEXT, b"x" * 40 + b"\n" + b"x" * 40), 1009,
    ),
    "not masked": (frame(Opcode.TEXT, b"x", mask=False), 1002),
    "reserved bit": (b"\xc1\x80\x00\x00\x00\x00", 1002),
    "unknown opcode": (b"\x83\x80\x00\x00\x00\x00", 1002),
    "a length in more bytes than it needs": (b"\x81\xfe\x00\x05" + bytes(4) + b"hello", 1002),
    "a length in far more bytes than it needs": (
        b"\x81\xff" + (40).to_bytes(8, "big") + bytes(4) + b"x" * 40, 1002,
    ),
    "nothing to continue": (frame(Opcode.CONT, b"x"), 1002),
    "a message within a message": (
        frame(Opcode.TEXT, b"x", fin=False) + frame(Opcode.TEXT, b"x"), 1002,
    ),
    "a ping in parts": (b"\x09\x80\x00\x00\x00\x00", 1002),
    "a long ping": (b"\x89\xfe\x00\x7e\x00\x00\x00\x00" + b"x" * 126, 1002),
    "a close code that nobody sends": (frame(Opcode.CLOSE, b"\x03\xed"), 1002),
    "a close frame of one byte": (frame(Opcode.CLOSE, b"\x03"), 1002),
    "a close frame within a message": (
        frame(Opcode.TEXT, b"x", fin=False) + frame(Opcode.CLOSE, b"\x03\xe8"), 1002,
    ),
    "a request that is smuggled": (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", 1002),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
@pytest.mark.parametrize("cuts", [whole, bytewise])
def test_each_mistake_has_its_close_code(
    mistake: str, cuts: Callable[[bytes], list[bytes]]
) -> None:
    data, code = MISTAKES[mistake]
    before = frame(Opcode.TEXT, b"good") + frame(Opcode.PING, b"p")
    # Nothing behind a mistake counts: neither a line, nor a ping, nor another code.
    behind = frame(Opcode.TEXT, b"bad") + frame(Opcode.PING, b"q")
    behind += frame(Opcode.CLOSE, b"\x03\xe8")
    lines, answers, goodbye, has_failed = fed(before + data + behind, cuts)
    assert lines == b"good\n"
    assert pongs_of(answers) == [b"p"]
    assert close_of(goodbye) == code
    assert has_failed


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_a_message_may_be_as_long_as_a_line(end: bytes) -> None:
    lines, _, _, has_failed = fed(frame(Opcode.TEXT, b"x" * MAX + end), bytewise)
    assert lines == b"x" * MAX + (end or b"\n")
    assert not has_failed


def test_an_empty_message_is_an_empty_line() -> None:
    assert fed(frame(Opcode.TEXT, b""), whole)[0] == b"\n"
    assert fed(frame(Opcode.TEXT, b"", fin=False) + frame(Opcode.CONT, b""), whole)[0] == b"\n"


def test_a_close_frame_without_a_code_is_repeated_without_one() -> None:
    lines, _, goodbye, has_failed = fed(frame(Opcode.CLOSE, b""), whole)
    assert goodbye == b"\x88\x00"
    assert not has_failed
    assert lines == b""


def test_a_peer_that_answers_a_goodbye_is_heard_until_then() -> None:
    messages = Messages(MAX)
    goodbye = messages.goodbye(1001)
    assert Close.parse(goodbye[2:]).code == 1001
    assert messages.receive(frame(Opcode.TEXT, b"still")) == (b"still\n", b"")
    assert not messages.is_over
    messages.receive(frame(Opcode.CLOSE, b"\x03\xe9"))
    assert messages.is_over
    assert not messages.has_failed
    # One close frame is enough.
    assert messages.goodbye(1000) == goodbye


def test_a_ping_may_be_as_long_as_the_protocol_allows_whatever_the_limit_of_a_line() -> None:
    ping = frame(Opcode.PING, b"p" * 125)
    begin = frame(Opcode.TEXT, b"x" * MAX, fin=False)
    end = frame(Opcode.CONT, b"\r\n")
    lines, answers, _, has_failed = fed(ping + begin + ping + end, bytewise)
    assert lines == b"x" * MAX + b"\r\n"
    assert pongs_of(answers) == [b"p" * 125] * 2
    assert not has_failed


def test_a_message_in_parts_is_given_up_as_soon_as_it_is_too_long() -> None:
    messages = Messages(MAX)
    part = frame(Opcode.CONT, b"x" * 10, fin=False)
    messages.receive(frame(Opcode.TEXT, b"", fin=False) + part * 6)
    assert not messages.is_over
    messages.receive(part)
    assert messages.has_failed


class Slow(Messages):
    """Has the library take everything, cut as it comes."""

    def receive(self, data: bytes, most_bare: int | None = None) -> tuple[bytes, bytes]:  # noqa: ARG002
        self._side.receive_data(data)
        return self._outcome()


def any_frame(opcode: int, data: bytes, fin: bool, mask: bool) -> bytes:
    """Return a frame that the library would refuse to make, too."""
    size = bytes([len(data)]) if len(data) < 126 else b"\x7e" + len(data).to_bytes(2, "big")
    first = bytes([opcode | 0x80 * fin, size[0] | 0x80 * mask])
    return first + size[1:] + (b"\0\0\0\0" if mask else b"") + data


frames = st.builds(
    any_frame,
    st.sampled_from([0, 1, 2, 3, 8, 9, 10, 11, 0x41]),
    st.one_of(
        texts,
        st.integers(0, MAX + 3).map(lambda size: b"x" * size),
        st.sampled_from([b"\xff", b"\xc3", b"a\nb", b"y" * 200, b"\x03\xe8"]),
        st.just(b"x" * MAX + b"\r\n"),
    ),
    st.booleans(),
    st.sampled_from([True] * 20 + [False]),
)
text_frames = texts.map(lambda data: frame(Opcode.TEXT, data))


@given(
    st.lists(st.one_of(text_frames, text_frames, frames, st.binary(min_size=1, max_size=4))),
    st.integers(1, 50),
)
def test_the_short_way_gives_what_the_library_gives(pieces: list[bytes], step: int) -> None:
    # At the end something that nobody takes, so that what has begun ends.
    data = b"".join(pieces) + b"\0" * 400
    slow = Slow(MAX)
    expected = slow.receive(data), slow.goodbye(1001), slow.is_over, slow.has_failed
    for size in step, len(data):
        quick = Messages(MAX)
        lines = answers = b""
        for at in range(0, len(data), size):
            more, answered = quick.receive(data[at : at + size])
            lines += more
            answers += answered
        goodbye = quick.goodbye(1001)
        # The library does not mind how a length is written; the table of mistakes has it.
        if b"more bytes than it needs" not in goodbye:
            found = (lines, answers), goodbye, quick.is_over, quick.has_failed
            assert found == expected


@pytest.mark.parametrize("size", [125, 126, 65_535, 65_536, 100_000])
@pytest.mark.parametrize("is_client", [True, False])
def test_a_message_of_any_length_is_taken_however_it_is_cut(size: int, is_client: bool) -> None:
    # A mask of zeros: what is taken for text by mistake is ASCII then, and no error.
    long = b"\x7e" + size.to_bytes(2, "big") if size < 65_536 else b"\x7f" + size.to_bytes(8, "big")
    length = bytearray(long if size > 125 else bytes([size]))
    length[0] |= 0 if is_client else 0x80
    data = (b"\x81" + length + (b"" if is_client else bytes(4)) + b"x" * size) * 2
    for step in 1000, len(data):
        messages = Messages(1 << 20, is_client=is_client)
        received = [messages.receive(data[at : at + step])[0] for at in range(0, len(data), step)]
        assert b"".join(received) == (b"x" * size + b"\n") * 2


def test_frames_that_bring_no_line_are_taken_a_few_at_a_time() -> None:
    messages = Messages(MAX)
    data = frame(Opcode.PING, b"p") * 3 + frame(Opcode.TEXT, b"one") + frame(Opcode.PING, b"q") * 2
    lines, answers = messages.receive(data, 2)
    assert (lines, messages.bare_frames, messages.holds_more) == (b"", 2, True)
    assert pongs_of(answers) == [b"p", b"p"]
    lines, answers = messages.receive(b"", 2)
    assert (lines, messages.bare_frames, messages.holds_more) == (b"one\n", 2, True)
    assert pongs_of(answers) == [b"p", b"q"]
    lines, answers = messages.receive(frame(Opcode.TEXT, b"two"), 2)
    assert (lines, messages.bare_frames, messages.holds_more) == (b"two\n", 1, False)
    assert pongs_of(answers) == [b"q"]
