"""Answer a connection's lines without waking its task.

Waking a task, running it and putting it to sleep again takes longer than answering a short line. So
where an answer needs no waiting, the task that finds out about input calls `AtOnce` for all
connections that are ready. The connection's own task goes on waiting. It still handles the
deadlines, the drain and the end of the connection, and it is woken for whatever else than whole
good lines comes up: the end of the input, a bad line, lines beyond the rate, a peer that does not
read.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from trionet.connection.outbox import Outbox
from trionet.connection.reader import LineReader
from trionet.lines import Line
from trionet.type_checks import close_coroutine
from trionet.user_faults import FaultLog

# Takes lines that came together, good and bad. Returns whole lines to send, perhaps none, and the
# lines that it leaves to the connection's task.
Answer: TypeAlias = Callable[[list[Line]], tuple[bytes, list[Line]]]


class AtOnce:
    """One connection's way past its task.

    Args:
        lines: the peer's lines.
        outbox: where the answers go.
        answer: see `Answer`. If it raises, or returns anything else, that is logged, and the
            connection's task gets the lines. An error raised here would end the task that answers
            for all connections.
        faults: where it is logged.
    """

    __slots__ = ("_answer", "_faults", "_lines", "_outbox")

    def __init__(
        self, lines: LineReader[Any], outbox: Outbox, answer: Answer, faults: FaultLog
    ) -> None:
        self._lines = lines
        self._outbox = outbox
        self._answer = answer
        self._faults = faults

    def serve(self, now: float) -> bool:
        """Answer what has come; see `trionet.abc.CallsOnInput`."""
        outbox = self._outbox
        # Do not work ahead of a peer that does not read: the task waits for it.
        if outbox.is_blocked:
            return False
        lines = self._lines
        part: list[Line] | None = None
        result: object = None
        try:
            part = lines.receive_batch_nowait()
            if not part:
                return False
            result = answers, left = self._answer(part)
            if answers:
                outbox.put(answers)
        except Exception as error:
            close_coroutine(result)
            self._faults.report(error, self._answer, "answer_at_once failed; its handler answers")
            left = part or []
        return lines.hand_back(left, now)
