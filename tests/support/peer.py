"""A peer of a server: one connection over a plain blocking socket, in the hands of a test.

Nothing here knows trionet. No test waits for time to pass: to show that something does *not* come,
a test provokes a known later line (`Peer.expect_quiet`). Each read ends within `PATIENCE`, and each
failure shows the whole conversation.
"""

from __future__ import annotations

import itertools
import re
import select
import socket
import struct
import sys
from collections.abc import Callable
from typing import NoReturn

# Seconds for what takes a fraction of one, even on a loaded machine. Whatever takes longer fails.
PATIENCE = 20.0

# How many characters of one line a failure shows.
_SHOWN = 160


def own_address() -> str:
    """Return an address of this machine by which others reach it; empty: it has none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            # Nothing is sent.
            sock.connect(("192.0.2.1", 9))
        except OSError:
            return ""
        return str(sock.getsockname()[0])


class Conversation:
    """What each peer said and heard in one test, in the order in which the test saw it."""

    def __init__(self) -> None:
        self._said: list[str] = []
        self._shown = False

    def note(self, who: str, what: str) -> None:
        self._said.append(f"{who} {what if len(what) <= _SHOWN else what[:_SHOWN] + '…'}")

    def fail(self, why: str) -> NoReturn:
        self._shown = True
        raise AssertionError(f"{why}\n{self}")

    def print(self) -> None:
        """Print the conversation unless a failure showed it already.

        pytest keeps what is printed for a test that fails.
        """
        if not self._shown:
            sys.stdout.write(f"{self}\n")

    def __str__(self) -> str:
        return "\n".join(("the conversation:", *self._said))


class Peer:
    """One connection to a server, in the hands of a test.

    Args:
        name: its name in the record of the conversation.
        sock: a connected socket.
        conversation: the record of everything that it says and hears.
        probe: takes a number that was not used before, and returns a line that no other peer hears
            of, with the one answer to it.
    """

    def __init__(
        self,
        name: str,
        sock: socket.socket,
        conversation: Conversation,
        probe: Callable[[int], tuple[str, str]],
    ) -> None:
        sock.settimeout(PATIENCE)
        if sock.family != socket.AF_UNIX:
            # Without it the kernel would join what a test sends in pieces.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = sock
        self.name = name
        self._conversation = conversation
        self._probe = probe
        self._probes = itertools.count(1000)
        self._unread = bytearray()

    def send(self, data: bytes) -> None:
        """Send bytes."""
        self._conversation.note(self.name, f"< {data[:_SHOWN]!r}")
        try:
            self.sock.sendall(data)
        except OSError as error:
            self._conversation.fail(f"{self.name} cannot send: {error}")

    def say(self, *lines: str) -> None:
        """Send lines, all in one write."""
        self.send("".join(f"{line}\n" for line in lines).encode())

    def read(self) -> str:
        """Return the next line, without its LF."""
        while (end := self._unread.find(b"\n")) < 0:
            if not self._receive():
                self._fail("waits for a line, and the connection ended")
        raw = bytes(self._unread[:end])
        del self._unread[: end + 1]
        try:
            line = raw.decode()
        except UnicodeDecodeError:
            self._fail(f"got a line that is not UTF-8: {raw!r}")
        self._conversation.note(self.name, f"> {line!r}")
        return line

    def expect(self, *lines: str) -> None:
        """Read lines, and fail unless they are these."""
        for expected in lines:
            line = self.read()
            if line != expected:
                self._fail(f"expected {expected!r}, and got {line!r}")

    def expect_like(self, pattern: str) -> re.Match[str]:
        """Read a line, fail unless the whole of it matches, and return the match."""
        line = self.read()
        match = re.fullmatch(pattern, line)
        if match is None:
            self._fail(f"expected a line like {pattern!r}, and got {line!r}")
        return match

    def expect_error(self) -> str:
        """Read a line, fail unless it is `error: REASON`, and return it."""
        return self.expect_like(r"error: \S.*")[0]

    def ask(self, line: str, *answer: str) -> None:
        """Say a line, and expect this answer next."""
        self.say(line)
        self.expect(*answer)

    def expect_quiet(self) -> None:
        """See that nothing has come: the next line is the answer to one that this peer says now."""
        line, answer = self._probe(next(self._probes))
        self.ask(line, answer)

    def expect_end(self) -> None:
        """See that nothing more comes, and that the connection ends without a reset."""
        if rest := self.rest():
            self._fail(f"expected the end, and got {rest[:_SHOWN]!r}")

    def rest(self) -> bytes:
        """Read to the end of the connection, and return what came."""
        while self._receive():
            pass
        rest = bytes(self._unread)
        self._unread.clear()
        self._conversation.note(self.name, f"> {rest[:_SHOWN]!r} and the end")
        return rest

    def expect_nothing_so_far(self) -> None:
        """See that nothing has arrived yet, on a connection where no answer can be provoked."""
        if select.select([self.sock], [], [], 0)[0] or self._unread:
            self._receive()
            self._fail(f"expected nothing yet, and got {bytes(self._unread)!r}, or the end")

    def finish(self) -> None:
        """Half-close: stop sending, and go on reading."""
        self._conversation.note(self.name, "stops sending")
        self.sock.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Close the connection by a reset."""
        self._conversation.note(self.name, "resets")
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def close(self) -> None:
        self._conversation.note(self.name, "closes")
        self.sock.close()

    def leave(self) -> None:
        """Send `q`, and wait until the server closes the connection."""
        self.say("q")
        self.expect_end()
        self.close()

    def _receive(self) -> int:
        try:
            data = self.sock.recv(1 << 18)
        except TimeoutError:
            self._fail(f"got nothing within {PATIENCE:g} s, behind {bytes(self._unread)!r}")
        except ConnectionError as error:
            self._fail(f"was cut off: {error}")
        self._unread += data
        return len(data)

    def _fail(self, why: str) -> NoReturn:
        self._conversation.fail(f"{self.name} {why}")


def open_socket(address: str) -> socket.socket:
    """Connect to an address in the form that the program prints."""
    if address.startswith("unix:"):
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(PATIENCE)
        sock.connect(address.removeprefix("unix:"))
        return sock
    host, _, port = address.rpartition(":")
    return socket.create_connection((host.strip("[]"), int(port)), PATIENCE)
