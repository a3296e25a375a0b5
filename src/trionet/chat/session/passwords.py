"""The shared password of a chat, and how long wrong tries must wait. Pure.

A wrong password costs nothing for the first three of a host. Then each further try of that host
waits: 1 s, 2 s, 4 s, up to a minute. Tries that come at the same time wait one after the other, so
that many connections guess no faster than one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from hmac import compare_digest

from trionet.transport.hosts import Host

# How many wrong passwords cost a host nothing. People need two or three tries.
FREE_TRIES = 3

# How long a try waits at most, in seconds: nobody guesses a word at one a minute.
LONGEST_WAIT = 60.0

# How long a host is remembered after its last try, in seconds, and how many hosts are: some 3 MB.
# Beyond that the one is forgotten whose last try is longest ago.
_REMEMBERED = 900.0
_MOST_HOSTS = 10_000


@dataclass(slots=True)
class _Tries:
    """The tries of one host: how many were wrong or wait, and when the next may be judged."""

    count: int = 0
    next_at: float = 0.0
    last_at: float = 0.0


def check_password(password: object) -> None:
    """Refuse what cannot be a password, without repeating it.

    Raises:
        TypeError: it is not a text.
        ValueError: it is empty, or has more than one line: nobody could enter it.
    """
    if not isinstance(password, str):
        raise TypeError(f"password must be a text, not a {type(password).__name__}")
    if not password or set(password) & {"\n", "\r"} or password.strip(" \t") in ("q", "/quit"):
        raise ValueError("password must be one line, not empty, and neither q nor /quit")


class Password:
    """A chat's password.

    Args:
        text: the password.
        clock: returns the time in seconds; it never goes back.
    """

    __slots__ = ("_clock", "_digest", "_tries")

    def __init__(self, text: str, clock: Callable[[], float]) -> None:
        # Only digests are compared: the time that takes does not tell how much of a guess is right.
        self._digest = _digest_of(text)
        self._clock = clock
        self._tries: dict[Host | None, _Tries] = {}

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {len(self._tries)} hosts tried>"

    def wait_for_try(self, host: Host | None) -> float:
        """Begin a try of a host, and return how many seconds it must wait to be judged.

        Args:
            host: what counts as the peer's host; ``None``: it has none, as on a Unix socket.
        """
        now = self._clock()
        tries = self._tries.pop(host, None)
        if tries is None or now - tries.last_at > _REMEMBERED:
            tries = _Tries()
        # The newest at the end.
        self._tries[host] = tries
        if len(self._tries) > _MOST_HOSTS:
            del self._tries[next(iter(self._tries))]
        tries.count += 1
        tries.last_at = now
        wait = 0.0
        if tries.count > FREE_TRIES:
            # The bound comes first: 2.0 to the power of thousands is not a number.
            doublings = min(tries.count - FREE_TRIES - 1, 10)
            tries.next_at = max(now, tries.next_at) + min(2.0**doublings, LONGEST_WAIT)
            wait = tries.next_at - now
        return wait

    def is_right(self, host: Host | None, text: str) -> bool:
        """Judge a try that has waited. A right one ends the waits of its host."""
        if not compare_digest(self._digest, _digest_of(text)):
            return False
        self._tries.pop(host, None)
        return True


def _digest_of(text: str) -> bytes:
    # A JSON text may hold half of a surrogate pair, which is no UTF-8.
    return sha256(text.encode(errors="surrogatepass")).digest()
