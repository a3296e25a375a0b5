"""The JSON lines wire format, made for programs: one JSON object a line, both ways.

| a peer sends | as |
|---|---|
| its name | ``{"type": "login", "name": "Ann"}``, the first line |
| a message | ``{"type": "say", "room": "lobby", "text": "hello", "id": 1}`` |

| the server sends | as |
|---|---|
| a message | ``{"type": "said", "room": "lobby", "number": 7, "time": "…", "name": "Ann", …}`` |
| to its sender | the same with ``"re": 1``: its receipt |

`docs/protocol.md` has the whole of it, and `docs/chat.schema.json` what each object looks like. The
ways in and out are files of their own: to add a request, see `json_requests`; to add an event, see
`json_events`.
"""

from __future__ import annotations

from trionet.chat.formats.json_events import encode, encode_all, encode_notice
from trionet.chat.formats.json_missing import Missing as missing  # noqa: N813  a function of the format
from trionet.chat.formats.json_requests import decode, decode_login, decode_messages, is_object

__all__ = [
    "TIMES_LONGER",
    "decode",
    "decode_login",
    "decode_messages",
    "encode",
    "encode_all",
    "encode_notice",
    "is_object",
    "missing",
    "names_first",
    "receipts",
]

# See `trionet.chat.WireFormat`: whoever says something with an id gets it back with
# `re`, and only a `login` is a try at a name.
receipts = True
names_first = False

# How many times as long as a plain line a JSON line may be. A text of 4,096 bytes still fits where
# each character of it is escaped, as most JSON writers do with letters beyond ASCII.
TIMES_LONGER = 4
