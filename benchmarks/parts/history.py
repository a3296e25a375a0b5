"""The chat's history: how fast it is written and read, and what a file costs a busy room."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import trio

from benchmarks import measures
from benchmarks.make_history import COMMON, LACKS_COMMON, RARE, make
from benchmarks.parts.start import SELF
from benchmarks.peers.table import steady_chat
from benchmarks.results import Measure
from benchmarks.run import Run, tell
from trionet.chat.history.file_history import open_history
from trionet.chat.history.history import Query
from trionet.chat.history.reading import Reader
from trionet.chat.history.ring import Ring
from trionet.chat.state.events import RoomEvent, Said

ALL = (
    measures.HISTORY_WRITER,
    measures.HISTORY_RING,
    measures.HISTORY_PAGE,
    measures.HISTORY_COMMON,
    measures.HISTORY_RARE,
    measures.HISTORY_LACKING,
)

# A page in the middle of the busiest room is in no cache of this process.
_PAGE = 50

# Messages that come together.
_TOGETHER = 20

# A busy room, for the cost of a file.
_MEMBERS = 100
_TALKERS = 20
_RATE = 10_000
_SIZE = 32
_STEADY = (
    measures.STEADY_P99,
    measures.STEADY_CORE,
    measures.STEADY_P99_RATIO,
    measures.STEADY_CORE_MORE,
)


def measure(run: Run) -> None:
    """Write and read in each round. The large file is made once, and then only read."""
    with (
        tempfile.TemporaryDirectory() as folder,
        run.attempt("history", SELF, *ALL) as trial,
    ):
        file = run.plan.history_file or Path(folder, "large")
        if not file.exists():
            tell(f"history: making a file of {run.plan.history:,} messages")
            make(file, run.plan.history)
        for round_ in range(1, run.plan.rounds + 1):
            tell(f"history, round {round_} of {run.plan.rounds}")
            rate = trio.run(_written, Path(folder, f"written{round_}"), run.plan.written)
            trial.take(measures.HISTORY_WRITER, round_, rate)
            trial.take(measures.HISTORY_RING, round_, _ring(run.plan.written))
            for measure_, seconds in _read(file, run.plan.history // 20 * round_ // 20):
                trial.take(measure_, round_, 1000 * seconds)
            _steady(run, round_, Path(folder, f"steady{round_}"))


def _steady(run: Run, round_: int, file: Path) -> None:
    """Let a room say as much in each second with and without a file, in turn."""
    figures: list[tuple[float, float]] = []
    for peer in (steady_chat(), steady_chat(file)):
        with run.attempt("history: a busy room", peer, *_STEADY) as trial:
            with run.started(peer) as (_, load):
                load.ask("join", n=_MEMBERS, group=_MEMBERS, limit=run.plan.join_limit)
                answer = load.ask(
                    "steady",
                    talkers=_TALKERS,
                    rate=_RATE,
                    size=_SIZE,
                    warmup=run.plan.warmup,
                    seconds=run.plan.seconds,
                )
            core = answer["server_cpu"] / answer["seconds"]
            figures.append((answer["p99"], core))
            trial.take(measures.STEADY_P99, round_, 1000 * answer["p99"], **answer)
            trial.take(measures.STEADY_CORE, round_, core)
            if len(figures) == 2:
                (memory, least), (with_file, most) = figures
                trial.take(measures.STEADY_P99_RATIO, round_, with_file / memory)
                trial.take(measures.STEADY_CORE_MORE, round_, most - least)


async def _written(file: Path, messages: int) -> float:
    """Append as fast as the file takes it; return how many messages were written in a second."""
    began = time.perf_counter()
    async with open_history(file, stop_within=60) as history:
        for number in range(1, messages, _TOGETHER):
            history.append([_message(number + index) for index in range(_TOGETHER)])
            await history.wait()
            await trio.lowlevel.checkpoint()
    return messages / (time.perf_counter() - began)


def _ring(messages: int) -> float:
    """Return what it takes to keep a message in memory, in µs."""
    ring = Ring()
    events = [_message(number) for number in range(1, messages)]
    began = time.process_time()
    for event in events:
        ring.append(event)
    return 1e6 * (time.process_time() - began) / messages


def _read(file: Path, page: int) -> list[tuple[Measure, float]]:
    """Read with a new connection, as after a start; return what was measured, in seconds."""
    reader = Reader(file)
    questions: list[tuple[Measure, Callable[[], object]]] = [
        (measures.HISTORY_PAGE, lambda: reader.before("busy", page, _PAGE)),
        (measures.HISTORY_COMMON, lambda: reader.search(Query(text=COMMON), _PAGE)),
        (measures.HISTORY_RARE, lambda: reader.search(Query(text=RARE), _PAGE)),
        (
            measures.HISTORY_LACKING,
            lambda: reader.search(Query(text=COMMON, room=LACKS_COMMON), _PAGE),
        ),
    ]
    measured = []
    for measure_, ask in questions:
        began = time.perf_counter()
        ask()
        measured.append((measure_, time.perf_counter() - began))
    reader.close()
    return measured


def _message(number: int) -> RoomEvent:
    words = " ".join([f"w{number * prime % 9973}" for prime in (3, 7, 11, 13, 17, 19, 23, 29)])
    return Said(
        "lobby", number, 1_750_000_000_000 + number, 0, "Ann", [words], [number], b"\x07" * 32
    )
