"""What the switchboard needs of a session."""

from __future__ import annotations

from typing import Protocol

from trionet.chat.session.returning import Guest
from trionet.chat.state import events
from trionet.chat.state.operations import ConnectionId


class Local(Guest, Protocol):
    """A session, as the switchboard sees it. `trionet.chat.Session` implements it."""

    ticket: int

    @property
    def connection(self) -> ConnectionId | None:
        """Its connection, as the log knows it; ``None``: it was never a member."""

    def came_in_again(self, member: int) -> None:
        """Note that the log knows the member again, under another number."""

    def logged_in(self, login: events.LoggedIn) -> None:
        """Note that the peer is a member now: `login` says which."""

    def taken_over(self) -> None:
        """Note that the peer is no longer a member: another connection has taken it over."""

    def login_refused(self, refusal: events.LoginRefused) -> None:
        """Tell the peer why it has not become a member."""

    def named(self, name: str) -> None:
        """Note the member's new name."""

    def written_to(self, told: events.Told) -> None:
        """Note who sent the member a private message, for `/reply`."""
