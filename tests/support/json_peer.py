"""Peers of a chat server that speak JSON lines, in the hands of a test.

Nothing here knows trionet. Whatever a server says to such a peer is held to docs/chat.schema.json.
"""

from __future__ import annotations

import itertools
import json
from typing import Any

import schema
from peer import Peer
from service import Room


class JSONPeer:
    """One connection that speaks JSON lines.

    Args:
        peer: the connection.

    Attributes:
        peer: the connection.
    """

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self._probes = itertools.count(1000)

    def ask(self, type: str, **fields: Any) -> None:  # noqa: A002  its name in the protocol
        """Send a request."""
        self.peer.say(json.dumps({"type": type, **fields}))

    def say_raw(self, *lines: str) -> None:
        """Send lines as they are."""
        self.peer.say(*lines)

    def read(self) -> schema.Event:
        """Return the next event."""
        return schema.check_event(self.peer.read())

    def expect(self, type: str, **fields: Any) -> schema.Event:  # noqa: A002
        """Read an event, fail unless it is of this type and has these fields, and return it."""
        event = self.read()
        expected = {"type": type, **fields}
        assert expected.items() <= event.items(), f"expected {expected}, and got {event}"
        return event

    def expect_only(self, type: str, **fields: Any) -> None:  # noqa: A002
        """Read an event, and fail unless it has this type and these fields and no other."""
        event = self.read()
        expected = {"type": type, **fields}
        assert event == expected, f"expected {expected}, and got {event}"

    def expect_error(self, code: str, **fields: Any) -> schema.Event:
        """Read an error, fail unless it has this code, and return it.

        It has a `re` only if `fields` has one.
        """
        event = self.expect("error", code=code, **fields)
        assert event.get("re") == fields.get("re"), f"an error for another request: {event}"
        assert event["reason"], f"an error without a reason: {event}"
        return event

    def refused(self, code: str, type: str, **fields: Any) -> schema.Event:  # noqa: A002
        """Send a request, and expect it to be refused with this code."""
        self.ask(type, **fields, id="refused")
        return self.expect_error(code, re="refused")

    def expect_quiet(self) -> None:
        """See that nothing has come: the next line is the answer to a ping that is sent now."""
        probe = next(self._probes)
        self.ask("ping", id=probe)
        self.expect_only("pong", re=probe)

    def expect_end(self) -> None:
        """See that nothing more comes, and that the connection ends without a reset."""
        self.peer.expect_end()

    def quit(self) -> None:
        """Leave, and wait until the server closes the connection."""
        self.ask("quit")
        self.expect_end()
        self.peer.close()


class JSONRoom:
    """A running chat, and peers of it that speak JSON lines."""

    def __init__(self, room: Room) -> None:
        self.room = room

    def connect(self, name: str = "somebody") -> JSONPeer:
        """Connect, and say nothing yet."""
        return JSONPeer(self.room.connect(name))

    def log_in(self, name: str, **fields: Any) -> JSONPeer:
        """Connect and log in; read no answer."""
        peer = self.connect(name)
        peer.ask("login", name=name, **fields)
        return peer

    def join(self, *names: str, **fields: Any) -> list[JSONPeer]:
        """Let members log in one after the other, each into the lobby and these rooms.

        They are all of the test's members, and hear of each other here.
        """
        members: list[JSONPeer] = []
        for name in names:
            peer = self.log_in(name, **fields)
            peer.expect("welcome", name=name)
            for room in fields.get("rooms", ["lobby"]):
                peer.expect("entered", room=room, count=len(members) + 1)
                for other in members:
                    other.expect("joined", room=room, name=name, count=len(members) + 1)
            members.append(peer)
        return members
