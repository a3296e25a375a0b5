"""One peer's way through the chat, and the switchboard where all of them meet.

`session` is one peer. It appends operations to the log (`operation_log`), and `switchboard` sends
the events that follow to the members.
"""
