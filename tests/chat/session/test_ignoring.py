"""Who hears nothing of whom."""

from __future__ import annotations

from trionet.chat.session.ignoring import MAX_IGNORED, Ignoring


class Seat:
    """A box that only has an identity."""

    def put(self, lines: bytes) -> None:
        raise NotImplementedError


def test_nothing_is_left_of_a_connection_that_ends_nor_of_a_member_who_is_gone() -> None:
    ignoring, ann, bob = Ignoring(), Seat(), Seat()
    for box in (ann, bob):
        assert ignoring.add(box, 3)
        assert ignoring.add(box, 4)
    assert list(ignoring.deaf_to(3)) == [ann, bob]
    ignoring.discard(ann, 3)
    assert not ignoring.is_deaf(ann, 3)
    assert list(ignoring.deaf_to(3)) == [bob]
    ignoring.forget_member(4)
    ignoring.forget_box(bob)
    assert (ignoring._by_box, ignoring._deaf) == ({}, {})


def test_beyond_the_limit_only_those_who_are_ignored_already_can_be_ignored() -> None:
    ignoring, ann = Ignoring(), Seat()
    assert all(ignoring.add(ann, member) for member in range(MAX_IGNORED))
    assert not ignoring.add(ann, MAX_IGNORED)
    assert ignoring.add(ann, 0)
    assert not ignoring.deaf_to(MAX_IGNORED)


def test_whom_a_log_has_lost_is_ignored_again_under_another_number() -> None:
    ignoring, ann = Ignoring(), Seat()
    ignoring.add(ann, 3)
    ignoring.set_aside(3, b"token")
    assert not ignoring.is_deaf(ann, 3)
    ignoring.bring_back(b"token", 7)
    assert ignoring.is_deaf(ann, 7)


def test_nothing_is_left_of_whom_a_log_has_lost_once_all_who_ignored_it_have_gone() -> None:
    ignoring, ann, bob = Ignoring(), Seat(), Seat()
    for box in (ann, bob):
        ignoring.add(box, 3)
    ignoring.set_aside(3, b"token")
    ignoring.forget_box(ann)
    assert list(ignoring.aside()) == [b"token"]
    ignoring.forget_box(bob)
    assert not ignoring.aside()
