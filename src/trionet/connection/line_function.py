"""Serve a connection with a plain function: a line in, a line out, or none.

The function never waits, so no task has to wait with it: the task that finds out about input calls
it for all connections that are ready (`answer_on_input.py`). The connection's own task does the
same for everything that does not go that way, and gives the same answers.
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Any, TypeAlias, cast

import trio

from trionet.connection.connection import Connection
from trionet.encoding import encode_line, encode_lines, join_line, join_lines
from trionet.errors import BadLine
from trionet.lines import Line
from trionet.notices import LineRejected

# Called with a text, or with bytes where the lines of its server are bytes.
LineFunction: TypeAlias = Callable[[str], str | None] | Callable[[bytes], bytes | None]

# How long one peer's lines are answered before the others have their turn, in seconds.
_SECONDS_AT_ONCE = 0.002

# After this many characters of answers, the peer has to take them before it gets more. They are at
# most four times as many bytes: a quarter of what may wait by default.
_MOST_AT_ONCE = 65536


async def serve_with(function: LineFunction, connection: Connection) -> None:
    """Answer a peer's lines until they end: the handler of a service that is a plain function.

    Args:
        function: called with each good line. What it returns is sent, unless it is ``None``.
        connection: the peer.

    Raises:
        Exception: what the function raised, or that it returned no line. The answers to the lines
            before have been put.
        trio.BrokenResourceError: the peer is gone.

    Cancellation: lines that were not answered yet are lost.
    """
    lines, outbox = connection.lines, connection.outbox
    answering = Answering(function, connection)
    connection.answer_at_once(answering.answer)
    while left := await lines.receive_batch():
        answering.raise_failure()
        while left:
            if isinstance(left[0], BadLine):
                connection.tell(LineRejected(left[0]))
                left = left[1:]
                continue
            answers, left = answering.answer(left)
            if answers:
                outbox.put(answers)
            answering.raise_failure()
            if outbox.broken:
                raise trio.BrokenResourceError("the peer is gone")
            # Do not work ahead of a peer that does not read.
            if outbox.is_blocked:
                await outbox.flush()
            elif left:
                await trio.lowlevel.checkpoint()


class Answering:
    """Calls a function with one connection's lines; an `answer_on_input.Answer`.

    Args:
        function: see `serve_with`.
        connection: whose lines they are.
    """

    __slots__ = ("_encode_line", "_encode_lines", "_failure", "_function", "_kind", "_most")

    def __init__(self, function: LineFunction, connection: Connection) -> None:
        self._function = cast(Callable[[object], str | None], function)
        self._kind = str if connection.decode else bytes
        # Not the connection's own method: it would keep the connection alive in a cycle.
        encode: Any = encode_lines if connection.decode else join_lines
        self._encode_lines: Callable[[list[str]], bytes] = encode
        encode = encode_line if connection.decode else join_line
        self._encode_line: Callable[[str], bytes] = encode
        # A peer that reads is not given up, however small the bound of its outbox is.
        self._most = min(_MOST_AT_ONCE, connection.outbox.max_waiting // 8)
        self._failure: Exception | None = None

    def answer(self, lines: list[Line]) -> tuple[bytes, list[Line]]:
        """Answer lines until one is bad or fails, or enough was done at a time. Never raises.

        Returns:
            The answers, and the lines that are left. If a line failed, it is the first of these,
            and `raise_failure` raises why.
        """
        kind = self._kind
        if len(lines) == 1 and type(line := lines[0]) is kind:
            # Most lines come alone, and one is answered in any case: it needs neither bound. This
            # spares a request 8 % of its instructions (40,800 to 37,500, callgrind).
            try:
                answer = self._function(line)
                return (b"" if answer is None else self._encode_line(answer)), []
            except Exception as error:
                self._failure = error
                return b"", lines
        function = self._function
        answers: list[str] = []
        done, room = 0, self._most
        until = perf_counter() + _SECONDS_AT_ONCE
        try:
            for line in lines:
                if type(line) is not kind:
                    break
                answer = function(line)
                if answer is not None:
                    answers.append(answer)
                    room -= len(answer)
                done += 1
                if room < 0 or perf_counter() > until:
                    break
        except Exception as error:
            self._failure = error
        if not answers:
            return b"", lines[done:]
        try:
            return self._encode_lines(answers), lines[done:]
        except Exception as error:
            self._failure = error
            # The task must wake for it, so some line must be left.
            return self._encode_first(answers), lines[-1:]

    def raise_failure(self) -> None:
        """Raise what the function raised, if it has."""
        failure, self._failure = self._failure, None
        if failure is not None:
            try:
                raise failure
            finally:
                # The traceback holds this frame, and the frame would hold the error: a cycle.
                del failure

    def _encode_first(self, answers: list[str]) -> bytes:
        """Return the answers before the first one that is not a line."""
        encoded = bytearray()
        try:
            for answer in answers:
                encoded += self._encode_lines([answer])
        except Exception:
            return bytes(encoded)
        raise AssertionError("each answer is a line, but all together are not")
