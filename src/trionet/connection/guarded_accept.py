"""Accept connections on a listener, which may be the user's own class and have faults.

A fault is logged once, and the listener is tried again after a pause. (trio and asyncio do so only
for the errors that they know, such as running out of file descriptors; any other ends the server or
is logged each time.) The fault may be over by then, and it concerns neither the other listeners nor
any connection. A listener that somebody has closed is another matter: nobody would ever be served
on it, so that still ends the server.
"""

from __future__ import annotations

import trio

from trionet.abc import Listener
from trionet.argument_checks import check_stream
from trionet.user_faults import FaultLog

# The same pause as after running out of file descriptors: ten tries a second cost nothing, and
# newcomers do not notice.
_PAUSE_SECONDS = 0.1

_FAULT = "a listener could not accept a connection, and is tried again"


class Accepting:
    """Accepts on one listener.

    Args:
        listener: the listener.
        faults: where its faults are logged.
    """

    __slots__ = ("_checked_class", "_faults", "_listener")

    def __init__(self, listener: Listener, faults: FaultLog) -> None:
        self._listener = listener
        self._faults = faults
        # The class of the last stream, which has the methods of one.
        self._checked_class: type | None = None

    async def accept(self) -> trio.abc.Stream:
        """Wait for a connection and return it.

        Raises:
            trio.ClosedResourceError: the listener was closed.

        Cancellation: as the listener's own `accept`.
        """
        while True:
            try:
                return self._checked(await self._listener.accept())
            except trio.ClosedResourceError:
                raise
            except Exception as error:
                self._report(error)
                await trio.sleep(_PAUSE_SECONDS)

    def accept_nowait(self) -> trio.abc.Stream:
        """Return a connection that already waits. Never a checkpoint.

        Raises:
            trio.WouldBlock: none waits, or the listener has failed.
            trio.ClosedResourceError: the listener was closed.
        """
        try:
            return self._checked(self._listener.accept_nowait())
        except (trio.WouldBlock, trio.ClosedResourceError):
            raise
        except Exception as error:
            self._report(error)
            raise trio.WouldBlock from None

    def _report(self, error: Exception) -> None:
        self._faults.report(error, type(self._listener), _FAULT, self._listener)

    def _checked(self, stream: trio.abc.Stream) -> trio.abc.Stream:
        if type(stream) is not self._checked_class:
            check_stream(stream, methods=["receive_some", "send_all", "aclose"])
            self._checked_class = type(stream)
        return stream
