"""A short run of tools/fuzz.py, with the same cases each time."""

from __future__ import annotations

import random

import pytest

from tools import fuzz

# A case of the last two is a whole conversation with a chat.
TARGETS = {
    "decoder": 1000, "calc": 1000, "names": 1000, "plain": 1000, "text": 1000,
    "json": 40, "client": 200,
}  # fmt: skip


@pytest.mark.parametrize("target", TARGETS)
def test_no_case_of_a_short_run_fails(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    cases = TARGETS[target]
    assert fuzz.main([target, "--cases", str(cases), "--seed", "4"]) == 0, capsys.readouterr()
    assert f"{target}: {cases:,} cases of seed 4, no crash" in capsys.readouterr().out


def test_all_targets_run_unless_one_is_named(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert fuzz.main(["--cases", "1"]) == 0
    reported = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in reported] == [*TARGETS]


def test_a_failure_is_reported_with_what_makes_it_happen_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    drawn: list[float] = []

    def fail(chance: random.Random) -> None:
        drawn.append(chance.random())
        if drawn[-1] > 0.9:
            raise ValueError("found")

    monkeypatch.setitem(fuzz.TARGETS, "text", fail)
    assert fuzz.main(["text", "--seed", "7"]) == 1
    output = capsys.readouterr()
    assert "ValueError: found" in output.err
    assert output.out == f"text: case {len(drawn) - 1} of seed 7 failed\n"
    again = [*drawn]
    fuzz.main(["text", "--seed", "7", "--first", str(len(again) - 1), "--cases", "1"])
    assert drawn[-1] == again[-1]
