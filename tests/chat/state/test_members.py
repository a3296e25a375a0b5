"""Who the members are, by number, by name and by token."""

from __future__ import annotations

from state_machine import token
from trionet.chat.names.unique_name import UniqueName
from trionet.chat.state.members import Claim, Members

ANN = UniqueName("Ann", "ann", ("ann", "arm"))
BOB = UniqueName("Bob", "bob", ("bob",))
HERE = "here", 1


def test_a_member_is_found_by_its_name_and_its_token_until_it_is_gone() -> None:
    members = Members()
    ann = members.add(ANN, HERE, Claim(token(7)))
    bob = members.add(BOB, HERE, None)
    assert (ann.id, bob.id) == (1, 2)
    assert members.by_key == {"ann": ann, "bob": bob}
    assert members.with_token(token(7)) is ann
    # A member without a token is not found by the lack of one.
    assert members.with_token(b"") is None
    assert members.with_token(token(8)) is None
    members.remove(ann)
    assert members.with_token(token(7)) is None
    assert members.why_not_called(ANN) == ""
    # Its number is not given again.
    assert members.add(ANN, HERE, None).id == 3


def test_most_members_have_nothing_to_come_back_with() -> None:
    members = Members()
    bob = members.add(BOB, HERE, None)
    assert bob.claim is None
    assert not bob.holds
    assert bob.token == b""
    ann = members.add(ANN, HERE, Claim(token(7)))
    assert ann.token == token(7)
    assert not ann.holds
    members.hold(ann, hold=True)
    assert ann.holds
    members.hold(ann, hold=False)
    assert not ann.holds
    assert ann.token == token(7)


def test_a_dump_brings_back_who_was_there() -> None:
    members = Members()
    members.remove(members.add(BOB, HERE, None))
    ann = members.add(ANN, HERE, Claim(token(7), hold=True))
    other = Members.load(members.dump())
    assert other.by_number == {2: ann}
    assert other.with_token(token(7)) == other.by_key["ann"] == ann
    assert other.next_number == 3
