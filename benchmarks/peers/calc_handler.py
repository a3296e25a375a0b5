"""trionet with an async function; it does what the other peers do."""

from __future__ import annotations

import sys

import trionet
from benchmarks.peers.wire import answer


async def serve(connection: trionet.Connection) -> None:
    """Run one client's session."""
    named = False
    while batch := await connection.lines.receive_batch():
        lines = [str(line) for line in batch]
        if not named:
            del lines[0]
            named = True
        if "q" in lines:
            del lines[lines.index("q") :]
            connection.outbox.put(trionet.encode_lines(map(answer, lines)))
            return
        connection.outbox.put(trionet.encode_lines(map(answer, lines)))
        if connection.outbox.is_blocked:
            await connection.outbox.flush()


if __name__ == "__main__":
    limits = trionet.Limits(max_clients=0, max_per_address=0)
    trionet.run(serve, sys.argv[1], limits=limits, on_event=lambda _event: None)
