"""What the switchboard needs of a session."""

from __future__ import annotations

from typing import Protocol

from trionet.chat import events
from trionet.chat.arrival import Arrival
from trionet.chat.returning import Guest


class Local(Guest, Protocol):
    """A session, as the switchboard sees it. `trionet.chat.session.Session` implements it."""

    def logged_in(self, login: events.LoggedIn, arrival: Arrival) -> None:
        """Take note that it is a member."""

    def taken_over(self) -> None:
        """Take note that it is none any more: another connection has its member."""

    def login_refused(self, refusal: events.LoginRefused) -> None:
        """Tell the peer that it is none."""

    def named(self, name: str) -> None:
        """Take note that the member is called so."""

    def written_to(self, told: events.Told) -> None:
        """Take note that somebody wrote to the member alone."""
