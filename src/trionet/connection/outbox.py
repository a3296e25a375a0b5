"""One connection's outgoing bytes.

A producer (a hub with thousands of members, a handler in its ``finally``) calls `Outbox.put` and is
done: it never waits for the peer. The plan of this file:

- While the peer keeps up, `put` is one non-blocking send and nothing else: no task, no buffer.
- When the kernel takes no more, the rest waits, and a task sends it (`outbox_waiting.py`).
- Where a server defers sends (`deferred_sends.py`), lines are held for a moment and then sent in
  one go (`outbox_holding.py`). While they are, `direct` is ``None``, so whoever sends past `put`
  comes to `keep`, and that sends what is held first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar, cast

import trio

from trionet.abc import Framing, SendsDirectly
from trionet.argument_checks import check_choice, check_kind, check_stream, shown
from trionet.connection.deferred_sends import DeferredSends
from trionet.connection.outbox_waiting import Waits
from trionet.connection.outbox_writing import counted, joined
from trionet.connection.safe_notices import SafeNotices, safe_notices
from trionet.connection.when_slow import WhenSlow
from trionet.encoding import check_lines
from trionet.function_checks import check_callback
from trionet.limits import BOUNDS
from trionet.notices import EncodeNotice, encode_notice

# At most this many pieces are sent without joining them. Where there are more, they are small, and
# joining them is as fast as having the kernel take them one by one. Besides, the kernel takes a
# thousand at most, so the rest would wait without need.
_MOST_PIECES = 16

_NEWLINE = 0x0A


class Outbox(Waits):
    """The bytes that wait for one peer.

    Args:
        stream: where they go. The outbox sends on it but never closes it, and nobody else sends.
        nursery: where the writer task runs while it is needed; it must outlive the outbox's use.
        max_waiting: bytes that may wait, default 1 MiB; the memory they take is hardly more.
        when_slow: what happens beyond that; default: the peer is given up.
        encode_notice: with `WhenSlow.DROP_OLDEST`, turns the `trionet.LinesMissed` that tells the
            peer how many lines it missed into lines. Default: ``error: missed 37 lines``, which
            also replaces the lines of a function that raises or returns none.
        on_overflow: with `WhenSlow.DISCONNECT`, called once when the peer is given up;
            default ``None``.
        on_blocked: called whenever something begins to wait for the peer; default ``None``.
        deferred: the deferred sends of its server; default ``None``: lines are sent at once.
        framing: how lines stand in what is sent on the stream; default ``None``: as they are.

    Raises:
        TypeError: an argument is of the wrong kind; the message says what to write.
        ValueError: `max_waiting` is out of bounds.

    Attributes:
        direct: sends lines at once, as far as the kernel takes them, and counts nothing; ``None``:
            the next ones have to wait. It takes them as `framing` has them.
        framing: as given.
        is_blocked: whether lines wait for the peer. A producer that can wait should call `flush`.
        max_waiting: as given.
        takes_tail: whether the last line that is put may have no end; ``False`` unless the
            connection's lines are bytes.
        progressed_at: while something waits, when progress was last made, on the Trio clock.
        dropped: lines that were put and will never be sent, for whatever reason.
        missed: those of them that were dropped because the peer reads too slowly, and stays.
        lines_sent: lines that were sent or wait, with notices of lines that were missed.
        notices: turns what the peer missed into lines. It may be changed while nothing waits.
        broken: whether the stream broke, or the peer was given up; nothing is sent any more.
    """

    __slots__ = ()

    # See `trionet.abc.DirectBox`.
    may_bypass_put: ClassVar[bool] = True

    def __init_subclass__(cls) -> None:
        # A subclass does not qualify: it may override `put`.
        cls.may_bypass_put = False

    def __init__(
        self,
        stream: trio.abc.SendStream,
        nursery: trio.Nursery,
        *,
        max_waiting: int = 1 << 20,
        when_slow: WhenSlow = WhenSlow.DISCONNECT,
        encode_notice: EncodeNotice = encode_notice,
        on_overflow: Callable[[], None] | None = None,
        on_blocked: Callable[[], None] | None = None,
        deferred: DeferredSends | None = None,
        framing: Framing | None = None,
    ) -> None:
        check_stream(stream, methods=["send_all"])
        check_kind("nursery", nursery, trio.Nursery, hint="an open nursery")
        BOUNDS["max_waiting"].check("max_waiting", max_waiting)
        check_choice("when_slow", when_slow, WhenSlow)
        check_callback("encode_notice", encode_notice, optional=False)
        check_callback("on_overflow", on_overflow, arguments=0)
        check_callback("on_blocked", on_blocked, arguments=0)
        if not (framing is None or hasattr(framing, "wrap")):
            raise TypeError(f"framing must have wrap(lines), not {shown(framing)}")
        notices = safe_notices(encode_notice)
        Waits.__init__(
            self, stream, nursery, max_waiting, when_slow, notices, on_overflow, on_blocked,
            deferred, framing,
        )  # fmt: skip

    @classmethod
    def of_server(
        cls,
        stream: trio.abc.SendStream,
        nursery: trio.Nursery,
        max_waiting: int,
        when_slow: WhenSlow,
        notices: SafeNotices,
        on_overflow: Callable[[], None] | None,
        on_blocked: Callable[[], None] | None,
        deferred: DeferredSends | None,
        framing: Framing | None,
    ) -> Outbox:
        """Make the outbox of a server's connection: the server has checked the arguments.

        By position: to call the class with keywords took 0.7 % of a login.

        Args:
            stream: as in the constructor, and so is all that is not said here.
            nursery: see there.
            max_waiting: bytes that may wait.
            when_slow: see there.
            notices: the server's `encode_notice`, which never raises.
            on_overflow: see there.
            on_blocked: see there.
            deferred: see there.
            framing: see there.
        """
        outbox = cls.__new__(cls)
        Waits.__init__(
            outbox, stream, nursery, max_waiting, when_slow, notices, on_overflow, on_blocked,
            deferred, framing,
        )  # fmt: skip
        return outbox

    def __repr__(self) -> str:
        state = "broken" if self.broken else "closed" if self._closed else "open"
        return (
            f"<trionet.Outbox to {getattr(self._stream, 'peer', 'unknown peer')}: {state}, "
            f"{self.lines_out} lines ({self.bytes_out} bytes) out, "
            f"{self.waiting} bytes waiting, {self.dropped} lines dropped>"
        )

    def put(self, lines: bytes) -> None:
        """Send whole lines, now or as soon as the peer takes them. Never a checkpoint.

        Never blocks, and never raises for what the peer did: lines that can no longer be sent are
        counted in `dropped`.

        Args:
            lines: any number of lines, each with its end.

        Raises:
            TypeError: they are not bytes.
            ValueError: the last line has no end: the next one would be joined to it.
        """
        try:
            count = lines.count(b"\n")
        except (AttributeError, TypeError):
            raise TypeError("a peer takes bytes, such as trionet.encode_line(text)") from None
        size = len(lines)
        if not size:
            return
        if lines[-1] != _NEWLINE:
            if self.takes_tail and isinstance(lines, bytes):
                count += 1
            else:
                check_lines(lines)
        held, deferred = self._held, self._deferred
        if (
            deferred is not None
            and deferred.is_on
            and not self.is_blocked
            and size + len(held) <= self._most_held
        ):
            # Hold them. This stands here because a method would be 2 % of a request's instructions.
            if held:
                self._held = held + lines
            else:
                deferred.add(self)
                self._aside, self.direct = self.direct, None
                # Copy a `bytearray` or a view: its owner may change it.
                self._held = lines if type(lines) is bytes else bytes(lines)
            self._lines += count
            return
        if held:
            self.release()
        if self.framing is not None:
            lines = self.framing.wrap(lines)
            size = len(lines)
        sent = self._sent(self.direct, lines) if self.direct is not None else 0
        self._lines += count
        self._bytes += size
        if sent != size:
            self.keep(lines, count, sent)

    def put_frame(self, frame: bytes) -> None:
        """Send a frame that holds no lines, after all that waits. Never a checkpoint.

        It is for the stream's own frames, where it has a `framing`: an answer to a ping, or the
        end of the sending.
        """
        if self._held:
            self.release()
        sent = self._sent(self.direct, frame) if self.direct is not None else 0
        self._bytes += len(frame)
        if sent != len(frame):
            self.keep(frame, 0, sent)

    def put_pieces(self, pieces: Sequence[bytes | memoryview], lines: int, size: int) -> None:
        """Do what `put` does for lines in pieces, and join them only if they have to wait.

        Args:
            pieces: whole lines with their ends each.
            lines: how many lines they are.
            size: how many bytes they are.
        """
        if self._held:
            self.release()
        if self.framing is not None:
            self._put_framed(pieces, lines, size)
            return
        is_able = self.direct is not None and hasattr(self._stream, "send_pieces_nowait")
        sent = 0
        if is_able and len(pieces) <= _MOST_PIECES:
            sent = self._sent(cast(SendsDirectly, self._stream).send_pieces_nowait, pieces)
        elif self.direct is not None:
            sent = self._sent(self.direct, b"".join(pieces))
        self._lines += lines
        self._bytes += size
        if sent != size:
            self.keep_parts(counted(joined(pieces), lines, size), sent)

    def _put_framed(self, pieces: Sequence[bytes | memoryview], lines: int, size: int) -> None:
        """Do what `put_pieces` does, in one frame if the lines fit in one."""
        assert self.framing is not None
        framed = self.framing.wrap_pieces(pieces, size)
        data = b""
        if framed is None or not hasattr(self._stream, "send_pieces_nowait"):
            data = self.framing.wrap(b"".join(pieces))
            framed = [data]
        size = sum(map(len, framed))
        sent = 0
        if self.direct is not None and len(framed) == 1:
            sent = self._sent(self.direct, cast(bytes, framed[0]))
        elif self.direct is not None and len(framed) <= _MOST_PIECES:
            sent = self._sent(cast(SendsDirectly, self._stream).send_pieces_nowait, framed)
        elif self.direct is not None:
            data = b"".join(framed)
            sent = self._sent(self.direct, data)
        self._lines += lines
        self._bytes += size
        if sent != size:
            self.keep(data or b"".join(framed), lines, sent)

    async def send(self, lines: bytes) -> None:
        """Put lines after those that wait, and wait until all are sent. Always a checkpoint.

        They do not count against the bound: a producer that waits is bounded enough.

        Args:
            lines: any number of lines, each with its end.

        Raises:
            TypeError, ValueError: as `put`.
            trio.BrokenResourceError: the peer is gone, or was given up.
            trio.ClosedResourceError: the outbox is closed.

        Cancellation: the lines stay put and will be sent.
        """
        if self._closed:
            await trio.lowlevel.checkpoint()
            raise trio.ClosedResourceError("the outbox is closed")
        if type(lines) is not bytes:
            check_lines(lines)
        self._awaited += len(lines)
        try:
            self.put(lines)
            await self.flush()
        finally:
            self._awaited -= len(lines)
        if self.broken:
            raise trio.BrokenResourceError("the peer is gone")
