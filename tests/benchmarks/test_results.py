"""What is recorded of a benchmark, how it is compared with its goals, and how it is shown."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks import measures
from benchmarks.attacks import ATTACKS
from benchmarks.chart import chart
from benchmarks.peers.table import steady_chat
from benchmarks.plan import FULL, QUICK
from benchmarks.report import as_json, as_text, shown
from benchmarks.results import Results, Spread
from benchmarks.targets import MET, MISSED, UNKNOWN, Target, targets

FAN_OUT = measures.fan_out(100, 32)
ONE = measures.one_message(1000, 50)

MACHINE: dict[str, object] = {
    "processor": "an abacus",
    "cores": 2,
    "memory_gib": 1.0,
    "system": "none",
    "python": "CPython 3",
    "packages": {"trio": "1.0", "uvloop": None},
    "go": None,
    "cc": "cc 1",
    "server_core": 0,
    "load_core": 1,
    "load_before": 0.1,
}


@pytest.fixture
def results() -> Results:
    """Three rounds, the machine slower each time."""
    results = Results()
    for round_, pace in enumerate((4.0, 2.0, 1.0), 1):
        results.add(FAN_OUT, "limit", round_, 10e6 * pace)
        results.add(FAN_OUT, "trionet", round_, 6e6 * pace)
        results.add(ONE, "limit", round_, 8 / pace)
        results.add(ONE, "trionet", round_, 12 / pace)
    results.add(FAN_OUT, "asyncio", 1, 4e5)
    results.note(FAN_OUT, "twisted", "twisted is <not> installed")
    results.note(FAN_OUT, "asyncio", "12 lines missing")
    return results


def test_a_spread_has_the_median_the_least_and_the_greatest() -> None:
    assert Spread.of([3.0, 1.0, 2.0]) == Spread(2.0, 1.0, 3.0)
    assert Spread.of([4.0, 1.0, 2.0, 3.0]) == Spread(2.5, 1.0, 4.0)
    assert Spread.of([]) is None


def test_a_ratio_is_formed_within_each_round(results: Results) -> None:
    # The figures themselves differ by four.
    assert results.ratio(FAN_OUT.key, "trionet", "limit") == Spread(0.6, 0.6, 0.6)
    ratio = results.ratio(FAN_OUT.key, "trionet", "asyncio")
    assert ratio is not None
    assert math.isclose(ratio.median, 60)


def test_there_is_no_ratio_without_both_figures(results: Results) -> None:
    assert results.ratio(FAN_OUT.key, "trionet", "twisted") is None
    assert results.ratio(FAN_OUT.key, "twisted", "trionet") is None
    assert results.ratio("nothing", "trionet", "limit") is None


def test_a_ratio_can_compare_two_measures() -> None:
    results = Results()
    results.add(measures.IMPORT_TRIO, "trionet", 1, 200)
    results.add(measures.IMPORT_TRIONET, "trionet", 1, 220)
    ratio = results.ratio(
        measures.IMPORT_TRIONET.key, "trionet", "trionet", measures.IMPORT_TRIO.key
    )
    assert ratio is not None
    assert math.isclose(ratio.median, 1.1)


@pytest.mark.parametrize(
    ("bound", "at_least", "verdict"),
    [
        (0.5, True, MET),
        (0.6, True, MET),
        (0.7, True, MISSED),
        (0.7, False, MET),
        (0.5, False, MISSED),
    ],
)
def test_a_target_is_judged_by_the_median(
    results: Results, bound: float, at_least: bool, verdict: str
) -> None:
    target = Target(key=FAN_OUT.key, peer="limit", bound=bound, at_least=at_least)
    assert target.verdict(results) == verdict


def test_a_target_can_be_an_absolute_figure(results: Results) -> None:
    assert Target(key=ONE.key, bound=6, at_least=False).verdict(results) == MET
    assert Target(key=ONE.key, bound=5.9, at_least=False).verdict(results) == MISSED


def test_what_a_history_file_costs_is_judged_by_the_figures_of_the_server_with_a_file() -> None:
    results = Results()
    for measure, figure in ((measures.STEADY_P99_RATIO, 1.3), (measures.STEADY_CORE_MORE, 0.1)):
        results.add(measure, steady_chat(Path("file")).name, 1, figure)
    verdicts = {target.key: target.verdict(results) for target in targets(FULL)}
    assert verdicts[measures.STEADY_P99_RATIO.key] == MISSED
    assert verdicts[measures.STEADY_CORE_MORE.key] == MET


def test_a_target_that_was_not_measured_is_neither_met_nor_missed(results: Results) -> None:
    assert Target(key=FAN_OUT.key, peer="go", bound=1, at_least=True).verdict(results) == UNKNOWN
    assert all(target.verdict(Results()) == UNKNOWN for target in targets(FULL))


@pytest.mark.parametrize("plan", [FULL, QUICK])
def test_every_workload_has_targets(plan: object) -> None:
    assert plan in (FULL, QUICK)
    keys = {target.key for target in targets(QUICK if plan is QUICK else FULL)}
    for wanted in ("chat.100.", "chat.1000.", "chat.one", "chat.join", "chat.stalled"):
        assert any(key.startswith(wanted) for key in keys), wanted
    for wanted in (
        "calc.1",
        "calc.16",
        "idle.memory",
        "idle.cost",
        "start.trionet",
        "start.version",
        "hostile.strangers",
        "hostile.tls",
    ):
        assert any(key.startswith(wanted) for key in keys), wanted


def test_the_report_shows_figures_ratios_reasons_and_verdicts(results: Results) -> None:
    text = as_text(results, FULL, MACHINE)
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()]
    assert ["trionet", "12 M (6 M – 24 M)", ""] in rows
    assert ["bare epoll (the limit)", "20 M (10 M – 40 M)", "0.6"] in rows
    assert ["Twisted", "twisted is <not> installed", ""] in rows
    assert ["asyncio", "400,000; 12 lines missing", "60"] in rows
    assert [FAN_OUT.title, "≥ 0.5 × bare epoll (the limit)", "0.6", MET] in rows
    assert [ONE.title, "≤ 1.25 × bare epoll (the limit)", "1.5", MISSED] in rows


def test_the_report_has_a_row_for_each_attack_and_judges_it(results: Results) -> None:
    figures = {"strangers": 99.0, "slow": 2000.0}
    for name, figure in figures.items():
        results.add(measures.attack(name, "each"), "trionet", 1, figure)
    results.note(measures.attack("tls", "each"), "trionet", "trustme is not installed")
    text = as_text(results, FULL, MACHINE)
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()]
    by_title = {row[0]: row for row in rows if row}
    assert "99" in by_title[ATTACKS["strangers"].title]
    assert f"{ATTACKS['tls'].title} (trustme is not installed)" in by_title
    assert ATTACKS["who"].title not in by_title
    # Each has a table of its own, and is in no table of peers.
    assert "trionet is × this" not in text[text.index("### Attacks") : text.index("### Targets")]
    verdicts = {row[0]: row[-1] for row in rows if len(row) == 4}
    assert verdicts[measures.attack("strangers", "each").title] == MET
    assert verdicts[measures.attack("slow", "each").title] == MISSED


def test_the_json_holds_the_machine_the_rounds_and_the_targets(results: Results) -> None:
    plan = replace(QUICK, history_file=Path("large"))
    data = json.loads(as_json(results, plan, MACHINE))
    assert data["plan"]["history_file"] == "large"
    assert data["machine"] == MACHINE
    assert data["plan"]["rounds"] == QUICK.rounds
    limit = data["measures"][FAN_OUT.key]["peers"]["limit"]
    assert (limit["median"], limit["low"], limit["high"]) == (20e6, 10e6, 40e6)
    assert limit["rounds"] == {"1": 40e6, "2": 20e6, "3": 10e6}
    assert data["measures"][FAN_OUT.key]["peers"]["twisted"] == {
        "note": "twisted is <not> installed"
    }
    assert {"met", "missed", "not measured"} == {target["verdict"] for target in data["targets"]}


def test_the_chart_is_an_svg_with_a_bar_for_each_figure(results: Results) -> None:
    svg = ElementTree.fromstring(chart(results, [FAN_OUT.key, ONE.key, "nothing"]))
    space = "{http://www.w3.org/2000/svg}"
    bars = svg.findall(f"{space}rect")
    # Three servers with figures in the first panel, two in the second.
    assert len(bars) == 5
    assert sum(bar.get("class") == "ours" for bar in bars) == 2
    # The longest first: the limit; then trionet, 0.6 of it.
    widths = [float(bar.get("width", "")) for bar in bars]
    assert widths[1] / widths[0] == pytest.approx(0.6, abs=0.01)
    words = [text.text for text in svg.findall(f"{space}text")]
    assert "twisted is <not> installed" in words


def test_the_chart_of_nothing_is_an_svg() -> None:
    assert ElementTree.fromstring(chart(Results(), [FAN_OUT.key])).tag.endswith("svg")


@pytest.mark.parametrize(
    ("figure", "text"),
    [
        (12_345_678, "12.3 M"),
        (1_234_567, "1.23 M"),
        (123_456, "123,456"),
        (12.345, "12.3"),
        (0.0567, "0.0567"),
    ],
)
def test_figures_are_shown_with_significant_digits_only(figure: float, text: str) -> None:
    assert shown(figure) == text
