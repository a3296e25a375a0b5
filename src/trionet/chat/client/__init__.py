"""The other end: `client` for programs, `plain_client` for a terminal without a window.

`connection` keeps a client connected; all that decides is pure (`state`, `unanswered_requests`,
`rooms`, `queue`).
"""
