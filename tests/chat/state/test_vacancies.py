"""Which empty room expires next, and which makes place."""

from __future__ import annotations

from trionet.chat.state.vacancies import Vacancies


def test_the_first_to_expire_and_the_oldest_topic_are_two_questions() -> None:
    vacant = Vacancies()
    assert vacant.first() is None
    assert vacant.oldest_topic(but="lobby") is None
    vacant.add("lobby", since=1, topic_rank=1)
    vacant.add("a", since=2, topic_rank=9)
    vacant.add("b", since=3, topic_rank=4)
    assert vacant.first() == ("lobby", 1)
    assert vacant.oldest_topic(but="lobby") == "b"
    vacant.discard("b")
    vacant.discard("lobby")
    vacant.discard("nowhere")
    assert vacant.oldest_topic(but="lobby") == "a"
    assert list(vacant) == [("a", 2)]
