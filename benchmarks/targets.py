"""What trionet's servers should reach, as ratios within one run, and whether they do. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks import measures
from benchmarks.attacks import ATTACKS
from benchmarks.peers.table import IN_FILE, JSON_LINES, LABELS, LIMIT, TRIONET
from benchmarks.plan import Plan
from benchmarks.results import Results, Spread

SIZES = (32, 512)

MET, MISSED, UNKNOWN = "met", "missed", "not measured"


@dataclass(frozen=True, kw_only=True)
class Target:
    """One bound.

    Args:
        key: the measure of trionet's figure.
        of: the name under which trionet's figure was taken.
        bound: the least or the greatest value.
        at_least: whether the bound is the least value.
        peer: that figure is divided by this peer's; ``None``: it is not divided.
        to_key: the measure to divide by; default `key`.
        to_text: the report's name for what it is divided by.
        is_aim: whether it is a goal, not a promise.
    """

    key: str
    bound: float
    at_least: bool
    of: str = TRIONET
    peer: str | None = None
    to_key: str | None = None
    to_text: str = ""
    is_aim: bool = False

    def measured(self, results: Results) -> Spread | None:
        """Return the value to compare with the bound: the median of the rounds."""
        if self.peer is None:
            return results.spread(self.key, self.of)
        return results.ratio(self.key, self.of, self.peer, self.to_key)

    def verdict(self, results: Results) -> str:
        """Return whether the target is met."""
        measured = self.measured(results)
        if measured is None:
            return UNKNOWN
        met = measured.median >= self.bound if self.at_least else measured.median <= self.bound
        return MET if met else MISSED

    def text(self, unit: str) -> str:
        """Return the bound in words."""
        sign = "≥" if self.at_least else "≤"
        to = self.to_text or LABELS.get(self.peer or "", "")
        text = f"{sign} {self.bound:g}" + (f" × {to}" if self.peer else f" {unit}")
        return f"aim: {text}" if self.is_aim else text


def targets(plan: Plan) -> list[Target]:
    """Return all targets, in the order of the report."""
    return [*_chat(plan), *_calc(), *_idle(plan), *_start(), *_history(), *_web(), *_hostile()]


def _chat(plan: Plan) -> Iterator[Target]:
    for size in SIZES:
        for peer, bound in (
            (LIMIT, 0.5),
            ("go", 1.5),
            ("twisted", 8),
            ("asyncio", 20),
            ("uvloop", 20),
            ("threads", 20),
        ):
            yield Target(key=measures.fan_out(100, size).key, peer=peer, bound=bound, at_least=True)
    for size in SIZES:
        for peer, bound in ((LIMIT, 0.7), ("go", 4)):
            key = measures.fan_out(plan.crowd, size).key
            yield Target(key=key, peer=peer, bound=bound, at_least=True)
    for percentile in (50, 99):
        key = measures.one_message(plan.crowd, percentile).key
        yield Target(key=key, peer=LIMIT, bound=1.25, at_least=False)
        for peer in ("go", "trio", "twisted", "uvloop", "asyncio", "threads"):
            yield Target(key=key, peer=peer, bound=1, at_least=False)
    yield Target(key=measures.join(plan.crowd).key, peer=LIMIT, bound=2, at_least=False)
    yield Target(key=measures.STALLED.key, bound=0.95, at_least=True)


def _calc() -> Iterator[Target]:
    one, many = measures.calculator(1).key, measures.calculator(16).key
    yield Target(key=one, peer="trio", bound=1.5, at_least=True)
    yield Target(key=one, peer="asyncio", bound=1, at_least=True)
    yield Target(key=one, peer="uvloop", bound=1, at_least=True, is_aim=True)
    yield Target(key=many, peer="uvloop", bound=3, at_least=True)
    # CPU for a request beside the peers', of the calculator, which answers without waking a task.
    for clients, peer, bound in (
        (1, "asyncio", 1.0),
        *((clients, "asyncio", 1.6) for clients in (50, 500)),
        *((clients, "uvloop", 1.2) for clients in (50, 500)),
    ):
        key = measures.one_in_flight_cpu(clients).key
        yield Target(key=key, peer=peer, bound=round(1 / bound, 3), at_least=False)
    key = measures.calculator_cpu(16).key
    yield Target(key=key, peer="protocol", bound=1, at_least=False)


def _idle(plan: Plan) -> Iterator[Target]:
    yield Target(key=measures.idle_memory(plan.idle).key, bound=6, at_least=False)
    # Flat: a delivery in a large room costs no more than in a small one.
    few = plan.growth[0]
    for members in plan.growth[1:]:
        yield Target(
            key=measures.cost(members).key,
            peer=TRIONET,
            to_key=measures.cost(few).key,
            to_text=f"that of {few} members",
            bound=1.1,
            at_least=False,
        )


def _start() -> Iterator[Target]:
    yield Target(
        key=measures.IMPORT_TRIONET.key,
        peer=TRIONET,
        to_key=measures.IMPORT_TRIO.key,
        to_text=measures.IMPORT_TRIO.title,
        bound=1.2,
        at_least=False,
    )
    yield Target(
        key=measures.TRIONET_VERSION.key,
        peer=TRIONET,
        to_key=measures.BARE_TYPER.key,
        to_text="a bare typer program",
        bound=1.5,
        at_least=False,
    )


def _history() -> Iterator[Target]:
    yield Target(key=measures.HISTORY_WRITER.key, bound=20_000, at_least=True)
    yield Target(key=measures.HISTORY_PAGE.key, bound=5, at_least=False)
    for measure, bound in ((measures.STEADY_P99_RATIO, 1.25), (measures.STEADY_CORE_MORE, 0.25)):
        yield Target(key=measure.key, of=IN_FILE, bound=bound, at_least=False)
    for measure in (measures.HISTORY_COMMON, measures.HISTORY_RARE, measures.HISTORY_LACKING):
        yield Target(key=measure.key, bound=100, at_least=False)


def _web() -> Iterator[Target]:
    for measure, bound in (
        (measures.WEB_JOIN, 2.5),
        (measures.WEB_ONE, 1.3),
        (measures.WEB_ONE_CPU, 1.3),
    ):
        yield Target(key=measure.key, peer=JSON_LINES, bound=bound, at_least=False)
    yield Target(key=measures.WEB_HUNDRED.key, peer=JSON_LINES, bound=0.8, at_least=True)
    yield Target(key=measures.WEB_IDLE_MORE.key, bound=7, at_least=False)


# What an attacker may cost at most, in KiB: 100 before login, 256 for a member that is slowed down,
# and 1.3 times `max_waiting` for one that does not read. What it has said itself counts besides: up
# to three times as much as it sent.
_EACH = {
    "strangers": 100,
    "blanks": 256,
    "who": 1.3 * 1024,
    "slow": 1.3 * 1024,
    "bound": (1.3 + 3) * 64,
    "actions": 1.3 * 1024,
    "calc-good": 256,
    "calc-bad": 256,
}

# How many milliseconds another member may have to wait. A person does not notice less.
_WAIT = 250


def _hostile() -> Iterator[Target]:
    for name, bound in _EACH.items():
        key = measures.attack(name, "each").key
        # The calculator's clients wait for their time slice, and are not slowed down.
        is_aim = name == "calc-good"
        yield Target(key=key, bound=bound, at_least=False, is_aim=is_aim)
    # 1,024 refused connections may linger at a time, and a few more are on their way.
    descriptors = measures.attack("tls", "descriptors").key
    yield Target(key=descriptors, bound=1_200, at_least=False)
    # A line with joiners costs at most three times as much as a line of letters.
    yield Target(
        key=measures.attack("joiners", "cpu").key,
        peer=TRIONET,
        to_key=measures.attack("letters", "cpu").key,
        to_text="that of letters",
        bound=3,
        at_least=False,
    )
    for name in ATTACKS:
        yield Target(key=measures.attack(name, "p99").key, bound=_WAIT, at_least=False, is_aim=True)
