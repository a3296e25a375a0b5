"""A peer that speaks JSON lines, and checks everything that it hears against the schema."""

from __future__ import annotations

import json
from typing import Any

from json_schema import check_said
from peer import Peer


class JSONPeer:
    """A peer of a chat server that speaks JSON lines."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer

    def request(self, type: str, **fields: Any) -> None:  # noqa: A002  the field's name
        """Send a request."""
        self.peer.say(json.dumps({"type": type, **fields}, ensure_ascii=False))

    def receive(self) -> dict[str, Any]:
        """Return the next event."""
        line = self.peer.read()
        assert len(line.encode()) <= 65536
        return check_said(line)

    def expect(self, type: str, **fields: Any) -> dict[str, Any]:  # noqa: A002  the field's name
        """Read an event, fail unless it has these fields, and return it. `None`: it lacks one."""
        event = self.receive()
        wanted = {"type": type, **fields}
        got = {name: event.get(name) for name in wanted}
        assert got == wanted, f"{self.peer.name} got {event}"
        return event

    def ask(self, type: str, **fields: Any) -> dict[str, Any]:  # noqa: A002  the field's name
        """Send a request with an id, and return the event that answers it, which must be next."""
        self.request(type, id="ask", **fields)
        event = self.receive()
        assert event.get("re") == "ask", f"{self.peer.name} got {event}"
        return event

    def expect_error(self, code: str, **fields: Any) -> dict[str, Any]:
        """Read an event, and fail unless it is an error with this code."""
        return self.expect("error", code=code, **fields)

    def expect_quiet(self) -> None:
        """See that nothing has come: the next line answers a ping that this peer sends now."""
        self.request("ping", id="quiet")
        self.expect("pong", re="quiet")
