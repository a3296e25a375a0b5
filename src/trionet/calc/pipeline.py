"""Sends requests and receives replies over one connection, and matches them by their order.

Requests have no numbers: a reply belongs to the oldest request that has no reply yet. So the next
request can be sent before the last reply has come, and requests that are made together go out in
one write: 100,000 operations take some hundred system calls, not 100,000.

Sending and receiving are two tasks, because each must go on while the other waits: a server stops
reading requests when nobody reads its replies.
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
from trionet.connection.linestream import LineStream
from trionet.encoding import encode_line
from trionet.errors import BadLine, ConnectionLost, TrionetError
from trionet.lines import MAX_LINE, Line
from trionet.text.safe import safe_text

# How many requests may be without a reply. On a network with a round trip of 10 ms that allows
# 400,000 operations a second, more than any server does. Requests of the usual length then take
# 100 KB on either side.
MAX_IN_FLIGHT = 4096

# How long a server may take to close after `q`; everything has been answered by then.
GOODBYE_SECONDS = 2.0

# How long to wait, after a first reply that is an error, for the server to close; see
# `_judge_first`. A server that refuses closes at once.
_REFUSAL_SECONDS = 1.0

ERROR = "error: "

TakeReply: TypeAlias = Callable[[str], object]
"""Called with the reply to a request, safe to show."""


class NotServed(TrionetError):
    """The server does not serve this client; the message is the server's reason."""


def read_request(text: str) -> str:
    """Return an expression in the form in which it is sent.

    Raises:
        MalformedExpression: the text is not an expression; the column counts in the text as given.
    """
    parse(text)
    request = text.strip(BLANK)
    # There are few enough characters, but `×` has two bytes and a thin space three.
    if len(request) > MAX_LINE // 3 and len(request.encode()) > MAX_LINE:
        raise LimitExceeded(f"line is longer than {MAX_LINE} bytes")
    return request


class Pipeline:
    """One session on a connection. Run `send` and `receive` in a task each.

    Args:
        stream: a connection to a calculator server; the caller closes it.
        name: a name that `trionet.calc.check_name` has returned.
        wait_room: awaited after each batch of replies. With it, a consumer that is slower than the
            server makes the server wait.
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
        self._has_unsent = trio.lowlevel.ParkingLot()
        self._asked: deque[TakeReply] = deque()
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

    def ask(self, request: str, take: TakeReply) -> None:
        """Send a request: at once if no other is in flight, else together with the next ones.

        Never a checkpoint. The caller keeps `in_flight` within `MAX_IN_FLIGHT`.

        Args:
            request: what `read_request` has returned.
            take: called with the reply.
        """
        if self._first is None:
            self._first = request
            self._has_asked.set()
        self._asked.append(take)
        self._send(request)

    async def wait_in_flight(self, at_most: int) -> None:
        """Wait until at most this many requests are in flight, or until no more replies can come.

        Always a checkpoint.
        """
        await trio.lowlevel.checkpoint()
        while len(self._asked) > at_most:
            await self._answered.park()

    async def wait_asked(self) -> None:
        """Wait until the first request was made. Always a checkpoint."""
        await self._has_asked.wait()

    async def wait_heard(self) -> None:
        """Wait until the server has sent its first line. Always a checkpoint."""
        await self._heard.wait()

    async def quit(self) -> None:
        """End the session: wait for all replies, send `q`, and wait for the server to close.

        The `q` waits for the replies. So if the connection ends earlier, the server ended it.
        """
        await self.wait_in_flight(0)
        self._has_quit = True
        self._send(QUIT)
        with trio.move_on_after(GOODBYE_SECONDS):
            await self._ended.wait()

    def _send(self, line: str) -> None:
        self._unsent += encode_line(line)
        if len(self._asked) == 1 and self._is_idle and self._send_nowait is not None:
            # A client that asks one thing at a time should not have to wait until a task is woken.
            # Requests that follow before the reply has come are sent together.
            with suppress(trio.BrokenResourceError):
                del self._unsent[: self._send_nowait(bytes(self._unsent))]
        if self._unsent:
            self._has_unsent.unpark_all()

    async def send(self) -> None:
        """Send what `ask` and `quit` leave unsent, all there is at a time, until cancelled."""
        try:
            while True:
                while not self._unsent:
                    self._is_idle = True
                    await self._has_unsent.park()
                self._is_idle = False
                data, self._unsent = self._unsent, bytearray()
                await self._stream.send_all(data)
        except trio.BrokenResourceError:
            # The server's last lines are still to be read. `receive` does that, and then raises.
            pass

    async def receive(self) -> None:
        """Hand each reply to whoever asked, until the connection ends after `quit`.

        Raises:
            NotServed: the server refuses the name, or does not serve this client at all.
            ConnectionLost: the server closed the connection first, or speaks another protocol.
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
            # A notice of the server, such as a passed deadline. The server closes after it.
            reason = reply.removeprefix(ERROR)
            raise ConnectionLost(f"the server closed the connection: {reason}")
        else:
            raise ConnectionLost("the server does not speak this protocol: an answer to nothing")

    async def _judge_first(self, batch: list[Line]) -> list[Line]:
        """Raise if the first line is a refusal; else return the lines so far as replies.

        A name that is accepted gets no answer. So if the first line is an error, it may be either
        the reason of a refusal or the reply to the first request. Two things tell them apart. If
        this side would have given the same error, it is the reply. And after a refusal the server
        closes without another line; that is waited for only with a server that words its errors
        differently.
        """
        first = batch[0]
        if len(batch) > 1 or not isinstance(first, str) or not first.startswith(ERROR):
            return batch
        if self._asked and first == self._own_answer():
            return batch
        with trio.move_on_after(_REFUSAL_SECONDS):
            batch += await self._lines.receive_batch()
        if len(batch) == 1 and self._lines.end is not None:
            raise NotServed(safe_text(first.removeprefix(ERROR)))
        return batch

    def _own_answer(self) -> str | None:
        session = Session()
        session.receive(self._name)
        return session.receive(self._first or "").answer
