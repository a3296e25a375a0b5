"""Holding, receipts and private sequences against a model of a few lines.

Hypothesis writes a script: people log in, say and tell with ids that they may repeat, lose their
connections, come back in time or too late, and time passes. The model says for each step what it
should have caused.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from hypothesis import given, settings
from hypothesis import strategies as st

from state_machine import Machine, login, token
from trionet.chat.state import events as ev
from trionet.chat.state import operations as op
from trionet.chat.state.private_messages import MOST_A_MEMBER
from trionet.chat.state.receipts import MOST
from trionet.chat.state.state import State

GRACE = 100
NAMES = ("Ann", "Bob", "Cid")

Step: TypeAlias = tuple[str, str, int]

people = st.sampled_from(NAMES)
ids = st.integers(1, MOST + 6)
steps = st.one_of(
    st.tuples(st.sampled_from(["come and hold", "come"]), people, ids),
    st.tuples(st.sampled_from(["cut", "cut", "quit", "evict"]), people, ids),
    st.tuples(st.sampled_from(["say", "say a lot", "tell", "tell a lot"]), people, ids),
    st.tuples(st.just("wait"), people, st.sampled_from([1, GRACE // 2, GRACE - 1, GRACE])),
    st.tuples(st.just("dump"), people, ids),
)


@dataclass
class Person:
    """What the model knows of a member: everything that it should get back."""

    number: int
    token: bytes
    connection: int | None
    holds: bool
    until: int = 0
    told: int = 0
    kept: list[int] = field(default_factory=list)
    receipts: dict[int, tuple[str, int]] = field(default_factory=dict)

    def answer(self, kind: str, id_: int, new: int) -> tuple[bool, str, int]:
        """Return whether a request is repeated, and the kind and number of its receipt."""
        if not self.holds:
            return False, kind, new
        is_again = id_ in self.receipts
        if not is_again:
            self.receipts[id_] = kind, new
            if len(self.receipts) > MOST:
                del self.receipts[next(iter(self.receipts))]
        return is_again, *self.receipts[id_]


class Model:
    def __init__(self) -> None:
        self.here: dict[str, Person] = {}
        self.last = 0
        self.now = 1_000
        self.members = self.connections = 0

    def leave(self, name: str) -> tuple[str, int]:
        self.last += 1
        return "left", self.here.pop(name).number

    def pass_time(self) -> Iterator[tuple[str, int]]:
        held = [(one.until, name) for name, one in self.here.items() if one.connection is None]
        # Whoever was cut first has the lower connection; but ends of one moment have no order here.
        for until, name in sorted(held):
            if until <= self.now:
                yield self.leave(name)


def tell(told: list[ev.StateEvent]) -> list[tuple[object, ...]]:
    """Return what events tell, in the words of the model."""
    words: list[tuple[object, ...]] = []
    for event in told:
        again = isinstance(event, ev.Repeated)
        match event.event if isinstance(event, ev.Repeated) else event:
            case ev.Said(_, number, _, _, _, texts, ids_):
                assert ids_ is not None
                words += [(again, "said", number + at) for at in range(len(texts))]
            case ev.Told(number):
                words.append((again, "told", number))
            case ev.Left(_, _, _, member):
                words.append(("left", member))
            case ev.LoggedIn(_, member, name, _, _, resumed):
                words.append(("in", member, name, resumed))
            case ev.TakenOver(connection, member):
                words.append(("over", connection[1], member))
            case ev.Held(member):
                words.append(("held", member))
    return words


@settings(max_examples=200, deadline=None)
@given(st.lists(steps, min_size=10, max_size=60))
def test_whoever_holds_gets_back_what_it_had_and_nobody_else_does(script: list[Step]) -> None:
    machine, model = Machine(grace=GRACE), Model()
    tokens: dict[str, bytes] = {}
    for what, name, number in script:
        if what == "dump":
            machine.state = State.load(machine.state.dump())
        one = model.here.get(name)
        expected: list[tuple[object, ...]] = []
        operations: list[op.Operation] = []
        later = 0
        if what == "wait":
            later = number
            model.now += number
            left = sorted(model.pass_time())
            assert sorted(tell(machine.do(later=later))) == left
            continue
        if what.startswith("come"):
            model.connections += 1
            connection, holds = model.connections, what == "come and hold"
            drawn = token(connection)
            operations = [login(name, "lobby", connection=connection, token=drawn, hold=holds,
                                brought=tokens.get(name, b""))]  # fmt: skip
            if one is None:
                model.members += 1
                model.last += 1
                one = model.here[name] = Person(model.members, drawn, connection, holds)
                tokens[name] = drawn
                expected = [("in", one.number, name, False)]
            else:
                if one.connection is not None:
                    expected = [("over", one.connection, one.number)]
                one.connection, one.holds = connection, holds
                if not holds:
                    one.kept, one.receipts = [], {}
                expected.append(("in", one.number, name, True))
        elif one is None:
            continue
        elif what == "cut":
            # A connection that was there before changes nothing.
            stale = one.connection is None or number == 1
            gone = 1_000 if stale else one.connection
            assert gone is not None
            operations = [op.Detach(one.number, ("here", gone))]
            if not stale and one.holds:
                one.connection, one.until = None, model.now + GRACE
                expected = [("held", one.number)]
            elif not stale:
                expected = [model.leave(name)]
        elif what == "quit":
            operations, expected = [op.LogOut(one.number, "quit")], [model.leave(name)]
        elif what == "evict":
            operations = [op.Evict(one.number)]
            expected = [model.leave(name)] if one.connection is None else []
        elif what.startswith("say"):
            run = [(number + at) % (MOST + 6) for at in range(MOST if "lot" in what else 1)]
            operations = [op.Say(one.number, "lobby", ["x"] * len(run), [*run])]
            for id_ in run:
                expected.append(one.answer("said", id_, model.last + 1))
                model.last += not expected[-1][0]
        else:
            other = model.here.get(NAMES[number % 3], one)
            to = next(who for who, person in model.here.items() if person is other)
            for _ in range(MOST_A_MEMBER if "lot" in what else 1):
                operations.append(op.Tell(one.number, to, to.lower(), "hi", number))
                expected.append(one.answer("told", number, other.told + 1))
                if not expected[-1][0]:
                    other.told += 1
                    if other.holds:
                        other.kept = [*other.kept, other.told][-MOST_A_MEMBER:]
        assert tell(machine.do(*operations)) == expected
        state = machine.state
        assert {member.name.shown for member in state.members.values()} == set(model.here)
        assert state.rooms["lobby"].last == model.last
        held = [one.until for one in model.here.values() if one.connection is None]
        assert state.next_deadline() == min(held, default=None)
        for one in model.here.values():
            assert [told.number for told in state.private_of(one.number)] == one.kept
            assert state.members[one.number].told == one.told
