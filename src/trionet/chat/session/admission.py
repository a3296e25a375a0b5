"""Whether a peer is let in: what it must know, and from where. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from trionet.chat.session.passwords import Password
from trionet.transport.hosts import Host

# What a peer is told if it may not log in, and if it does not know the password.
NOT_HERE = "a password is only for connections that nobody can read on the way: use TLS"
WRONG = "wrong password"
MISSING = "a password is wanted here"


@dataclass(frozen=True, slots=True)
class Admission:
    """What one peer must show to become a member.

    Args:
        password: the chat's.
        host: what counts as the peer's host; ``None``: it has none.
        is_private: whether nobody on the way can read along.
    """

    password: Password
    host: Host | None
    is_private: bool

    def wait_for_try(self) -> float:
        """Begin a try, and return how many seconds it must wait."""
        return self.password.wait_for_try(self.host)

    def is_right(self, text: str) -> bool:
        """Tell whether a try that has waited is right."""
        return self.password.is_right(self.host, text)
