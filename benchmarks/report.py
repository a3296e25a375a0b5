"""Results as tables for people and as JSON for programs. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict

from benchmarks import measures
from benchmarks.attacks import ATTACKS
from benchmarks.peers.table import LABELS, TRIONET
from benchmarks.plan import Plan
from benchmarks.results import Measure, Results, Spread
from benchmarks.targets import targets

# Measures that are rows in another one's table and have no table themselves.
_BESIDE = {"cpu": "server: µs CPU each", "load": "load generator: % busy"}


def shown(figure: float) -> str:
    """Return a figure with three significant digits."""
    if abs(figure) >= 1e6:
        return f"{figure / 1e6:.3g} M"
    if abs(figure) >= 1e3:
        return f"{figure:,.0f}"
    return f"{figure:.3g}"


def as_json(results: Results, plan: Plan, machine: Mapping[str, object]) -> str:
    """Return everything about a run, as JSON."""
    judged = [
        asdict(target)
        | {"measured": _vars(target.measured(results)), "verdict": target.verdict(results)}
        for target in targets(plan)
    ]
    plain = {
        key: sorted(value) if isinstance(value, frozenset) else value
        for key, value in asdict(plan).items()
    }
    return json.dumps(
        {
            "machine": machine,
            "plan": plain,
            "measures": results.as_json(),
            "targets": judged,
            "details": results.details,
        },
        indent=1,
        ensure_ascii=False,
        # The path of the history file.
        default=str,
    )


def _vars(spread: Spread | None) -> Mapping[str, float] | None:
    return None if spread is None else vars(spread)


def as_text(results: Results, plan: Plan, machine: Mapping[str, object]) -> str:
    """Return the machine, all measures and the targets, in Markdown."""
    parts = [
        _machine(machine),
        f"Medians of {plan.rounds} rounds, the least and the most in brackets.",
    ]
    alone = []
    for key, measure in results.measures.items():
        if key.partition(".")[0] in (*_BESIDE, "hostile"):
            continue
        if results.peers(key) in ([TRIONET], ["firehose"]):
            alone.append(measure)
        else:
            parts.append(_by_peer(results, measure))
    if alone:
        rows = [
            (f"{measure.title}, {measure.unit}", _figure(results, measure.key, peer))
            for measure in alone
            for peer in results.peers(measure.key)
        ]
        parts.append("### The rest\n\n" + _table(("what", "figure"), rows))
    if any(key.startswith("hostile.") for key in results.measures):
        parts.append(_attacks(results, plan))
    parts.append(_targets(results, plan))
    return "\n\n".join(parts) + "\n"


def _machine(machine: Mapping[str, object]) -> str:
    packages = machine.get("packages")
    versions = [str(machine["python"])]
    if isinstance(packages, dict):
        versions += [f"{name} {version}" for name, version in packages.items() if version]
    versions += [str(machine[tool]) for tool in ("go", "cc") if machine.get(tool)]
    return (
        f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gib']} GiB; "
        f"{machine['system']}; {', '.join(versions)}.\n"
        f"Server on core {machine['server_core']}, load generator on core {machine['load_core']}; "
        f"load average before the run {machine['load_before']}."
    )


def _by_peer(results: Results, measure: Measure) -> str:
    # CPU and load of chat.100.32 are cpu.100.32 and load.100.32; CPU of calc.1 is cpu.calc.1 ...
    of = measure.key.removeprefix("chat.")
    beside = {
        f"{prefix}.{of}": heading
        for prefix, heading in _BESIDE.items()
        if f"{prefix}.{of}" in results.measures
    }
    rows = []
    for peer in results.peers(measure.key):
        ratio = None if peer == TRIONET else results.ratio(measure.key, TRIONET, peer)
        rows.append(
            (
                LABELS.get(peer, peer),
                _figure(results, measure.key, peer),
                "" if ratio is None else f"{_spread(ratio)}",
                *(_figure(results, key, peer) for key in beside),
            )
        )
    better = "more is better" if measure.more_is_better else "less is better"
    heads = ("server", measure.unit, "trionet is × this", *beside.values())
    return f"### {measure.title} ({better})\n\n{_table(heads, rows)}"


def _attacks(results: Results, plan: Plan) -> str:
    """Return a table with one row for each attack."""
    rows = []
    for name, attack in ATTACKS.items():
        keys = [measures.attack(name, what).key for what in measures.ATTACK_FIGURES]
        if any(key in results.measures for key in keys):
            notes = {note for key in keys for note in results.notes.get(key, {}).values()}
            figures = [_plain_figure(results, key) for key in keys]
            rows.append((attack.title + "".join(f" ({note})" for note in notes), *figures))
    heads = ["attack", *(f"{title}, {unit}" for unit, title in measures.ATTACK_FIGURES.values())]
    rounds = "one round" if plan.attack_rounds == 1 else f"{plan.attack_rounds} rounds"
    return f"### Attacks (less is better; {rounds})\n\n{_table(heads, rows)}"


def _plain_figure(results: Results, key: str) -> str:
    spread = results.spread(key, TRIONET)
    return "" if spread is None else _spread(spread)


def _figure(results: Results, key: str, peer: str) -> str:
    spread = results.spread(key, peer)
    note = results.notes.get(key, {}).get(peer, "")
    if spread is None:
        return note
    return _spread(spread) + (f"; {note}" if note else "")


def _spread(spread: Spread) -> str:
    if spread.low == spread.high:
        return shown(spread.median)
    return f"{shown(spread.median)} ({shown(spread.low)} – {shown(spread.high)})"


def _targets(results: Results, plan: Plan) -> str:
    rows = []
    for target in targets(plan):
        measured = target.measured(results)
        measure = results.measures.get(target.key)
        if measure is None:
            continue
        rows.append(
            (
                measure.title,
                target.text(measure.unit),
                "" if measured is None else _spread(measured),
                target.verdict(results),
            )
        )
    return "### Targets\n\n" + _table(("workload", "target", "measured", "verdict"), rows)


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table that reads well as text too."""
    lines = [tuple(heads), *map(tuple, rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(heads))]
    texts = [
        "| "
        + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        + " |"
        for line in lines
    ]
    texts.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(texts)
