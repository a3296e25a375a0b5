"""The chat as lines on a terminal, for screen readers and dumb terminals: `chat join --linear`.

`model.Linear` is all that a person is told and may type, without a terminal. It is pure, and so is
all below it: `hearing`, `linear_commands`, `state`, `room` and `lines`. `running` connects it with
the link to the server and the person's terminal.
"""
