"""Make a large history file, to measure how fast pages and searches are.

    python -m benchmarks.make_history FILE              10 million messages: 2.5 GB, some 5 minutes
    python -m benchmarks.make_history FILE --messages 1000000

Texts have ten words each, as frequent as the words of a language: `w0` is in more than half of all
messages, and most words are rare. Half of the messages are in `busy`. One in twenty is in `quiet`,
and none of these has the word `w0`. Two messages, one in the middle and the last, have the word
`needle`.
"""

from __future__ import annotations

import argparse
import random
import re
import time
from itertools import accumulate
from pathlib import Path

from trionet.chat.history.store import Store
from trionet.chat.state.events import RoomEvent, Said

MESSAGES = 10_000_000
WORDS = 50_000
ROOMS = 100
COMMON = "w0"
RARE = "needle"
LACKS_COMMON = "quiet"

# How many texts there are; they come again and again. How many one transaction has.
_TEXTS = 20_000
_BATCH = 16_384


def make(file: Path, messages: int = MESSAGES) -> float:
    """Make a history; return how many messages were written in a second.

    Raises:
        trionet.chat.HistoryError: the file cannot be used.
    """
    lots = random.Random(1)
    store = Store(file)
    words = [f"w{number:x}" for number in range(WORDS)]
    weights = list(accumulate(1 / (rank + 1) for rank in range(WORDS)))
    texts = [" ".join(lots.choices(words, cum_weights=weights, k=10)) for _ in range(_TEXTS)]
    without = [re.sub(rf"\b{COMMON}\b", "w1", text) for text in texts]
    rooms = ["busy"] * 50 + [LACKS_COMMON] * 5 + [f"room{number}" for number in range(ROOMS - 55)]
    last = dict.fromkeys([*rooms, "lobby"], 0)
    began = time.perf_counter()
    done = 0
    while done < messages:
        batch: list[RoomEvent] = []
        for index in range(done, min(done + _BATCH, messages)):
            room = rooms[lots.randrange(ROOMS)]
            text = (without if room == LACKS_COMMON else texts)[lots.randrange(_TEXTS)]
            if index in (messages // 2, messages - 1):
                room, text = "lobby", f"a {RARE} in a haystack"
            last[room] += 1
            name = f"member{index % 1000}"
            stamp = 1_750_000_000_000 + 100 * index
            batch.append(Said(room, last[room], stamp, 0, name, [text], [index], b"\x07" * 32))
        store.write(batch, done)
        done += len(batch)
    rate = messages / (time.perf_counter() - began)
    store.mark_clean()
    store.close()
    return rate


def main() -> None:
    """Make the file that the command line names."""
    parser = argparse.ArgumentParser(description="Make a large history file.")
    parser.add_argument("file", type=Path)
    parser.add_argument("--messages", type=int, default=MESSAGES)
    options = parser.parse_args()
    print(f"{make(options.file, options.messages):,.0f} messages/s")


if __name__ == "__main__":
    main()
