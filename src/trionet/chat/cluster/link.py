"""One connection to Redis, outside any pool and without retries.

A link sends some commands in one write, and is closed at the first failure. Redis may have carried
out what was sent by then, so a link sends nothing twice: a client library's retries could write an
entry twice. A pool would have to be told of each blocking read that is cancelled.

hiredis parses the answers, and the task that asks does its own sending and receiving. A connection
of coredis adds two tasks and a queue. With it, a lone message to a hundred members took a node
2.6 ms of CPU time instead of 2.2, and two nodes 4.1 ms instead of 2.6. Its 579 modules took a node
from 50 MB after the start to 75.

The stream is trionet's own. Trio's runs the scheduler once more after each send, and tries to
receive before it waits, though an answer is never there yet. With it, one node needed 0.49 ms more
for a lone message than a server without Redis; with trionet's own, 0.43.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol, TypeAlias

import trio

from trionet.abc import Transport
from trionet.chat.cluster.options import RedisError, RedisServer
from trionet.errors import ConnectError
from trionet.transport.addresses import TCPAddress, TLSAddress
from trionet.transport.network import SystemNetwork
from trionet.transport.sockets import adopt
from trionet.transport.tls import TLSStream
from trionet.transport.tlsengine import UNTRUSTED

Command: TypeAlias = tuple[bytes, ...]

# How much is received at a time, in bytes.
_RECEIVE = 65536

# What the parser returns when it needs more; ``None`` is an answer.
_NOTHING = object()


class LinkLost(Exception):
    """The connection is gone, or Redis has not answered in time. What was sent may be done."""


class ErrorAnswer(Exception):
    """Redis has answered with an error, such as OOM, READONLY, LOADING or MISCONF.

    Args:
        reason: Redis' own words.
    """

    @property
    def reason(self) -> str:
        """Redis' own words."""
        return str(self.args[0])


class Link(Protocol):
    """A connection to Redis, which is opened when it is first used, and again after a failure.

    `RedisLink` implements it, and `writer.Writer` and `reader.Reader` use it. Tests implement it in
    memory.
    """

    @property
    def is_open(self) -> bool:
        """Whether the next call goes over the connection of the last one."""

    async def calls(self, *commands: Command, seconds: float, opens: bool = True) -> Sequence[Any]:
        """Send commands in one write, and return the answers; an error is an `ErrorAnswer`.

        Args:
            commands: the commands.
            seconds: how long they may take in all.
            opens: whether a connection may be opened for them; default ``True``. A new one may
                reach a Redis that has restarted since.

        Raises:
            LinkLost: there is no answer. Whether anything was done is not known.
            RedisError: Redis will never answer, because of a wrong password for example.

        Cancellation:
            The connection is closed, because an answer may still be on its way.
        """

    def close(self) -> None:
        """Close the connection. Never a checkpoint."""


OpenLink: TypeAlias = Callable[[], Link]


class RedisLink:
    """A connection over TCP, or TLS.

    Args:
        server: where Redis is.

    Raises:
        RedisError: hiredis is not installed.
    """

    def __init__(self, server: RedisServer) -> None:
        try:
            import hiredis
        except ImportError:
            raise RedisError(
                "Redis needs the extra `redis`: pip install 'trionet[redis]'"
            ) from None
        self._server = server
        # `Any`, because hiredis's type stub accepts only a tuple of one item.
        self._pack: Any = hiredis.pack_command
        self._make_parser = partial(
            hiredis.Reader, protocolError=LinkLost, replyError=ErrorAnswer, notEnoughData=_NOTHING
        )
        self._parser = self._make_parser()
        self._stream: Transport | None = None

    @property
    def is_open(self) -> bool:
        """Whether the next call goes over the connection of the last one."""
        return self._stream is not None

    async def calls(self, *commands: Command, seconds: float, opens: bool = True) -> Sequence[Any]:
        """Send commands; see `Link`."""
        try:
            with trio.move_on_after(seconds):
                if self._stream is None:
                    if not opens:
                        raise LinkLost("the connection is gone")
                    await self._open()
                return await self._ask(commands)
            raise LinkLost("no answer in time")
        except (ConnectError, trio.BrokenResourceError, trio.ClosedResourceError, OSError) as error:
            self.close()
            raise LinkLost(repr(error)) from error
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the connection. Never a checkpoint."""
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()

    async def _ask(self, commands: Sequence[Command]) -> list[Any]:
        """Send commands over the open connection, and return the answers."""
        stream, parser = self._stream, self._parser
        assert stream is not None, "`_open` has set it"
        data = b"".join([self._pack(command) for command in commands])
        while (sent := stream.send_nowait(data)) < len(data):
            data = data[sent:]
            await stream.wait_writable()
        answers: list[Any] = []
        while len(answers) < len(commands):
            data = await stream.receive_some(_RECEIVE)
            if not data:
                raise LinkLost("Redis has closed the connection")
            parser.feed(data)
            while (answer := parser.gets()) is not _NOTHING:
                answers.append(answer)
        return answers

    async def _open(self) -> None:
        """Connect, and log in."""
        server, self._parser = self._server, self._make_parser()
        if server.tls:
            await self._open_tls()
        else:
            self._stream = adopt(await trio.open_tcp_stream(server.host, server.port))
        hello: Command = (b"HELLO", b"3")
        if server.username or server.password:
            user, password = server.username or "default", server.password or ""
            hello += (b"AUTH", user.encode(), password.encode())
        (answer,) = await self._ask([hello])
        if isinstance(answer, ErrorAnswer):
            if answer.reason.startswith(("WRONGPASS", "NOAUTH", "NOPERM")):
                raise RedisError(f"Redis at {server.place} refuses the user or the password")
            if "AUTH" in answer.reason.split(" ")[:2]:
                raise RedisError(f"Redis at {server.place} wants another user or password")
            raise LinkLost(answer.reason)
        if server.database:
            (answer,) = await self._ask([(b"SELECT", b"%d" % server.database)])
            if isinstance(answer, ErrorAnswer):
                raise LinkLost(answer.reason)

    async def _open_tls(self) -> None:
        server = self._server
        # A network of its own reads the certificates again: the operator may have replaced them.
        network = SystemNetwork()
        try:
            tls = await network.connect(str(TLSAddress(TCPAddress(server.host, server.port))))
        except ConnectError as error:
            _, _, doubt = str(error).partition(UNTRUSTED)
            if not doubt:
                raise
            raise RedisError(
                f"Redis at {server.place} shows a certificate that cannot be trusted: {doubt} "
                "(the variable SSL_CERT_FILE names a file with your own authority)"
            ) from None
        assert isinstance(tls, TLSStream), "its address says so"
        self._stream = tls
