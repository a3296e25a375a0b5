"""One peer's way through the room, one line at a time."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Hashable, Iterable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from trionet import BadLine, Line, Notice
from trionet.abc import Box
from trionet.chat import Event, Request, Session, Switchboard
from trionet.chat.formats import plain
from trionet.chat.formats.requests import AskWho, LogIn
from trionet.chat.history.memory import MemoryHistory
from trionet.errors import LineNotUTF8, LineTooLong


class Inbox:
    """A box that keeps its lines."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def put(self, lines: bytes) -> None:
        self.lines += lines.decode().removesuffix("\n").split("\n")

    def take(self) -> list[str]:
        taken, self.lines = self.lines, []
        return taken


class PromptHub:
    """A hub that delivers at once."""

    def __init__(self) -> None:
        self.boxes: dict[Box, Callable[[Event], bytes]] = {}
        self.topics: dict[Box, set[Hashable]] = {}
        self.is_full = False

    def add(
        self, box: Box, encode: Callable[[Event], bytes], *, topics: Iterable[Hashable] | None
    ) -> None:
        self.boxes[box] = encode
        self.topics[box] = set(topics or ())

    def subscribe(self, box: Box, topic: Hashable) -> None:
        self.topics[box].add(topic)

    def unsubscribe(self, box: Box, topic: Hashable) -> None:
        self.topics[box].remove(topic)

    def discard(self, box: Box) -> None:
        self.boxes.pop(box, None)

    def publish(
        self,
        event: Event,
        *,
        topic: Hashable = None,
        exclude: Box | None = None,
        without: Collection[Box] = (),
        entries: int = 1,  # noqa: ARG002  it delivers at once
    ) -> None:
        for box, encode in self.boxes.items():
            is_for_it = topic is None or topic in self.topics[box]
            if is_for_it and box is not exclude and box not in without:
                self.put(box, encode(event))

    def tell(self, box: Box, event: Event) -> int:
        if box not in self.boxes:
            return 0
        lines = self.boxes[box](event)
        return self.tell_lines(box, lines)

    def tell_lines(self, box: Box, lines: bytes) -> int:
        if box not in self.boxes:
            return 0
        self.put(box, lines)
        return len(lines)

    def put(self, box: Box, lines: bytes) -> None:
        if lines:
            box.put(lines)


class Peer:
    """A peer that has not logged in yet."""

    def __init__(self, room: Switchboard) -> None:
        self.box = Inbox()
        self.session = Session(room, self.box, plain)

    def say(self, *lines: Line) -> list[str]:
        """Hand in lines; return what the peer has heard since the last call."""
        for line in lines:
            self.session.receive(line)
        return self.box.take()


def member(room: Switchboard, name: str) -> Peer:
    peer = Peer(room)
    assert peer.say(name)[-1].startswith("*** welcome")
    return peer


def test_the_first_line_is_the_name_and_the_others_are_told() -> None:
    room = Switchboard(PromptHub())
    ann = Peer(room)
    assert ann.say("Ann") == ["*** welcome, Ann (1 here: Ann)"]
    bob = Peer(room)
    assert bob.say(" Bob\t") == ["*** welcome, Bob (2 here: Ann, Bob)"]
    assert ann.say() == ["*** Bob joined (2 here)"]


def test_a_name_that_is_unfit_or_taken_gets_its_error_and_the_next_line_is_the_next_try() -> None:
    room = Switchboard(PromptHub())
    ann = member(room, "Ann")
    stranger = Peer(room)
    tries: list[Line] = ["", "ann", "*", "/who", "error", "a" * 33, LineNotUTF8(b"")]
    assert stranger.say(*tries) == [
        "error: the name is empty",
        "error: the name ann is taken",
        "error: a name cannot begin with *",
        "error: a name cannot begin with /",
        "error: nobody can be called error",
        "error: the name is longer than 32 characters",
        "error: line is not UTF-8",
    ]
    assert ann.say() == []
    assert stranger.say("Bob") == ["*** welcome, Bob (2 here: Ann, Bob)"]


def test_a_name_that_looks_like_a_members_gets_an_error_that_names_the_member() -> None:
    room = Switchboard(PromptHub())
    member(room, "Ann")
    stranger = Peer(room)
    assert stranger.say("аnn", "ANN", "Αnn") == [
        "error: the name аnn looks like Ann, which is taken",
        "error: the name ANN is taken",
        "error: the name Αnn looks like Ann, which is taken",
    ]
    assert stranger.say("Änn") == ["*** welcome, Änn (2 here: Ann, Änn)"]


TOO_MANY = "error: too many names were refused"


@pytest.mark.parametrize(
    "tries",
    [
        ["a:b"] * 10,
        ["ann", "", "/who", "*", "error", "еrror", "x" * 40, "аnn", "a b", "//"],
        [LineNotUTF8(b""), LineTooLong(4096, b"a")] * 5,
        ["ann", LineNotUTF8(b"")] * 5,
    ],
    ids=["unfit", "of each kind", "bad lines", "mixed"],
)
@pytest.mark.parametrize("together", [False, True])
def test_the_tenth_refused_name_ends_the_session(tries: list[Line], together: bool) -> None:
    room = Switchboard(PromptHub())
    ann = member(room, "Ann")
    stranger = Peer(room)
    assert TOO_MANY not in stranger.say(*tries[:9])
    assert not stranger.session.ended
    rest: list[Line] = [tries[9], "Bob", "hello"]
    if together:
        stranger.session.receive_batch(rest)
    else:
        stranger.session.receive(rest[0])
    assert stranger.box.take() == [TOO_MANY]
    assert stranger.session.ended
    assert stranger.session.name is None
    stranger.session.end()
    assert stranger.box.take() == ann.say() == []


def test_after_nine_refused_names_a_tenth_may_be_tried_and_mistakes_of_members_do_not_count() -> (
    None
):
    room = Switchboard(PromptHub())
    stranger = Peer(room)
    stranger.say(*["a:b"] * 9)
    assert stranger.session.name is None
    assert stranger.say("Bob") == ["*** welcome, Bob (1 here: Bob)"]
    assert stranger.session.name == "Bob"
    mistakes: list[Line] = ["/foo", LineNotUTF8(b"")] * 20
    assert len(stranger.say(*mistakes)) == 40
    assert not stranger.session.ended


def test_name_is_the_form_that_everyone_sees() -> None:
    peer = member(Switchboard(PromptHub()), " Ａｎｎ\t".replace("Ａ", "A"))
    assert peer.session.name == "Ann"


def test_a_peer_without_a_name_hears_nothing_and_is_not_counted() -> None:
    room = Switchboard(PromptHub())
    stranger = Peer(room)
    ann = member(room, "Ann")
    ann.say("hello")
    assert ann.say("/who") == ["*** 1 here: Ann"]
    assert stranger.say() == []
    stranger.session.end()
    assert ann.say() == []


@pytest.mark.parametrize("line", ["q", " q ", "/quit"])
def test_quitting_before_login_is_heard_by_nobody(line: str) -> None:
    room = Switchboard(PromptHub())
    ann = member(room, "Ann")
    stranger = Peer(room)
    assert stranger.say(line) == []
    assert stranger.session.ended
    stranger.session.end()
    assert stranger.say() == ann.say() == []


def test_messages_and_actions_go_to_all_others_and_never_back() -> None:
    room = Switchboard(PromptHub())
    ann, bob, cid = (member(room, name) for name in ("Ann", "Bob", "Cid"))
    ann.say(), bob.say()
    assert ann.say("hello", "/me waves", "//who", "/say q", "  x \t", "", " \t") == []
    heard = ["Ann: hello", "* Ann waves", "Ann: /who", "Ann: q", "Ann:   x"]
    assert bob.say() == cid.say() == heard


def test_answers_go_only_to_whoever_asked() -> None:
    room = Switchboard(PromptHub())
    ann, bob = member(room, "Ann"), member(room, "Bob")
    ann.say()
    assert bob.say("/who") == ["*** 2 here: Ann, Bob"]
    assert all(line.startswith("*** ") for line in bob.say("/help"))
    assert bob.say("/foo bar", "/who me", "/me", LineNotUTF8(b"")) == [
        "error: unknown command /foo (try /help)",
        "error: /who takes no argument",
        "error: /me needs a text: /me TEXT",
        "error: line is not UTF-8",
    ]
    assert ann.say() == []
    assert not bob.session.ended


@pytest.mark.parametrize("line", ["q", "\tq ", "/quit", "/quit "])
def test_a_member_who_quits_hears_nothing_more_and_the_others_are_told_once(line: str) -> None:
    room = Switchboard(PromptHub())
    ann, bob = member(room, "Ann"), member(room, "Bob")
    ann.say()
    assert bob.say(line) == []
    assert bob.session.ended
    assert ann.say() == ["*** Bob left (1 here)"]
    bob.session.end()
    assert ann.say("still here?") == []
    assert bob.say() == []


def test_an_end_without_a_q_is_also_told_once() -> None:
    room = Switchboard(PromptHub())
    ann, bob = member(room, "Ann"), member(room, "Bob")
    ann.say()
    bob.session.end()
    bob.session.end()
    assert bob.session.ended
    assert ann.say() == ["*** Bob left (1 here)"]


def test_a_name_is_free_as_soon_as_its_member_has_left() -> None:
    room = Switchboard(PromptHub())
    member(room, "Ann").say("q")
    assert Peer(room).say("ann") == ["*** welcome, ann (1 here: ann)"]


def test_when_the_room_closes_members_get_a_notice_and_strangers_an_error() -> None:
    room = Switchboard(PromptHub())
    ann, bob, stranger, late, quitter = (
        member(room, "Ann"),
        member(room, "Bob"),
        Peer(room),
        Peer(room),
        Peer(room),
    )
    ann.say(), bob.say()
    room.close()
    assert ann.say() == bob.say() == ["*** server is closing"]
    assert late.say("Cid") == ["error: server is closing"]
    late.session.end()
    assert late.box.take() == [], "it is told once"
    assert quitter.say("q") == []
    for peer in (ann, bob, stranger, quitter):
        peer.session.end()
    assert stranger.say() == ["error: server is closing"]
    assert ann.say() == bob.say() == quitter.say() == []


class AnotherWire:
    """A format that makes requests at the wrong time."""

    receipts = False
    names_first = True

    def decode_login(self, line: str) -> Request:
        return LogIn(line) if line else AskWho()

    def decode(self, line: str) -> Request | None:
        return LogIn(line)

    def decode_messages(self, _lines: list[Line], /) -> None:
        return None

    def encode(self, event: Event) -> bytes:
        return plain.encode(event)

    def encode_notice(self, notice: Notice) -> bytes:
        return plain.encode_notice(notice)


def test_a_request_at_the_wrong_time_gets_an_error() -> None:
    box = Inbox()
    session = Session(Switchboard(PromptHub()), box, AnotherWire())
    for line in ("", "Ann", "Bob"):
        session.receive(line)
    assert box.take() == [
        "error: log in first",
        "*** welcome, Ann (1 here: Ann)",
        "error: you are Ann already",
    ]


def test_a_request_before_login_counts_as_a_refused_name() -> None:
    box = Inbox()
    session = Session(Switchboard(PromptHub()), box, AnotherWire())
    for _ in range(10):
        session.receive("")
    assert box.take() == ["error: log in first"] * 9 + [TOO_MANY]
    assert session.ended


LINES: st.SearchStrategy[Line] = st.one_of(
    st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]), max_size=12),
    st.sampled_from(
        ["Ann", "ann", "Bob", "q", "/quit", "/who", "/help", "/me x", "/foo", "", "//"]
    ),
    st.just(LineTooLong(4096, b"a")),
)


NOTICE = re.compile(r"\*\*\* (?P<name>\S+) (?P<what>joined|left) \([0-9]+ here\)")


@settings(deadline=None, max_examples=150)
@given(steps=st.lists(st.tuples(st.integers(0, 3), LINES), max_size=40))
# Names that are also words in notices.
@example([(0, "left"), (1, "joined"), (0, "q")])
def test_no_line_at_any_time_raises_and_each_member_leaves_exactly_once(
    steps: list[tuple[int, Line]],
) -> None:
    room = Switchboard(PromptHub())
    watcher = member(room, "Watcher")
    peers = [Peer(room) for _ in range(4)]
    for number, line in steps:
        peer = peers[number]
        if not peer.session.ended:
            heard = peer.say(line)
            if isinstance(line, BadLine):
                # The tenth line that is not a name has an answer of its own, and ends the session.
                assert heard[-1] == (TOO_MANY if peer.session.ended else f"error: {line}")
    for peer in peers:
        peer.session.end()
    heard = watcher.say()
    told: dict[str, list[str]] = {"joined": [], "left": []}
    for line in heard:
        if line.startswith("*** "):
            notice = NOTICE.fullmatch(line)
            assert notice, line
            told[notice["what"]].append(notice["name"])
    assert sorted(told["joined"]) == sorted(told["left"])
    assert room.state.names_in("lobby") == ("Watcher",)


@given(st.lists(LINES, max_size=12), st.integers(0, 12))
def test_lines_that_come_together_have_the_same_effect_as_one_by_one(
    lines: list[Line], first: int
) -> None:
    heard = []
    for together in (False, True):
        room = Switchboard(PromptHub())
        peer, listener = Peer(room), Peer(room)
        listener.session.receive("Listener")
        for line in lines[:first]:
            if not peer.session.ended:
                peer.session.receive(line)
        if not peer.session.ended and together:
            peer.session.receive_batch(lines[first:])
        for line in lines[first:]:
            if not peer.session.ended and not together:
                peer.session.receive(line)
        heard.append((peer.box.lines, listener.box.lines, peer.session.ended))
    assert heard[0] == heard[1]


def test_when_the_room_is_full_one_line_is_taken_and_counted() -> None:
    log = PromptHub()
    room = Switchboard(log)
    ann = member(room, "Ann")
    commands: list[Line] = ["/who", "/help", "/foo"]
    assert ann.session.receive_batch(commands) == 3
    log.is_full = True
    for _ in range(2):
        ann.box.take()
        assert ann.session.receive_batch(commands) == 1
        assert ann.box.take() == ["*** 1 here: Ann"]
    # Messages that came together are taken together.
    assert ann.session.receive_batch(["one", "two"]) == 2
    assert ann.session.receive_batch([]) == 0


def test_only_messages_of_a_member_are_said_at_once() -> None:
    room = Switchboard(PromptHub())
    ann, bob = member(room, "Ann"), member(room, "Bob")
    ann.box.take()
    assert bob.session.say_at_once(["hello", "/me waves"]) is False
    assert bob.session.say_at_once(["hello", LineTooLong(5, b"hello")]) is False
    assert ann.box.take() == []
    assert bob.session.say_at_once(["hello", "there"]) is True
    assert ann.box.take() == ["Bob: hello", "Bob: there"]
    stranger = Peer(room)
    assert stranger.session.say_at_once(["Carl"]) is False
    bob.say("q")
    assert bob.session.say_at_once(["hello"]) is False
    assert ann.box.take() == ["*** Bob left (1 here)"]


def test_nothing_is_said_before_an_errand() -> None:
    room = Switchboard(PromptHub(), history=MemoryHistory())
    ann, bob = member(room, "Ann"), member(room, "Bob")
    ann.box.take()
    bob.say("/history")
    assert bob.session.errand is not None
    assert bob.session.say_at_once(["hello"]) is False
    assert ann.box.take() == []


def test_lines_after_a_q_are_not_taken() -> None:
    ann = member(Switchboard(PromptHub()), "Ann")
    assert ann.session.receive_batch(["/who", "q", "/who"]) == 2
    assert ann.session.ended


def test_a_long_answer_costs_one_token_for_each_4096_bytes() -> None:
    room = Switchboard(PromptHub())
    charged: list[int] = []
    box = Inbox()
    session = Session(room, box, plain, charged.append)
    session.receive_batch(["Ann", "/who", "/help", "/foo", LineNotUTF8(b"")])
    assert charged == [], "a short answer is paid for with its line"
    for number in range(400):
        Peer(room).say(f"member{number:020}")
    session.receive("/who")
    (answer,) = [line for line in box.lines if line.startswith("*** 401 here: ")]
    assert charged == [(len(answer) + 1) // 4096] == [2]


def test_members_who_ask_at_the_same_time_get_the_same_event_object() -> None:
    events: list[Event] = []

    class NotingLog(PromptHub):
        def tell(self, box: Box, event: Event) -> int:
            events.append(event)
            return super().tell(box, event)

    room = Switchboard(NotingLog())
    ann, bob = member(room, "Ann"), member(room, "Bob")
    events.clear()
    for peer in (ann, bob):
        peer.say("/who", "/help", "/foo", "/foo")
    one, other = events[:4], events[4:]
    assert all(a is b for a, b in zip(one, other, strict=True))
    assert one[2] is one[3]
    bob.say("q")
    assert ann.say("/who")[-1] == "*** 1 here: Ann"


@pytest.mark.parametrize("wrong", [3, None, b"hello"])
def test_what_is_no_line_is_refused_and_the_session_goes_on(wrong: object) -> None:
    room = Switchboard(PromptHub())
    ann = member(room, "Ann")
    for session in (ann.session, Peer(room).session):
        with pytest.raises(TypeError, match="line must be a text"):
            session.receive(wrong)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="lines must be a"):
            session.receive_batch("hello")  # type: ignore[arg-type]
    bob = member(room, "Bob")
    ann.say("hello")
    assert bob.say()[-1] == "Ann: hello"
