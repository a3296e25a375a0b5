"""JSON lines: what a slow reader is told that it missed.

The queue hands over the lines that it drops. For each room this keeps where the gap begins and
where it ends; for answers, which requests they belong to. So a client knows what to page back for,
and what to ask again.

The gap of a room may be wider than what was dropped, never narrower.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Self

import msgspec
from msgspec import Struct, field

from trionet.chat.state.operations import RequestId

# What is kept is bounded: a member is in 100 rooms, but may go in and out of others meanwhile. With
# ids of 64 characters of 4 bytes each, and rooms of 32, either fills a line of 52 KB or 20 lines.
MAX_ROOMS = 200
MAX_ANSWERS = 200

# Dropped blocks whose result is kept, because many slow members drop the same: 2 MiB at most.
_BLOCKS = 64

# What stands for private messages where rooms are named.
PRIVATE = "@"

_Gaps = dict[str, tuple[int, int]]


class _Dropped(Struct, gc=False):
    """The fields that matter of a line from the server."""

    type: str
    room: str = ""
    number: int | None = None
    re: RequestId | list[RequestId] = None
    sender: str | None = field(default=None, name="from")
    to: str = ""
    after: int = 0
    before: int = 0
    count: int = 0


class _Gap(Struct, tag_field="type", tag="missed", gc=False):
    room: str
    after: int
    before: int


class _Answers(Struct, tag_field="type", tag="missed", omit_defaults=True, gc=False):
    count: int
    re: Sequence[RequestId] = ()


class Missing:
    """What one member has missed; see `trionet.abc.Missing`."""

    __slots__ = ("_answers", "_gaps", "_others")

    def __init__(self) -> None:
        # The gap of each room: the number before it, and the number after it.
        self._gaps: _Gaps = {}
        # The ids of requests whose answers were dropped, and how many other lines were.
        self._answers: list[RequestId] = []
        self._others = 0

    def add(self, lines: bytes) -> None:
        """Note whole lines that were dropped, after all that were noted before."""
        self._add(*_sorted_out(lines))

    def add_all(self, later: Self) -> None:
        """Note what another object has noted, which was dropped later."""
        self._add(later._gaps, later._answers, later._others)

    def encode(self) -> bytes:
        """Return a line for each room, and one for the answers."""
        told: list[_Gap | _Answers] = [
            _Gap(room, after, before) for room, (after, before) in self._gaps.items()
        ]
        count = len(self._answers) + self._others
        if count:
            told.append(_Answers(count, self._answers))
        return _encoder.encode_lines(told)

    def _add(self, gaps: _Gaps, answers: Sequence[RequestId], others: int) -> None:
        for room, (after, before) in gaps.items():
            known = self._gaps.get(room)
            if known is not None:
                self._gaps[room] = min(known[0], after), max(known[1], before)
            elif len(self._gaps) < MAX_ROOMS:
                self._gaps[room] = after, before
            else:
                others += 1
        room_left = MAX_ANSWERS - len(self._answers)
        self._answers += answers[:room_left]
        self._others += others + max(0, len(answers) - room_left)


@lru_cache(maxsize=_BLOCKS)
def _sorted_out(lines: bytes) -> tuple[_Gaps, list[RequestId], int]:
    """Return the gaps that lines leave, the ids that they answer, and how many others there are.

    Cached, because a thousand slow members drop the same block, and reading 32 KiB takes 0.1 ms.
    """
    gaps: _Gaps = {}
    answers: list[RequestId] = []
    others = 0
    for line in _decoder.decode_lines(lines):
        re, room, number = line.re, line.room, line.number
        after, before = line.after, line.before
        if isinstance(re, list):
            # A notice of this kind was dropped itself.
            answers += re
            others += line.count - len(re)
        elif re is not None:
            answers.append(re)
        if number is not None and (room or re is None or line.sender == line.to):
            # Whoever sent a private message gets the number of the receiver's sequence, which may
            # be its own.
            after, before = number - 1, number + 1
            room = room or PRIVATE
        if before and room:
            known = gaps.get(room, (after, before))
            gaps[room] = min(known[0], after), max(known[1], before)
        elif re is None:
            others += max(1, line.count)
    return gaps, answers, others


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(_Dropped)
