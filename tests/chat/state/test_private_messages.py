"""Private messages that are kept for members who hold, and how many of them."""

from __future__ import annotations

import gc
import tracemalloc
from collections import defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from state_machine import Machine
from trionet.chat.state import events as ev
from trionet.chat.state import operations as op
from trionet.chat.state.private_messages import (
    BYTES_A_MEMBER,
    BYTES_IN_ALL,
    MOST_A_MEMBER,
    OVERHEAD,
    PrivateMessages,
)
from trionet.chat.state.state import State


def told(number: int, text: str = "hi", receiver: int = 2) -> ev.Told:
    return ev.Told(number, 1_000, 1, receiver, "Ann", "Bob", text)


def test_what_a_member_who_holds_is_told_is_kept_also_while_it_is_connected() -> None:
    one = Machine()
    ann, bob = one.log_in("Ann"), one.hold("Bob")
    one.do(op.Tell(ann, "Bob", "bob", "one", 7))
    one.cut(bob)
    one.do(op.Tell(ann, "Bob", "bob", "two"), op.Tell(bob, "Ann", "ann", "three"))
    assert one.state.private_of(bob) == [told(1, "one"), told(2, "two")]
    assert one.state.private_of(bob, after=1) == [told(2, "two")]
    assert one.state.private_of(bob, after=2) == []
    # Nothing is kept of those who do not hold, or are nobody.
    assert one.state.private_of(ann) == one.state.private_of(9) == []
    other = State.load(one.state.dump())
    assert other.private_of(bob) == one.state.private_of(bob)


def test_messages_go_when_their_member_leaves_or_stops_holding_and_the_numbers_go_on() -> None:
    one = Machine()
    ann, bob = one.log_in("Ann"), one.hold("Bob")
    one.do(op.Tell(ann, "Bob", "bob", "one"))
    # Whoever does not hold any more is told now, or never.
    logged_in = one.resume(bob, hold=False)[-1]
    assert isinstance(logged_in, ev.LoggedIn)
    assert logged_in.private == [told(1, "one")]
    assert one.state.private_of(bob) == []
    one.do(op.Tell(ann, "Bob", "bob", "two"))
    one.resume(bob, hold=True)
    one.do(op.Tell(ann, "Bob", "bob", "three"))
    assert one.state.private_of(bob) == [told(3, "three")]
    one.do(op.LogOut(bob, "quit"))
    assert one.state.private_of(bob) == []
    assert one.state._private.size == 0


def test_a_member_who_comes_back_goes_on_with_its_numbers() -> None:
    one = Machine()
    ann, bob = one.log_in("Ann"), one.hold("Bob")
    one.do(op.Tell(ann, "Bob", "bob", "one"))
    one.cut(bob)
    one.do(op.Tell(ann, "Bob", "bob", "two"))
    one.resume(bob)
    assert one.do(op.Tell(ann, "Bob", "bob", "three")) == [told(3, "three")]


def test_the_last_hundred_of_a_member_are_kept() -> None:
    messages = PrivateMessages()
    for number in range(1, MOST_A_MEMBER + 6):
        messages.keep(told(number))
    assert [one.number for one in messages.of(2)] == [*range(6, MOST_A_MEMBER + 6)]


def test_messages_of_a_member_are_bounded_in_bytes() -> None:
    messages = PrivateMessages()
    for number in range(1, 41):
        messages.keep(told(number, "x" * 4_096))
    kept = messages.of(2)
    assert kept[-1].number == 40
    assert len(kept) == messages.size // (4_096 + OVERHEAD)
    assert BYTES_A_MEMBER - 5_000 < messages.size <= BYTES_A_MEMBER
    # One that is longer than all that is kept leaves none, and the next one is kept again.
    messages.keep(told(41, "x" * BYTES_A_MEMBER))
    assert messages.of(2) == []
    assert messages.size == 0
    messages.keep(told(42))
    assert messages.of(2) == [told(42)]


def test_of_all_members_messages_the_oldest_make_place() -> None:
    messages = PrivateMessages()
    text = "x" * 4_096
    messages.keep(told(1, text, receiver=1))
    messages.keep(told(1, text, receiver=2))
    messages.keep(told(2, text, receiver=1))
    fit = BYTES_IN_ALL // (messages.size // 3)
    for receiver in range(3, fit):
        messages.keep(told(1, text, receiver))
    assert len(messages.of(1)) == 2
    for receiver in range(fit, fit + 4):
        messages.keep(told(1, text, receiver))
        assert messages.size <= BYTES_IN_ALL
    assert messages.of(1) == messages.of(2) == messages.of(3) == []
    assert messages.of(4)


@pytest.mark.parametrize("length", [0, 1, 60, 4_000])
@pytest.mark.parametrize("letter", ["x", "é", "\N{GRINNING FACE}"])
def test_what_all_messages_take_is_what_they_are_counted_as(letter: str, length: int) -> None:
    messages = PrivateMessages()
    text = letter * (length // len(letter.encode()))
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for number in range(1, 101):
            for receiver in range(1_000, 1_000 + 20):
                messages.keep(ev.Told(10_000 + number, 1_000, 1, receiver, "Ann", "Bob", text))
        taken = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert taken <= messages.size


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["keep", "keep", "keep", "forget", "dump"]),
                          st.integers(1, 4), st.integers(0, 9_000)), max_size=60))  # fmt: skip
def test_what_is_kept_is_what_a_simple_list_would_keep(
    script: list[tuple[str, int, int]],
) -> None:
    messages = PrivateMessages()
    numbers: dict[int, int] = defaultdict(int)
    kept: list[tuple[int, int, int]] = []
    for what, member, length in script:
        if what == "dump":
            messages = PrivateMessages.load(messages.dump())
        elif what == "forget":
            messages.forget(member)
            kept = [one for one in kept if one[0] != member]
        else:
            numbers[member] += 1
            before = messages.size
            messages.keep(told(numbers[member], "x" * length, member))
            size = len(messages.dump()[-1][2]) + OVERHEAD
            kept.append((member, numbers[member], size))
            while sum(one[2] for one in kept if one[0] == member) > BYTES_A_MEMBER:
                kept.remove(next(one for one in kept if one[0] == member))
            assert messages.size <= before + size
        assert messages.size == sum(size for _, _, size in kept)
        for one in range(1, 5):
            assert [message.number for message in messages.of(one)] == [
                number for owner, number, _ in kept if owner == one
            ]
