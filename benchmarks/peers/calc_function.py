"""trionet with a plain function, the shortest service; it does what the other peers do."""

from __future__ import annotations

import sys

import trionet
from benchmarks.peers.wire import answer


def serve(line: str) -> str | None:
    """Answer one line. A function does not know its peer: a name is a line without a space."""
    return answer(line) if " " in line else None


if __name__ == "__main__":
    limits = trionet.Limits(max_clients=0, max_per_address=0)
    trionet.run(serve, sys.argv[1], limits=limits, on_event=lambda _event: None)
