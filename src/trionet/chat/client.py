"""The chat room's client, for the plain wire format."""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable

import trio

from trionet.chat.names import NameRefused
from trionet.chat.plain import ERROR, is_quit
from trionet.errors import BadLine, ConnectionLost, UnsendableLine
from trionet.lines import Line
from trionet.stream import LineStream
from trionet.text import WHITE_SPACE, safe_text

# How long the room may take to close after `q`.
_GOODBYE_SECONDS = 2.0


async def log_in(lines: LineStream, name: str) -> str:
    """Ask to be let in under a name.

    Args:
        lines: a connection to a chat server.
        name: as it was typed; the server judges it.

    Returns:
        The room's welcome, safe to show.

    Raises:
        NameRefused: the name is unfit or taken; the connection is as good for another one, unless
            the server has closed it.
        ConnectionLost: the server is gone.

    Cancellation: the login may or may not have happened.
    """
    try:
        await lines.send(name)
        answer = safe_text(await lines.receive())
    except (trio.EndOfChannel, trio.BrokenResourceError):
        raise ConnectionLost("the server closed the connection") from None
    except BadLine as error:
        raise ConnectionLost(f"the server does not speak this protocol: {error}") from None
    if answer.startswith(ERROR):
        raise NameRefused(answer.removeprefix(ERROR))
    return answer


async def converse(
    lines: LineStream,
    source: AsyncIterable[Line],
    *,
    show: Callable[[str], object],
    warn: Callable[[str], object],
) -> None:
    """Talk and listen, after `log_in`, until this side leaves.

    Args:
        lines: the connection; the caller closes it.
        source: what to send, one line each; a `q`, a `/quit` and the end of it leave. Blank lines
            are not sent.
        show: called with each line from the room, safe to show.
        warn: called with each warning.

    Raises:
        ConnectionLost: the server went first.

    Cancellation: immediate; to the room it looks like a lost connection.
    """
    listener = _Listener(lines, show, warn)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(listener.listen, nursery.cancel_scope)
        try:
            async for line in source:
                if isinstance(line, BadLine):
                    warn(str(line))
                    continue
                listener.has_quit = is_quit(line)
                try:
                    if line.strip(WHITE_SPACE):
                        await lines.send(line)
                except UnsendableLine as error:
                    listener.has_quit = False
                    warn(str(error))
                if listener.has_quit:
                    break
            else:
                listener.has_quit = True
                await lines.send("q")
        except trio.BrokenResourceError:
            # What the room said before it went is still to be read: the listener tells.
            await trio.sleep_forever()
        await trio.sleep(_GOODBYE_SECONDS)
        nursery.cancel_scope.cancel()
    # Raised out here, because a nursery would wrap it in a group.
    if listener.failure is not None:
        raise listener.failure


class _Listener:
    """Shows what the room says, and knows why it went silent.

    Attributes:
        has_quit: whether the end of the connection is this side's wish.
        failure: why the conversation ended before its end; ``None``: it did not.
    """

    def __init__(
        self, lines: LineStream, show: Callable[[str], object], warn: Callable[[str], object]
    ) -> None:
        self.has_quit = False
        self.failure: ConnectionLost | None = None
        self._lines = lines
        self._show = show
        self._warn = warn

    async def listen(self, conversation: trio.CancelScope) -> None:
        while True:
            try:
                self._show(safe_text(await self._lines.receive()))
            except BadLine as error:
                self._warn(f"from the server: {error}")
            except trio.EndOfChannel:
                break
        if not self.has_quit:
            self.failure = ConnectionLost("the server closed the connection")
        conversation.cancel()
