"""The calculator's client: operations in, results out."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterable, Callable

import trio

from trionet.calc.expression import Arithmetic, CalculationError, Operation, parse
from trionet.calc.session import QUIT, SESSION_ENDED, check_name, is_quit
from trionet.errors import BadLine, ConnectionLost, TrionetError
from trionet.groups import single_error
from trionet.lines import Line
from trionet.stream import LineStream
from trionet.text import safe_text

# How long a server may take to close after `q`; everything is answered by then.
_GOODBYE_SECONDS = 2.0

_ERROR = "error: "


class Refused(TrionetError):
    """The server does not serve this client; the message is the server's reason."""


async def converse(
    stream: trio.abc.Stream,
    name: str,
    operations: AsyncIterable[Line],
    *,
    show: Callable[[str], object],
    warn: Callable[[str], object],
    one_at_a_time: bool = False,
) -> None:
    """Hold one session, from the name to ``Session ended``.

    Each operation is checked before it is sent: a malformed one is warned of and not sent, a
    blank one is skipped. `q` and the end of the operations end the session, once all is answered.

    Args:
        stream: a connection to a calculator server; the caller closes it.
        name: the client's name.
        operations: what to ask, one line each.
        show: called with each line for the standard output: the replies in order, and at last
            ``Session ended``.
        warn: called with each warning.
        one_at_a_time: wait for a reply before the next operation is taken, as a person does;
            otherwise replies are taken as they come.

    Raises:
        UnfitName: the name cannot be used; nothing was sent.
        Refused: the server refuses the name, or to serve at all.
        ConnectionLost: the server went first.

    Cancellation: immediate; the session just stops.
    """
    client = _Client(LineStream(stream), show)
    await client.log_in(check_name(name))
    with single_error(TrionetError):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.take_replies, nursery.cancel_scope)
            async for line in operations:
                if isinstance(line, BadLine):
                    warn(str(line))
                elif is_quit(line):
                    break
                elif text := line.strip(" \t"):
                    try:
                        operation = parse(text)
                    except CalculationError as error:
                        warn(f"{safe_text(text)}: {error}")
                        continue
                    await client.ask(text, operation)
                    if one_at_a_time:
                        await client.wait_answered()
            await client.quit()
            nursery.cancel_scope.cancel()
    show(SESSION_ENDED)


class _Client:
    """What is asked and not answered yet."""

    def __init__(self, lines: LineStream, show: Callable[[str], object]) -> None:
        self._lines = lines
        self._show = show
        self._asked: deque[Operation] = deque()
        self._answered = trio.lowlevel.ParkingLot()
        self._is_served = False
        self._has_quit = False

    async def log_in(self, name: str) -> None:
        await self._send(name)

    async def ask(self, line: str, operation: Operation) -> None:
        self._asked.append(operation)
        await self._send(line)

    async def wait_answered(self) -> None:
        await trio.lowlevel.checkpoint()
        while self._asked:
            await self._answered.park()

    async def quit(self) -> None:
        # Not before all is answered: so an end of the connection before it is the server's doing.
        await self.wait_answered()
        self._has_quit = True
        await self._send(QUIT)
        await trio.sleep(_GOODBYE_SECONDS)

    async def take_replies(self, conversation: trio.CancelScope) -> None:
        """Show replies in order until the server closes, and end the conversation then."""
        try:
            async for reply in self._lines:
                self._take(safe_text(reply))
        except BadLine as error:
            raise ConnectionLost(f"the server does not speak this protocol: {error}") from None
        if not self._has_quit:
            raise ConnectionLost("the server closed the connection")
        conversation.cancel()

    def _take(self, reply: str) -> None:
        if not self._is_served and reply.startswith(_ERROR) and not self._may_fail():
            raise Refused(reply.removeprefix(_ERROR))
        self._is_served = True
        if not self._asked:
            raise ConnectionLost("the server does not speak this protocol: an answer to nothing")
        self._asked.popleft()
        self._show(reply)
        self._answered.unpark_all()

    def _may_fail(self) -> bool:
        """Tell whether the operation that was asked first can be answered by an error.

        A name that is accepted gets no answer, so the first line may be either: the refusal of the
        name, or the first result. A well-formed operation fails by its arithmetic alone, and that
        can be tried here.
        """
        if not self._asked:
            return False
        try:
            Arithmetic().evaluate(self._asked[0])
        except CalculationError:
            return True
        return False

    async def _send(self, line: str) -> None:
        try:
            await self._lines.send(line)
        except trio.BrokenResourceError:
            # What the server said before it went is still to be read: take_replies tells.
            await trio.lowlevel.checkpoint()
