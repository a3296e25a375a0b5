from __future__ import annotations

import sys

from trionet.cli.above import MAX_WAITING, Above


def drain(above: Above) -> list[str]:
    lines: list[str] = []
    while taken := above.take():
        lines += taken
    return lines


def test_lines_come_out_as_they_came_in_and_the_first_is_told() -> None:
    above = Above()
    assert not above
    assert [above.put(line) for line in ("one", "two", "three")] == [True, False, False]
    assert above
    assert drain(above) == ["one", "two", "three"]
    assert not above
    assert above.put("four")


def test_what_waits_is_bounded_in_bytes_and_the_oldest_are_counted() -> None:
    for line in ("", "x" * 60_000, "漢" * 100):
        above = Above()
        size = sys.getsizeof(line)
        count = 2 * MAX_WAITING // size
        for number in range(count):
            above.put(f"{number}{line}"[-len(line) :] if line else line)
        told, *kept = drain(above)
        # As if an empty line cost nothing, there would be no end of them.
        assert MAX_WAITING - size <= len(kept) * size <= MAX_WAITING + size
        assert told == f"… {count - len(kept)} lines are not shown …"
        # It is told once.
        above.put("later")
        assert drain(above) == ["later"]


def test_a_line_larger_than_the_bound_is_shown_alone() -> None:
    above = Above()
    above.put("small")
    above.put("x" * (MAX_WAITING + 1))
    assert drain(above) == ["… 1 lines are not shown …", "x" * (MAX_WAITING + 1)]


def test_it_is_taken_in_portions() -> None:
    above = Above()
    for _ in range(100):
        above.put("x" * 4000)
    assert 10 < len(above.take()) < 20
    assert len(drain(above)) > 80
