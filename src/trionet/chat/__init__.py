"""The chat: names, rooms, and one order of what happens for all members, in lines.

Where things are, in the order in which a line passes:

- `plain` and `json_lines` are wire formats: they turn lines into `requests`, and `events` and
  `answers` into lines. `wire_format` says what another one has to provide.
- `session` is one peer's way through the chat.
- `operations` are what it asks for that others can observe; `log` has their order.
- `state` knows all names, rooms and numbers, and changes by operations alone.
- `switchboard` sends what comes of them to the members, and `server` puts all this behind
  connections. `console` is the operator's view, `client` the other end in plain
  lines. `program_client` is the other end for programs: `client_connection` keeps it connected, and
  what it knows is in `client_state`.
- `names` and `room_names` decide what can be called what, and `skeleton` what looks alike.
"""

from trionet._lazy import attach

__getattr__, __dir__ = attach(__name__)
