"""Peers of a chat server that speak JSON lines, in the hands of a test.

Nothing here knows trionet. Whatever a server says to such a peer is held to docs/chat.schema.json.
"""

from __future__ import annotations

import itertools
import json
from typing import Any

import json_schema
from peer import Peer


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

    def request(self, type: str, **fields: Any) -> None:  # noqa: A002  its name in the protocol
        """Send a request."""
        self.peer.say(json.dumps({"type": type, **fields}, ensure_ascii=False))

    def say_raw(self, *lines: str) -> None:
        """Send lines as they are."""
        self.peer.say(*lines)

    def receive(self) -> json_schema.Event:
        """Return the next event."""
        return json_schema.check_said(self.peer.read())

    def expect(self, type: str, **fields: Any) -> json_schema.Event:  # noqa: A002
        """Read an event, fail unless it has these fields, and return it. `None`: it lacks one."""
        event = self.receive()
        expected = {"type": type, **fields}
        got = {name: event.get(name) for name in expected}
        assert got == expected, f"{self.peer.name} expected {expected}, and got {event}"
        return event

    def expect_only(self, type: str, **fields: Any) -> None:  # noqa: A002
        """Read an event, and fail unless it has these fields and no other."""
        event = self.receive()
        expected = {"type": type, **fields}
        assert event == expected, f"{self.peer.name} expected {expected}, and got {event}"

    def expect_error(self, code: str, *, re: object = None, **fields: Any) -> json_schema.Event:
        """Read an error, fail unless it has this code, `re` and fields, and return it."""
        event = self.expect("error", code=code, re=re, **fields)
        assert event["reason"], f"an error without a reason: {event}"
        return event

    def ask(self, type: str, **fields: Any) -> json_schema.Event:  # noqa: A002
        """Send a request with an id, and return the event that answers it, which must be next."""
        self.request(type, id="ask", **fields)
        event = self.receive()
        assert event.get("re") == "ask", f"{self.peer.name} got {event}"
        return event

    def refused(self, code: str, type: str, **fields: Any) -> json_schema.Event:  # noqa: A002
        """Send a request with an id, and expect it to be refused with this code."""
        self.request(type, **fields, id="refused")
        return self.expect_error(code, re="refused")

    def expect_quiet(self) -> None:
        """See that nothing has come: the next line is the answer to a ping that is sent now."""
        probe = next(self._probes)
        self.request("ping", id=probe)
        self.expect_only("pong", re=probe)

    def expect_end(self) -> None:
        """See that nothing more comes, and that the connection ends without a reset."""
        self.peer.expect_end()

    def quit(self) -> None:
        """Leave, and wait until the server closes the connection."""
        self.request("quit")
        self.expect_end()
        self.peer.close()
