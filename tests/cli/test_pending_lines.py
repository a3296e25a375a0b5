"""Lines that wait to be printed above a prompt, within bounds."""

from __future__ import annotations

import sys

from trionet.cli.pending_lines import MAX_WAITING, PendingLines


def drain(pending: PendingLines) -> list[str]:
    lines: list[str] = []
    while taken := pending.take():
        lines += taken
    return lines


def test_lines_come_out_in_order_and_only_the_first_needs_a_wake_up() -> None:
    pending = PendingLines()
    assert not pending
    assert [pending.put(line) for line in ("one", "two", "three")] == [True, False, False]
    assert pending
    assert drain(pending) == ["one", "two", "three"]
    assert not pending
    assert pending.put("four")


def test_the_queue_is_bounded_in_bytes_and_counts_the_oldest_lines_it_drops() -> None:
    for line in ("", "x" * 60_000, "漢" * 100):
        pending = PendingLines()
        size = sys.getsizeof(line)
        count = 2 * MAX_WAITING // size
        for number in range(count):
            pending.put(f"{number}{line}"[-len(line) :] if line else line)
        told, *kept = drain(pending)
        # If an empty line cost nothing, there could be any number of them.
        assert MAX_WAITING - size <= len(kept) * size <= MAX_WAITING + size
        assert told == f"… {count - len(kept)} lines are not shown …"
        # The number is shown once.
        pending.put("later")
        assert drain(pending) == ["later"]


def test_a_line_larger_than_the_bound_is_shown_alone() -> None:
    pending = PendingLines()
    pending.put("small")
    pending.put("x" * (MAX_WAITING + 1))
    assert drain(pending) == ["… 1 lines are not shown …", "x" * (MAX_WAITING + 1)]


def test_lines_are_taken_in_portions() -> None:
    pending = PendingLines()
    for _ in range(100):
        pending.put("x" * 4000)
    assert 10 < len(pending.take()) < 20
    assert len(drain(pending)) > 80
