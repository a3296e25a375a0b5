"""The chat as lines on a terminal, for screen readers and dumb terminals: `chat join --linear`.

`model.Linear` is all that a person is told and may type, without a terminal (pure, with `lines` and
`commands`). `running` connects it with the link to the server and the person's terminal.
"""
