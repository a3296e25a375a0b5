"""WebSockets and the pages beside them: streams for browsers."""
