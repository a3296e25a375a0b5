"""asyncio streams on uvloop: the same program, with the other loop."""

from __future__ import annotations

import uvloop

from benchmarks.peers.calc_asyncio import main

if __name__ == "__main__":
    uvloop.run(main())
