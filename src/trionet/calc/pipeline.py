"""A session with a calculator server: a name, requests out, replies in, and a goodbye.

Requests have no numbers: a reply belongs to the oldest request that has no reply yet. The toolkit
sends and matches them (`trionet.connection.exchange`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

import trio

from trionet.calc.errors import LimitExceeded
from trionet.calc.grammar import parse
from trionet.calc.session import QUIT, Session
from trionet.calc.tokens import BLANK
from trionet.connection.answer_matching import ByOrder
from trionet.connection.exchange import Exchange
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


class Pipeline(Exchange):
    """One session on a connection. Run `send` and `receive` in a task each.

    Args:
        stream: a connection to a calculator server; the caller closes it.
        name: a name that `trionet.calc.check_name` has returned.
        wait_room: awaited after the replies of each part. With it, a consumer slower than the
            server makes the server wait.
    """

    def __init__(
        self,
        stream: trio.abc.Stream,
        name: str,
        *,
        wait_room: Callable[[], Awaitable[object]] | None = None,
    ) -> None:
        super().__init__(LineStream(stream), ByOrder(), wait_room=wait_room)
        self._name = name
        self.put(encode_line(name))

    def ask(self, request: str, take: TakeReply) -> None:
        """Send a request: at once if no other is in flight, else together with the next ones.

        Never a checkpoint. The caller keeps `in_flight` within `MAX_IN_FLIGHT`.

        Args:
            request: what `read_request` has returned.
            take: called with the reply.
        """
        self.request(encode_line(request), take)

    async def quit(self) -> None:
        """End the session: wait for all replies, send `q`, and wait for the server to close.

        The `q` waits for the replies. So if the connection ends earlier, the server ended it.
        """
        await self.wait_in_flight(0)
        self.may_end = True
        self.put(encode_line(QUIT))
        with trio.move_on_after(GOODBYE_SECONDS):
            await self.wait_ended()

    def _answer(self, line: Line) -> None:
        if isinstance(line, BadLine):
            raise ConnectionLost(f"the server does not speak this protocol: {line}")
        reply = safe_text(line)
        take = self._matching.match(reply)
        if take is not None:
            take(reply)
        elif reply.startswith(ERROR):
            # A notice of the server, such as a passed deadline. The server closes after it.
            reason = reply.removeprefix(ERROR)
            raise ConnectionLost(f"the server closed the connection: {reason}")
        else:
            raise ConnectionLost("the server does not speak this protocol: an answer to nothing")

    async def _judge_first(self, part: list[Line]) -> list[Line]:
        """Raise if the first line is a refusal; else return the lines so far as replies.

        A name that is accepted gets no answer. So if the first line is an error, it may be either
        the reason of a refusal or the reply to the first request. Two things tell them apart. If
        this side would have given the same error, it is the reply. And after a refusal the server
        closes without another line; that is waited for only with a server that words its errors
        differently.
        """
        first = part[0]
        if len(part) > 1 or not isinstance(first, str) or not first.startswith(ERROR):
            return part
        if self.in_flight and first == self._own_answer():
            return part
        with trio.move_on_after(_REFUSAL_SECONDS):
            part += await self._lines.receive_batch()
        if len(part) == 1 and self._lines.end is not None:
            raise NotServed(safe_text(first.removeprefix(ERROR)))
        return part

    def _own_answer(self) -> str | None:
        session = Session()
        session.receive(self._name)
        return session.receive(self._first.decode().removesuffix("\n")).answer
