"""Which names are taken, and which look like one that is."""

from __future__ import annotations

from trionet.chat.names.unique_name import UniqueName
from trionet.chat.state.taken_names import TakenNames

ANN = UniqueName("Ann", "ann", ("ann", "arm"))


def test_a_name_is_found_by_its_key_and_by_each_of_its_skeletons_until_it_is_freed() -> None:
    names: TakenNames[int] = TakenNames()
    names.take(ANN, 1)
    names.take(UniqueName("Bob", "bob", ("bob",)), 2)
    assert names.by_key == {"ann": 1, "bob": 2}
    assert list(names.lookalikes(UniqueName("Arm", "arm", ("arm", "bob")))) == [1, 2]
    assert names.free(ANN) == 1
    assert names.by_key == {"bob": 2}
    assert list(names.lookalikes(ANN)) == []


def test_one_owner_may_have_a_name_again_in_another_form() -> None:
    names: TakenNames[int] = TakenNames()
    names.take(ANN, 1)
    names.free(ANN)
    names.take(UniqueName("ANN", "ann", ("ann",)), 1)
    assert list(names.lookalikes(UniqueName("Arm", "arm", ("arm",)))) == []
