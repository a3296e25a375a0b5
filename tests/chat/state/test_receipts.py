"""Requests that are sent again get the receipt of the first time, and are not carried out twice."""

from __future__ import annotations

import gc
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from state_machine import Machine, rename, token
from trionet.chat.state import events as ev
from trionet.chat.state import operations as op
from trionet.chat.state import receipts
from trionet.chat.state.receipts import MOST, Receipt, Receipts

ANN = token(1)


def said(number: int, texts: list[str], ids: list[op.RequestId] | None = None) -> ev.Said:
    return ev.Said("lobby", number, 1_000, 1, "Ann", texts, ids, ANN)


def test_a_message_that_comes_again_gets_its_number_and_time_again() -> None:
    one = Machine()
    ann = one.hold("Ann")
    one.do(op.Say(ann, "lobby", ["hello"], [5]))
    one.do(op.Act(ann, "lobby", "waves", "x"), op.Tell(ann, "Ann", "ann", "psst", 6))
    one.cut(ann)
    one.resume(ann)
    # However much later, under whatever name, and in whatever room it is by then.
    one.do(rename(ann, "Anna"), op.Leave(ann, "lobby"), later=500)
    before = one.state.dump()
    assert one.do(op.Say(ann, "lobby", ["hello"], [5])) == [
        ev.Repeated(ann, said(2, ["hello"], [5]))
    ]
    assert one.do(op.Act(ann, "lobby", "waves", "x")) == [
        ev.Repeated(ann, ev.Acted("lobby", 3, 1_000, ann, "Ann", "waves", "x", ANN))
    ]
    assert one.do(op.Tell(ann, "Ann", "ann", "psst", 6)) == [
        ev.Repeated(ann, ev.Told(1, 1_000, ann, ann, "Ann", "Ann", "psst", 6))
    ]
    assert len(before) == len(one.state.dump())


def test_an_id_is_one_request_whatever_it_comes_with() -> None:
    one = Machine()
    ann = one.hold("Ann", "lobby", "builds")
    one.do(op.Say(ann, "lobby", ["hello"], [5]))
    # The receipt is that of the first; the text, which nobody keeps, is that of now.
    again = [ev.Repeated(ann, said(2, ["other"], [5]))]
    assert one.do(op.Say(ann, "builds", ["other"], [5])) == again
    assert one.do(op.Say(ann, "nowhere", ["other"], [5])) == again
    assert one.do(op.Act(ann, "builds", "other", 5)) == again
    assert one.do(op.Tell(ann, "Zed", "zed", "other", 5)) == again
    # A number is not the text of its digits.
    assert one.do(op.Say(ann, "lobby", ["new"], ["5"])) == [said(3, ["new"], ["5"])]


def test_repeated_ones_are_taken_out_of_a_run_in_order() -> None:
    one = Machine()
    ann = one.hold("Ann")
    one.do(op.Say(ann, "lobby", ["a", "b"], [1, 2]))
    told = one.do(op.Say(ann, "lobby", list("axbyza"), [1, None, 2, 3, 4, 1]))
    assert told == [
        ev.Repeated(ann, said(2, ["a"], [1])),
        said(4, ["x"], [None]),
        ev.Repeated(ann, said(3, ["b"], [2])),
        said(5, ["y", "z"], [3, 4]),
        ev.Repeated(ann, said(2, ["a"], [1])),
    ]
    assert one.do(op.Act(ann, "lobby", "waves"))[0].number == 7  # type: ignore[union-attr]


def test_an_id_that_comes_twice_in_one_run_is_said_once() -> None:
    one = Machine()
    ann = one.hold("Ann")
    assert one.do(op.Say(ann, "lobby", ["a", "b", "c"], [1, 1, 2])) == [
        said(2, ["a"], [1]),
        ev.Repeated(ann, said(2, ["b"], [1])),
        said(3, ["c"], [2]),
    ]


def test_outside_the_room_repeated_messages_get_receipts_and_new_ones_are_refused() -> None:
    one = Machine()
    ann = one.hold("Ann")
    one.do(op.Say(ann, "lobby", ["a"], [1]), op.Leave(ann, "lobby"))
    refused = ev.OperationRefused(ann, "not-in-room", "you are not in lobby", 2)
    assert one.do(op.Say(ann, "lobby", ["b", "a"], [2, 1])) == [
        refused,
        ev.Repeated(ann, said(2, ["a"], [1])),
    ]
    # What was refused was not carried out.
    assert one.do(op.Say(ann, "lobby", ["b"], [2])) == [refused]
    assert one.do(op.Act(ann, "lobby", "b", 2)) == [refused]
    nobody = ev.OperationRefused(ann, "no-such-member", "there is no Zed here", 2)
    assert one.do(op.Tell(ann, "Zed", "zed", "b", 2)) == [nobody]
    assert one.do(op.Tell(ann, "Zed", "zed", "b", 2)) == [nobody]


def test_requests_without_an_id_are_always_new() -> None:
    one = Machine()
    ann = one.hold("Ann")
    for number in (2, 4):
        assert one.do(op.Say(ann, "lobby", ["a"]), op.Say(ann, "lobby", ["a"], [None])) == [
            said(number, ["a"]),
            said(number + 1, ["a"], [None]),
        ]


def test_only_members_who_hold_have_receipts() -> None:
    one = Machine()
    ann, bob = one.hold("Ann"), one.log_in("Bob", token=token(9))
    for number in (3, 4):
        assert one.do(op.Say(bob, "lobby", ["a"], [1]))[0].number == number  # type: ignore[union-attr]
    one.do(op.Say(ann, "lobby", ["a"], [1]))
    # They end with holding, and begin anew.
    one.resume(ann, hold=False)
    assert isinstance(one.do(op.Say(ann, "lobby", ["a"], [1]))[0], ev.Said)
    one.resume(ann, hold=True)
    assert isinstance(one.do(op.Say(ann, "lobby", ["a"], [1]))[0], ev.Said)
    assert isinstance(one.do(op.Say(ann, "lobby", ["a"], [1]))[0], ev.Repeated)


def test_what_a_member_with_a_token_says_has_its_author() -> None:
    one = Machine()
    bob = one.log_in("Bob", token=token(9))
    told = one.do(
        op.Say(bob, "lobby", ["a"]), op.Say(bob, "lobby", ["a"], [1]), op.Act(bob, "lobby", "a")
    )
    assert [event.author for event in told] == [token(9)] * 3  # type: ignore[union-attr]


def test_the_last_64_receipts_are_kept() -> None:
    one = Machine()
    ann = one.hold("Ann")
    one.do(op.Say(ann, "lobby", ["a"] * (MOST + 1), [*range(MOST + 1)]))
    assert isinstance(one.do(op.Say(ann, "lobby", ["a"], [1]))[0], ev.Repeated)
    assert isinstance(one.do(op.Act(ann, "lobby", "a", 0))[0], ev.Acted)
    assert isinstance(one.do(op.Act(ann, "lobby", "a", 1))[0], ev.Acted)


def test_the_receipts_of_a_member_are_bounded_in_bytes() -> None:
    one = Machine()
    ann = one.hold("Ann")
    one.do(op.Say(ann, "lobby", ["a"], [-1]))
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for number in range(500):
            one.state.apply(
                op.Entry("there", number + 1, 2_000 + number, [
                    op.Act(ann, "lobby", "a" * 4096, "\N{GRINNING FACE}" * 60 + f"{number:04}")
                ])
            )  # fmt: skip
        taken = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert taken < 40 * 1024, f"{MOST} receipts take {taken} bytes"


def keep(receipts: Receipts, member: int, id_: int | str) -> None:
    receipts.keep(member, id_, Receipt("said", 1, 1_750_000_000_000, "Ann", "lobby"))


def test_the_receipts_of_all_members_are_bounded_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receipts, "BYTES_IN_ALL", 10_000)
    all_ = Receipts()
    for id_ in range(20):
        for member in (1, 2, 3):
            keep(all_, member, id_)
    assert all_.size <= 10_000
    # Whoever got one last is the last to lose any.
    for id_ in range(100, 200):
        keep(all_, 2, id_)
    assert all_.size <= 10_000
    again = [all_.again(2, ANN, "hi", id_) is not None for id_ in range(100, 200)]
    assert again.count(True) > 40
    assert again == sorted(again)
    assert all_.again(1, ANN, "hi", 19) is None
    for member in (1, 2, 3):
        all_.forget(member)
    assert all_.size == 0


@pytest.mark.parametrize("length", [0, 8, 36, 64])
def test_receipts_take_no_more_than_they_are_counted_as(length: int) -> None:
    all_, members = Receipts(), 50
    # Some ids are numbers, as they are for most, so that no dictionary is one of texts alone.
    ids = [number if not length else f"{number:0{length}}" for number in range(10**7, 10**7 + 150)]
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for id_ in ids:
            for member in range(members):
                keep(all_, member, int(id_) + 0 if not length else "".join(list(str(id_))))
        taken = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert all_.size * 0.8 < taken < all_.size * 1.03


@settings(deadline=None)
@given(
    st.lists(
        st.lists(st.tuples(st.text("ab", min_size=1), st.one_of(st.none(), st.integers(0, 80)))),
        max_size=6,
    )
)
def test_each_new_id_is_said_once_and_the_numbers_have_no_gap(
    runs: list[list[tuple[str, int | None]]],
) -> None:
    one = Machine()
    ann = one.hold("Ann")
    kept: dict[int, int] = {}
    number = 1
    for run in runs:
        expected: list[tuple[bool, int, str, int | None]] = []
        for text, id_ in run:
            if id_ is not None and id_ in kept:
                expected.append((True, kept[id_], text, id_))
                continue
            number += 1
            expected.append((False, number, text, id_))
            if id_ is not None:
                kept[id_] = number
                if len(kept) > MOST:
                    del kept[next(iter(kept))]
        seen: list[tuple[bool, int, str, op.RequestId]] = []
        for event in one.do(
            op.Say(ann, "lobby", [text for text, _ in run], [id_ for _, id_ in run])
        ):
            is_again = isinstance(event, ev.Repeated)
            part = event.event if isinstance(event, ev.Repeated) else event
            assert isinstance(part, ev.Said)
            assert part.ids is not None
            seen += [
                (is_again, part.number + at, text, id_)
                for at, (text, id_) in enumerate(zip(part.texts, part.ids, strict=True))
            ]
        assert seen == expected
