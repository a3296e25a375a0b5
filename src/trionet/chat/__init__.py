"""The chat: names, a room, and one order of messages for all members, in lines.

Where things are, in the order in which a line passes:

- `plain` is a wire format: it turns lines into requests and events into lines. `wire_format` says
  what another one has to provide.
- `session` is one peer's way through the room.
- `names` decides who can be called what, and `skeleton` what looks alike.
- `room` knows who is here, and tells the members what happens, as `events`.
- `server` puts these behind connections. `console` is the operator's view, `client` the other end.
"""

from trionet._lazy import attach

__getattr__, __dir__ = attach(__name__)
