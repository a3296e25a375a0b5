"""The chat: names, rooms, and one order of what happens for all members, in lines.

Where things are, in the order in which a line passes:

- `server` listens, and `serving` puts sessions behind connections.
- `formats` turn lines into requests, and events and answers into lines.
- `session` is one peer's way through the chat. It appends operations to the log, and the
  switchboard sends the events that follow to the members.
- `state` knows all names, rooms and numbers, and changes by operations alone. `names` decide what
  can be called what.
- `history` keeps what was said.

The other end: `client` is for programs; `window` is what people see in a terminal, `page` in a
browser, and `person` what both kinds of terminal share.
"""

from trionet._lazy import attach

__getattr__, __dir__ = attach(__name__)
