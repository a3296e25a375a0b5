"""A connection to Redis of its own: one connection of coredis, outside of its pool.

The pool loses a place for good whenever a connection that is in use dies or a blocking read is
cancelled, and hangs once all are lost. And its retries write an entry twice. So a link takes one
connection as it is, sends some commands in one write, and is closed at the first failure.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeAlias

import trio

from trionet.chat.cluster.options import RedisError, RedisServer

Command: TypeAlias = tuple[bytes, ...]


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
            opens: whether a connection may be opened for them; default ``True``. The next one may
                lead to a Redis that has started anew.

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
    """One connection of coredis.

    Args:
        server: where Redis is.
        nursery: where the connection's tasks run.
    """

    def __init__(self, server: RedisServer, nursery: trio.Nursery) -> None:
        self._server = server
        self._nursery = nursery
        self._connection: Any = None

    @property
    def is_open(self) -> bool:
        """Whether the next call goes over the connection of the last one."""
        return self._connection is not None and bool(self._connection.usable)

    async def calls(self, *commands: Command, seconds: float, opens: bool = True) -> Sequence[Any]:
        """Send commands; see `Link`."""
        # It loads 200 modules.
        from coredis.exceptions import BusyLoadingError
        from coredis.exceptions import ConnectionError as Disconnected
        from coredis.exceptions import RedisError as RedisFault

        try:
            with trio.fail_after(seconds):
                if not self.is_open:
                    if not opens:
                        raise LinkLost("the connection is gone")
                    await self._open(seconds)
                requests = [
                    self._connection.create_request(
                        command[0], *command[1:], decode=False, raise_exceptions=False
                    )
                    for command in commands
                ]
                answers = []
                for request in requests:
                    answer = await request
                    if isinstance(answer, RedisFault):
                        # LOADING is a ConnectionError here, but comes from a Redis that answers.
                        if isinstance(answer, Disconnected) and not isinstance(
                            answer, BusyLoadingError
                        ):
                            raise LinkLost(str(answer))
                        answer = ErrorAnswer(str(answer))
                    elif isinstance(answer, Exception):
                        raise LinkLost(repr(answer))
                    answers.append(answer)
                return answers
        except (Disconnected, trio.TooSlowError, OSError) as error:
            self.close()
            raise LinkLost(repr(error)) from error
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the connection. Never a checkpoint."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.invalidate()

    async def _open(self, seconds: float) -> None:
        from coredis.connection import TCPConnection, TCPLocation
        from coredis.exceptions import AuthenticationError, AuthorizationError
        from coredis.exceptions import RedisError as RedisFault

        self.close()
        server = self._server
        connection = TCPConnection(
            TCPLocation(server.host, server.port),
            connect_timeout=seconds,
            username=server.username,
            password=server.password,
            db=server.database,
            ssl_context=ssl.create_default_context() if server.tls else None,
        )

        async def run(*, task_status: trio.TaskStatus[Exception | None]) -> None:
            """Run one connection to Redis until it ends."""
            is_running = False

            class Started:
                def started(self, _value: object = None) -> None:
                    nonlocal is_running
                    is_running = True
                    task_status.started(None)

            try:
                await connection.run(task_status=Started())
            except Exception as error:
                # Once it runs, its requests have the error.
                if not is_running:
                    task_status.started(error)

        error = await self._nursery.start(run)
        if isinstance(error, AuthenticationError | AuthorizationError):
            raise RedisError(f"Redis at {server.place} refuses the user or the password")
        if isinstance(error, RedisFault | OSError) and _is_about_password(error):
            raise RedisError(f"Redis at {server.place} wants another user or password")
        if (doubt := _doubt_of(error)) is not None:
            raise RedisError(
                f"Redis at {server.place} shows a certificate that cannot be trusted: {doubt} "
                "(the variable SSL_CERT_FILE names a file with your own authority)"
            )
        if error is not None:
            raise LinkLost(str(error)) from error
        self._connection = connection


def _doubt_of(error: BaseException | None) -> str | None:
    """Return why a certificate is not trusted; ``None``: that is not what went wrong."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return error.verify_message
        error = error.__cause__
    return None


def _is_about_password(error: BaseException) -> bool:
    words = str(error)
    return words.startswith(("WRONGPASS", "NOAUTH", "NOPERM")) or "AUTH" in words.split(" ")[:1]
