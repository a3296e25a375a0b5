"""Which held member leaves where connections and held members are too many."""

from __future__ import annotations

from trionet.chat.serving.held_places import HeldPlaces


class Chat:
    """Held members, and those who had to leave."""

    def __init__(self, *, most: int = 0, most_a_host: int = 0) -> None:
        self.held: set[int] = set()
        self.evicted: list[int] = []
        self.places = HeldPlaces(
            most=most, most_a_host=most_a_host, is_held=self.held.__contains__, evict=self.evict
        )

    def evict(self, member: int) -> None:
        self.held.discard(member)
        self.evicted.append(member)

    def hold(self, member: int, host: str | None = "a") -> None:
        self.held.add(member)
        self.places.held(member, host)

    def come(self, host: str | None = "a") -> None:
        self.places.connected(host)
        self.places.make_place(host)


def test_the_one_held_longest_leaves_for_another() -> None:
    chat = Chat(most=3)
    chat.come()
    for member in (1, 2):
        chat.hold(member)
    assert not chat.evicted
    chat.come()
    assert chat.evicted == [1]
    chat.hold(3)
    assert chat.evicted == [1, 2]


def test_only_those_of_the_same_host_leave_for_its_limit() -> None:
    chat = Chat(most_a_host=2)
    chat.hold(1, "a")
    chat.hold(2, "b")
    chat.hold(3, "b")
    chat.come("b")
    assert chat.evicted == [2]
    for _ in range(5):
        chat.come(None)
        chat.hold(10, None)
    assert chat.evicted == [2]


def test_whoever_is_gone_or_back_takes_no_place() -> None:
    chat = Chat(most=2)
    for member in (1, 2):
        chat.hold(member)
    chat.held.discard(1)
    chat.come()
    assert not chat.evicted
    chat.places.released(2)
    chat.come()
    assert not chat.evicted
    chat.places.disconnected("a")
    chat.places.disconnected("a")
    assert not chat.places._from_host
    assert not chat.places._by_host


def test_without_limits_nobody_leaves() -> None:
    chat = Chat()
    for member in range(100):
        chat.come()
        chat.hold(member)
    assert not chat.evicted
