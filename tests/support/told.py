"""What a server tells a chat's client, in short words, for tests without I/O."""

from __future__ import annotations

import json
from typing import Any

from trionet.chat.client.events import decode
from trionet.chat.client.state import ClientState
from trionet.chat.client.unanswered_requests import Ask

TIME = "2026-11-28T02:35:00.123Z"


def receive(state: ClientState, type_: str, *, size: int = 0, **fields: Any) -> Any:
    event = decode(json.dumps({"type": type_, **fields}))
    assert event is not None
    return state.receive(event, size)


def log_in(state: ClientState, *, resumed: bool = False, epoch: str = "e", last: int = 1) -> Any:
    """Log in, and return the fields of the login; `entered` comes for each of its rooms."""
    login, ping = map(json.loads, state.login())
    receive(state, "welcome", name="ann", token="t", epoch=epoch, resumed=resumed, re=login["id"])
    for room in login["rooms"]:
        receive(state, "entered", room=room, topic="", members=["ann"], count=1, last=last)
    receive(state, "pong", re=ping["id"])
    return login


def said(state: ClientState, number: int, text: str = "x", **fields: Any) -> Any:
    fields = {
        "room": "lobby",
        "number": number,
        "time": TIME,
        "name": "ann",
        "text": text,
        **fields,
    }
    return receive(state, "said", **fields)


def say(state: ClientState, text: str = "x") -> Ask:
    return state.ask({"type": "say", "room": "lobby", "text": text}, lambda: None)


def sent(state: ClientState) -> list[Any]:
    return [json.loads(line) for line in state.take_lines()]
