"""Requests out and replies in over one connection, matched by their order.

The wire has no numbers on its requests: a reply belongs to the oldest request that has none. So
nothing need wait for a reply before the next request is sent, and what is asked in one stretch goes
out in one write: 100,000 operations cost some hundred system calls, not 100,000.

Sending and receiving are two tasks. Each must go on while the other waits: a server that waits for
its replies to be read reads no requests.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeAlias

import trio

from trionet.calc.errors import LimitExceeded
from trionet.calc.grammar import parse
from trionet.calc.session import QUIT, Session
from trionet.calc.tokens import BLANK
from trionet.connection.input_end import why_lost
from trionet.connection.reader import LineStream
from trionet.errors import BadLine, ConnectionLost, TrionetError
from trionet.lines import MAX_LINE, Line, encode_line
from trionet.text.safe import safe_text

# Replies that may be outstanding. On a network with 10 ms there and back it is a pipe for 400,000
# operations a second, which no server has; of usual length they are 100 KB on either side.
MAX_IN_FLIGHT = 4096

# How long a server may take to close after `q`; everything is answered by then.
GOODBYE_SECONDS = 2.0

# How long after a first error the end of the connection is waited for; see `_judge_first`. Servers
# close in the same breath.
_REFUSAL_SECONDS = 1.0

ERROR = "error: "

Taker: TypeAlias = Callable[[str], object]
"""Who asked: is handed the reply, safe to show."""


class Refused(TrionetError):
    """The server does not serve this client; the message is the server's reason."""


def read_request(text: str) -> str:
    """Return an expression as it is sent, if it can be.

    Raises:
        MalformedExpression: it is none; the column that is told is one of the text as it is.
    """
    parse(text)
    request = text.strip(BLANK)
    # Of characters there are no more, but `×` has two bytes, and a thin space three.
    if len(request) > MAX_LINE // 3 and len(request.encode()) > MAX_LINE:
        raise LimitExceeded(f"line is longer than {MAX_LINE} bytes")
    return request


class Pipeline:
    """One session on a connection; `send` and `receive` are to run in tasks of their own.

    Args:
        stream: a connection to a calculator server; the caller closes it.
        name: a name that `trionet.calc.check_name` has returned.
        wait_room: awaited after each batch of replies was handed out; who takes more than they can
            hold makes the server wait by it.
    """

    def __init__(
        self,
        stream: trio.abc.Stream,
        name: str,
        *,
        wait_room: Callable[[], Awaitable[object]] | None = None,
    ) -> None:
        self._stream = stream
        self._send_nowait: Callable[[bytes], int] | None = getattr(stream, "send_nowait", None)
        self._lines = LineStream(stream)
        self._name = name
        self._unsent = bytearray(encode_line(name))
        self._is_idle = False
        self._put = trio.lowlevel.ParkingLot()
        self._asked: deque[Taker] = deque()
        self._answered = trio.lowlevel.ParkingLot()
        self._wait_room = wait_room
        self._first: str | None = None
        self._has_asked = trio.Event()
        self._heard = trio.Event()
        self._has_quit = False
        self._ended = trio.Event()

    @property
    def in_flight(self) -> int:
        """How many requests have no reply yet."""
        return len(self._asked)

    def ask(self, request: str, take: Taker) -> None:
        """Send a request: at once if no other is outstanding, or with what else comes meanwhile.

        Never a checkpoint. Whoever asks sees to it that no more than `MAX_IN_FLIGHT` are.
        """
        if self._first is None:
            self._first = request
            self._has_asked.set()
        self._asked.append(take)
        self._send(request)

    async def wait_in_flight(self, at_most: int) -> None:
        """Wait until so few requests have no reply, or none will have one. Always a checkpoint."""
        await trio.lowlevel.checkpoint()
        while len(self._asked) > at_most:
            await self._answered.park()

    async def wait_asked(self) -> None:
        """Wait until there is a request. Always a checkpoint."""
        await self._has_asked.wait()

    async def wait_heard(self) -> None:
        """Wait until the first line has come from the server. Always a checkpoint."""
        await self._heard.wait()

    async def quit(self) -> None:
        """End the session: wait for all replies, say `q`, and wait for the server to close.

        Not before all is answered: so an end of the connection before it is the server's doing.
        """
        await self.wait_in_flight(0)
        self._has_quit = True
        self._send(QUIT)
        with trio.move_on_after(GOODBYE_SECONDS):
            await self._ended.wait()

    def _send(self, line: str) -> None:
        self._unsent += encode_line(line)
        if len(self._asked) == 1 and self._is_idle and self._send_nowait is not None:
            # Who asks one at a time need not wait for a task to be woken. What follows before
            # the reply has come goes together.
            with suppress(trio.BrokenResourceError):
                del self._unsent[: self._send_nowait(bytes(self._unsent))]
        if self._unsent:
            self._put.unpark_all()

    async def send(self) -> None:
        """Send what is put, all that has come together at a time, until cancelled."""
        try:
            while True:
                while not self._unsent:
                    self._is_idle = True
                    await self._put.park()
                self._is_idle = False
                data, self._unsent = self._unsent, bytearray()
                await self._stream.send_all(data)
        except trio.BrokenResourceError:
            # What the server said before it went is still to be read: `receive` tells.
            pass

    async def receive(self) -> None:
        """Hand each reply to its taker, until the connection ends after `quit`.

        Raises:
            Refused: the server refuses the name, or to serve at all.
            ConnectionLost: the server went first, or speaks another protocol.
        """
        is_served = False
        try:
            while batch := await self._lines.receive_batch():
                if not is_served:
                    self._heard.set()
                    batch = await self._judge_first(batch)
                    is_served = True
                for reply in batch:
                    self._take(reply)
                self._answered.unpark_all()
                if self._wait_room is not None:
                    await self._wait_room()
            if not self._has_quit:
                raise ConnectionLost(why_lost(self._lines.end))
        finally:
            self._asked.clear()
            self._answered.unpark_all()
            self._ended.set()

    def _take(self, reply: Line) -> None:
        if isinstance(reply, BadLine):
            raise ConnectionLost(f"the server does not speak this protocol: {reply}")
        reply = safe_text(reply)
        if self._asked:
            self._asked.popleft()(reply)
        elif reply.startswith(ERROR):
            # Such as a deadline's. It closes the connection behind it.
            reason = reply.removeprefix(ERROR)
            raise ConnectionLost(f"the server closed the connection: {reason}")
        else:
            raise ConnectionLost("the server does not speak this protocol: an answer to nothing")

    async def _judge_first(self, batch: list[Line]) -> list[Line]:
        """Tell a refusal from a first reply that is an error, and return what is not judged.

        A name that is accepted gets no answer, so the first line may be either: why the server
        refuses, or what came of the first request. Two things tell them apart. The same error as
        this side would have given is the reply. And after a refusal the server closes, without
        another line; only for a server whose words are others is that waited for.
        """
        first = batch[0]
        if len(batch) > 1 or not isinstance(first, str) or not first.startswith(ERROR):
            return batch
        if self._asked and first == self._own_answer():
            return batch
        with trio.move_on_after(_REFUSAL_SECONDS):
            batch += await self._lines.receive_batch()
        if len(batch) == 1 and self._lines.end is not None:
            raise Refused(safe_text(first.removeprefix(ERROR)))
        return batch

    def _own_answer(self) -> str | None:
        session = Session()
        session.receive(self._name)
        return session.receive(self._first or "").answer
