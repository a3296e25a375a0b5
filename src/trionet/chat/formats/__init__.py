"""Between lines and meaning: wire formats, and what they read and write. Pure.

A format turns lines into `requests`, and `events` of the state and `answers` into lines.
`wire_format` says what one has to provide; `plain` and `json_lines` are the two that there are.
"""
