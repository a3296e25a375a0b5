"""Who is a member, in which format group, and which groups a batch reaches; without Trio."""

from __future__ import annotations

from collections.abc import Hashable

import pytest

from hub_members import ListBox, plain
from trionet.abc import Box
from trionet.fanout.batch import Batch
from trionet.fanout.group import FormatGroup
from trionet.fanout.membership import Membership


def loud(event: str) -> bytes:
    return plain(event.upper())


def member(membership: Membership[str], *topics: str, encode: object = plain) -> Box:
    box = ListBox()
    membership.add(box, encode, frozenset(topics))  # type: ignore[arg-type]
    return box


def reached(membership: Membership[str], *topics: Hashable) -> dict[FormatGroup[str], object]:
    """Return the groups that a batch with something on these topics reaches, and on which."""
    batch: Batch[str, Box] = Batch(
        membership.formats_of, lambda _encode, event, _error: pytest.fail(event)
    )
    for topic in topics:
        batch.publish("hello", topic=topic)
    return {
        group: None if active is None else set(active)
        for group, active in membership.reached(batch)
    }


def test_members_with_equal_format_and_topics_are_one_group() -> None:
    membership = Membership[str]()
    ann, bob = member(membership, "a", "b"), member(membership, "b", "a")
    cid, dan = member(membership, "a"), member(membership, "a", encode=loud)
    group_of = membership.group_of
    assert group_of[ann] is group_of[bob]
    assert len({group_of[box] for box in (ann, cid, dan)}) == 3


def test_a_batch_reaches_the_groups_that_have_its_topics_and_those_that_have_all() -> None:
    membership = Membership[str]()
    ann, bob, cid = member(membership, "a"), member(membership, "a", "b"), member(membership, "c")
    everything = ListBox()
    membership.add(everything, plain, None)
    group_of = membership.group_of
    assert reached(membership) == {}
    assert reached(membership, "a") == {
        group_of[ann]: {"a"}, group_of[bob]: {"a"}, group_of[everything]: None,
    }  # fmt: skip
    assert reached(membership, "b", "a")[group_of[bob]] == {"a", "b"}
    # What is published without a topic is for everyone.
    assert reached(membership, None)[group_of[cid]] == {None}


def test_an_event_is_encoded_in_the_formats_of_all_who_have_its_topic() -> None:
    membership = Membership[str]()
    member(membership, "a")
    member(membership, "b", encode=loud)
    assert list(membership.formats_of("a")) == [plain]
    assert list(membership.formats_of("b")) == [loud]
    assert set(membership.formats_of(None)) == {plain, loud}
    assert list(membership.formats_of("nobody has it")) == []


def test_nothing_is_left_of_members_that_moved_and_left() -> None:
    membership = Membership[str]()
    ann = member(membership, "a")
    membership.move(ann, membership.group_of[ann], frozenset(["b", "c"]))
    assert reached(membership, "a") == {}
    assert list(reached(membership, "c")) == [membership.group_of[ann]]
    assert membership.remove(ann) is not None
    assert membership.remove(ann) is None
    assert reached(membership, "a", "b", "c", None) == {}
    assert (membership._groups, membership._by_topic, membership.group_of) == ({}, {}, {})
