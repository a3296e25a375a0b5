"""Everything that is measured, by name."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.attacks import ATTACKS
from benchmarks.results import Measure


def fan_out(members: int, size: int) -> Measure:
    """Deliveries in a room with this many members."""
    title = f"{members:,} members, {size}-byte lines"
    return Measure(f"chat.{members}.{size}", title, "deliveries/s", more_is_better=True)


def fan_out_cpu(members: int, size: int) -> Measure:
    """The server's processor time for each of them, in kernel and program."""
    title = f"{members:,} members, {size}-byte lines: server"
    return Measure(f"cpu.{members}.{size}", title, "µs CPU/delivery")


def fan_out_load(members: int, size: int) -> Measure:
    """How busy the load generator was meanwhile: below 100 %, it waited for the server."""
    title = f"{members:,} members, {size}-byte lines: load generator"
    return Measure(f"load.{members}.{size}", title, "% busy")


def calculator(depth: int) -> Measure:
    """Requests from 50 clients."""
    title = f"calculator, 50 clients, {depth} in flight each"
    return Measure(f"calc.{depth}", title, "requests/s", more_is_better=True)


def calculator_cpu(depth: int) -> Measure:
    """The server's processor time for each of them, in kernel and program."""
    title = f"calculator, {depth} in flight each: server"
    return Measure(f"cpu.calc.{depth}", title, "µs CPU/request")


def calculator_load(depth: int) -> Measure:
    """How busy the load generator was meanwhile."""
    title = f"calculator, {depth} in flight each: load generator"
    return Measure(f"load.calc.{depth}", title, "% busy")


def one_in_flight(clients: int) -> Measure:
    """Requests from so many clients, each of which waits for its answer."""
    title = f"calculator, one in flight, {clients:,} client{'' if clients == 1 else 's'}"
    return Measure(f"one.{clients}", title, "requests/s", more_is_better=True)


def one_in_flight_cpu(clients: int) -> Measure:
    """The server's processor time for each of them, in kernel and program."""
    title = f"calculator, one in flight, {clients:,} client{'' if clients == 1 else 's'}: server"
    return Measure(f"cpu.one.{clients}", title, "µs CPU/request")


def join(members: int) -> Measure:
    """Many members join at once."""
    return Measure("chat.join", f"{members:,} members join at once: until all know of all", "s")


def one_message(members: int, percentile: int) -> Measure:
    """The time until the last member has a message."""
    title = f"one message at a time: until the last of {members:,} has it, p{percentile}"
    return Measure(f"chat.one.p{percentile}", title, "ms")


def idle_memory(members: int) -> Measure:
    """What a silent member costs."""
    return Measure("idle.memory", f"memory for each of {members:,} idle members", "KiB")


def cost(members: int) -> Measure:
    """What a delivery costs the server as the room grows."""
    title = f"cost of a delivery, {members:,} members"
    return Measure(f"idle.cost.{members}", title, "µs CPU")


def drained(members: int, what: str) -> Measure:
    """The time since SIGTERM."""
    return Measure(
        f"drain.{what}", f"drain of {members:,} members (no peer has one): until {what}", "s"
    )


# The figures of each attack, with unit and title. Memory is the peak of the server's resident
# memory minus what it had before. Latency is that of a member that does nothing wrong.
ATTACK_FIGURES: Mapping[str, tuple[str, str]] = {
    "sent": ("MiB", "sent"),
    "memory": ("MiB", "memory"),
    "each": ("KiB", "memory for each"),
    "times": ("MiB", "memory for each MiB sent"),
    "p50": ("ms", "another's line p50"),
    "p99": ("ms", "another's line p99"),
    "max": ("ms", "another's line max"),
    "lost": ("lines", "another's lines lost"),
    "cpu": ("% busy", "server"),
    "descriptors": ("more", "descriptors"),
}


def attack(name: str, what: str) -> Measure:
    """What one attack costs; ``what`` is a key of `ATTACK_FIGURES`."""
    unit, title = ATTACK_FIGURES[what]
    return Measure(f"hostile.{name}.{what}", f"{ATTACKS[name].title}: {title}", unit)


STALLED = Measure(
    "chat.stalled",
    "one of 100 members never reads: what the others keep of their deliveries/s",
    "of 1",
    more_is_better=True,
)

STALLED_COST = Measure(
    "chat.stalled.cost",
    "one of 100 members never reads: what a delivery to the others costs the server in CPU",
    "of 1",
)

CEILING = Measure(
    "ceiling",
    "load generator: what it takes from a firehose",
    "deliveries for each second of its CPU time",
    more_is_better=True,
)

BARE_PYTHON = Measure("start.python", "python -c pass", "ms")
IMPORT_TRIO = Measure("start.trio", "import trio", "ms")
IMPORT_TRIONET = Measure("start.trionet", "import trionet", "ms")
BARE_TYPER = Measure("start.typer", "a bare typer program, --version", "ms")
TRIONET_VERSION = Measure("start.version", "trionet --version", "ms")

WEB_JOIN = Measure("web.join", "browsers: 1,000 members join at once: until all know of all", "s")
WEB_ONE = Measure("web.one", "browsers: one message to 1,000: until the last has it, p50", "ms")
WEB_ONE_CPU = Measure("web.one.server", "browsers: one message to 1,000: server", "ms CPU")
WEB_HUNDRED = Measure(
    "web.hundred", "browsers: 100 members, 32-byte texts", "deliveries/s", more_is_better=True
)
WEB_IDLE = Measure("web.idle", "browsers: memory for each idle member", "KiB")
WEB_IDLE_MORE = Measure(
    "web.idle.more", "browsers: memory for each idle member beyond JSON lines over TCP", "KiB"
)

HISTORY_PAGE = Measure("history.page", "history file: a page of 50", "ms")
HISTORY_COMMON = Measure("history.common", "history file: search for the commonest word", "ms")
HISTORY_RARE = Measure("history.rare", "history file: search for a rare word", "ms")
HISTORY_LACKING = Measure(
    "history.lacking", "history file: search for the commonest word in a room that lacks it", "ms"
)
HISTORY_WRITER = Measure(
    "history.writer", "history file: written with index", "messages/s", more_is_better=True
)
HISTORY_RING = Measure("history.ring", "history in memory", "µs CPU/message")
STEADY_P99 = Measure(
    "history.steady.p99", "100 members, 10,000 messages/s: until the last has one, p99", "ms"
)
STEADY_CORE = Measure("history.steady.core", "100 members, 10,000 messages/s: server", "cores")
STEADY_P99_RATIO = Measure(
    "history.steady.p99.ratio", "the same p99 with a history file", "of that in memory"
)
STEADY_CORE_MORE = Measure(
    "history.steady.core.more", "what the server takes more with a history file", "cores"
)
