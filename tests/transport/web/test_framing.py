"""Whole lines in WebSocket frames: where each ends, and what a browser reads of them."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

from trionet.transport.web.framing import FRAMES, MOST_IN_FRAME

# Lengths whose header holds a 0x0A, the byte that ends a line.
SIZES = [1, 9, 10, 11, 125, 126, 2570, 2571, 65535, 65536, MOST_IN_FRAME, MOST_IN_FRAME + 1]

line = st.one_of(st.integers(1, 300), st.sampled_from(SIZES)).map(lambda size: b"x" * size + b"\n")
lines = st.lists(line, max_size=12).map(b"".join)


def pong(text: bytes) -> bytes:
    return Frame(Opcode.PONG, text).serialize(mask=False)


def parsed(data: bytes) -> list[Frame]:
    """Return what a client's own library reads."""
    client = ClientProtocol(parse_uri("ws://localhost/"), state=State.OPEN, max_size=None)
    client.receive_data(data)
    assert client.parser_exc is None
    return [event for event in client.events_received() if isinstance(event, Frame)]


def ends_of(data: bytes) -> list[int]:
    """Return where frames end."""
    ends = [0]
    for frame in parsed(data):
        ends.append(ends[-1] + len(frame.serialize(mask=False)))
    return ends


@given(lines)
@example(b"")
@example(b"x" * 9 + b"\n")
def test_frames_hold_whole_lines_and_nothing_else(data: bytes) -> None:
    framed = FRAMES.wrap(data)
    frames = parsed(framed)
    assert b"".join(bytes(frame.data) for frame in frames) == data
    for frame in frames:
        assert frame.opcode == Opcode.TEXT
        assert frame.fin
        content = bytes(frame.data)
        assert content.endswith(b"\n")
        assert len(content) <= MOST_IN_FRAME or content.count(b"\n") == 1


def test_a_batch_of_hundreds_of_lines_is_one_frame() -> None:
    assert len(parsed(FRAMES.wrap(b'{"type":"said","text":"hello"}\n' * 500))) == 1


@given(st.lists(st.one_of(lines.map(FRAMES.wrap), st.binary(max_size=125).map(pong))), st.data())
def test_the_rules_agree_with_a_clients_own_reading(
    pieces: list[bytes], draw: st.DataObject
) -> None:
    block = b"".join(pieces)
    ends = ends_of(block)
    begin = draw.draw(st.sampled_from(ends))
    end = draw.draw(st.sampled_from([one for one in ends if one >= begin]))
    at = draw.draw(st.integers(begin, len(block)))
    texts = [frame for frame in parsed(block[begin:end]) if frame.opcode == Opcode.TEXT]
    content = b"".join(bytes(frame.data) for frame in texts)
    assert FRAMES.end_from(block, begin, at) == min(one for one in ends if one >= max(at, begin))
    assert FRAMES.count(block, begin, end) == content.count(b"\n")
    assert FRAMES.lines_of(block, begin, end) == content
    kept = [frame for frame in parsed(block[begin:end]) if frame.opcode == Opcode.PONG]
    assert FRAMES.undroppable(block, begin, end) == b"".join(
        frame.serialize(mask=False) for frame in kept
    )
    if begin < len(block):
        most = draw.draw(st.integers(1, len(block)))
        fitting = [one for one in ends if begin < one <= begin + most]
        first = min(one for one in ends if one > begin)
        assert FRAMES.last_end(block, begin, most) == (max(fitting) if fitting else first)


@given(lines)
def test_parts_are_whole_frames_with_their_lines_counted(data: bytes) -> None:
    block = FRAMES.wrap(data)
    parts = FRAMES.parts(block, MOST_IN_FRAME)
    assert b"".join(part for part, _ in parts) == block
    for part, count in parts:
        (frame,) = parsed(part)
        assert bytes(frame.data).count(b"\n") == count


@given(st.lists(line, min_size=1, max_size=5))
def test_pieces_become_one_frame_or_are_too_many(pieces: list[bytes]) -> None:
    size = sum(map(len, pieces))
    framed = FRAMES.wrap_pieces(pieces, size)
    if size > MOST_IN_FRAME:
        assert framed is None
    else:
        assert framed is not None
        assert b"".join(framed) == FRAMES.wrap(b"".join(pieces))
