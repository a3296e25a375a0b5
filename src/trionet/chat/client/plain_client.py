"""The chat's client, for the plain wire format."""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable

import trio

from trionet.argument_checks import check_kind, check_kinds, check_lines_to_send
from trionet.chat.formats.plain import ERROR, PASSWORD_QUESTION, is_quit
from trionet.chat.names.names import TOO_MANY_REFUSED, NameRefused
from trionet.chat.session.admission import WRONG
from trionet.chat.session.passwords import check_password
from trionet.connection.input_end import why_lost
from trionet.connection.linestream import LineStream
from trionet.errors import BadLine, ConnectionLost, TrionetError, UnsendableLine
from trionet.function_checks import check_callback
from trionet.lines import Line
from trionet.nurseries import single_error
from trionet.text.safe import WHITE_SPACE, safe_text

# How long the server may take to close the connection after `q`.
_GOODBYE_SECONDS = 2.0


def as_text(line: str) -> str:
    """Return a line that makes the server send a text as a message, never obey it.

    Args:
        line: the text; it is returned unchanged unless it is a command or a `q`.

    >>> as_text("q"), as_text("/who"), as_text("hello")
    ('/say q', '//who', 'hello')
    """
    if line.startswith("/"):
        return f"/{line}"
    return f"/say {line}" if is_quit(line) else line


class PasswordWanted(TrionetError):
    """The chat's server wants a password: none was given, or a wrong one.

    Attributes:
        name: the name that the login was for.
        was_given: whether there was a password, which is wrong.
    """

    def __init__(self, name: str, *, was_given: bool) -> None:
        check_kinds(name=(name, str), was_given=(was_given, bool))
        super().__init__(
            "wrong password"
            if was_given
            else "the server wants a password: give it with --password-file or TRIONET_PASSWORD"
        )
        self.name = name
        self.was_given = was_given


async def log_in(lines: LineStream, name: str, *, password: str | None = None) -> str:
    """Log in under a name.

    Args:
        lines: a connection to a chat server.
        name: the name as it was typed; the server judges it.
        password: what to answer if the server asks for a password; default ``None``: nothing.

    Returns:
        The room's welcome, safe to show.

    Raises:
        TypeError: an argument is of the wrong kind; the message says what to write.
        NameRefused: the name is unfit or taken. Another can be tried on the same connection, unless
            the server has closed it.
        PasswordWanted: the server wants a password and there is none, or it is wrong. The
            connection is of no use any more.
        ConnectionLost: the server closed the connection, which it also does after too many refused
            names, or speaks another protocol.

    Cancellation: the login may or may not have happened.
    """
    check_kind("lines", lines, LineStream, hint="trionet.LineStream(stream)")
    check_kinds(name=(name, str))
    if password is not None:
        check_password(password)
    if is_quit(name):
        raise NameRefused(f"nobody can be called {name.strip()}: it means to leave")
    try:
        await lines.send(name)
        answer = safe_text(await lines.receive())
        if answer == PASSWORD_QUESTION:
            if password is None:
                raise PasswordWanted(name, was_given=False)
            await lines.send(password)
            answer = safe_text(await lines.receive())
            if answer == f"{ERROR}{WRONG}":
                raise PasswordWanted(name, was_given=True)
    except (trio.EndOfChannel, trio.BrokenResourceError):
        raise ConnectionLost(why_lost(lines.end)) from None
    except BadLine as error:
        raise ConnectionLost(f"the server does not speak this protocol: {error}") from None
    if answer == f"{ERROR}{TOO_MANY_REFUSED}":
        raise ConnectionLost(TOO_MANY_REFUSED)
    if answer.startswith(ERROR):
        raise NameRefused(answer.removeprefix(ERROR))
    return answer


async def why_closed_before_login(lines: LineStream) -> str:
    """Wait until the server closes the connection, and return its last words, or else the reason.

    Use it while a person is asked for a name, which may take longer than the server waits.

    Args:
        lines: a connection to a chat server that has answered all names sent so far.

    Cancellation: what the server has said meanwhile is lost.
    """
    words = ""
    while True:
        try:
            words = safe_text(await lines.receive()).removeprefix(ERROR)
        except BadLine:
            continue
        except trio.EndOfChannel:
            return words or why_lost(lines.end)


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
        source: the lines to send. A `q`, a `/quit` and the end of the source leave. Blank lines
            are not sent.
        show: called with each line from the room, safe to show.
        warn: called with each warning.

    Raises:
        TypeError: an argument is of the wrong kind; the message says what to write.
        ConnectionLost: the server closed the connection first.

    Cancellation: immediate. The room sees a lost connection.
    """
    check_kind("lines", lines, LineStream, hint="trionet.LineStream(stream)")
    check_lines_to_send("source", source)
    check_callback("show", show, optional=False)
    check_callback("warn", warn, optional=False)
    conversation = _Conversation(lines, show, warn)
    with single_error(ConnectionLost):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(conversation.listen, nursery.cancel_scope)
            await conversation.talk(source)
            await trio.sleep(_GOODBYE_SECONDS)
            nursery.cancel_scope.cancel()


class _Conversation:
    """Both directions of one membership, and whether this side has left."""

    def __init__(
        self, lines: LineStream, show: Callable[[str], object], warn: Callable[[str], object]
    ) -> None:
        self._lines = lines
        self._show = show
        self._warn = warn
        self._has_quit = False

    async def talk(self, source: AsyncIterable[Line]) -> None:
        async for line in source:
            if isinstance(line, BadLine):
                self._warn(str(line))
            elif line.strip(WHITE_SPACE):
                await self._send(line)
                if self._has_quit:
                    return
        await self._send("q")

    async def _send(self, line: str) -> None:
        self._has_quit = is_quit(line)
        try:
            await self._lines.send(line)
        except UnsendableLine as error:
            self._has_quit = False
            self._warn(str(error))
        except trio.BrokenResourceError:
            # The room's last lines are still to be read. `listen` shows them, and then raises.
            await trio.sleep_forever()

    async def listen(self, conversation: trio.CancelScope) -> None:
        """Show what the room says until it closes, and end the conversation then."""
        while True:
            try:
                self._show(safe_text(await self._lines.receive()))
            except BadLine as error:
                self._warn(f"from the server: {error}")
            except trio.EndOfChannel:
                break
        if not self._has_quit:
            raise ConnectionLost(why_lost(self._lines.end))
        conversation.cancel()
