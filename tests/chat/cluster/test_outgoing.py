"""What a node still has to write when its lives end one after another. Pure."""

from __future__ import annotations

from itertools import count

import pytest

from trionet.chat.cluster.entries import Again, decode_entry
from trionet.chat.cluster.outgoing import Flight, Outgoing
from trionet.chat.names.unique_name import UniqueName
from trionet.chat.state.operations import ConnectionId, Leave, LogIn, LogOut, Say

ANN, BOB = ("node", 1), ("node", 2)


def say(member: int, text: str) -> Say:
    return Say(member, "lobby", [text])


def nobody(_: int) -> None:
    """No member has a connection here."""


def login(connection: ConnectionId) -> LogIn:
    return LogIn(connection, UniqueName("Ann", "ann", ()), None)


def begin(
    out: Outgoing, connections: dict[int, ConnectionId], last: dict[int, int] | None = None
) -> None:
    """Begin another life; `last` has the last entry of each life that has counted."""
    out.begin_life(b"\x91\xa3bye", lambda life: (last or {}).get(life, -1), connections.get)


def written(flight: Flight) -> list[tuple[int, int, object]]:
    """Return what an entry says: the life and number of what comes again, member and text."""
    parsed = decode_entry(flight.data)
    assert parsed is not None
    said: list[tuple[int, int, object]] = []
    for item in parsed[3]:
        if isinstance(item, Again):
            said += [(item.life, item.seq, one.texts[0]) for one in item.operations]  # type: ignore
        elif isinstance(item, Say):
            said.append((0, item.member, item.texts[0]))
        else:
            said.append((0, getattr(item, "member", 0), type(item)))
    return said


@pytest.fixture
def out() -> Outgoing:
    """A node whose life goes on, with Ann and Bob as members 1 and 2."""
    lives = count(1)
    out = Outgoing("node", lambda: next(lives))
    begin(out, {})
    take_hello(out)
    out.come_in_again([], nobody)
    out.go_on({})
    return out


def take_hello(out: Outgoing) -> None:
    flight = out.take(0.0)
    out.read_back(flight.life, flight.seq, 0.0)


def test_what_two_losses_have_taken_comes_again_in_its_order(out: Outgoing) -> None:
    for text in ("one", "two", "three"):
        out.append(say(1, text))
        flight = out.take(0.0)
        out.read_back(flight.life, flight.seq, 0.0)
    begin(out, {1: ANN}, {1: 2})
    begin(out, {1: ANN}, {1: 0})
    take_hello(out)
    out.come_in_again([], {1: ANN}.get)
    out.go_on({ANN: 1})
    assert written(out.take(0.0)) == [(1, 1, "one"), (1, 2, "two"), (1, 3, "three")]


def test_what_waits_goes_with_its_member_when_the_hello_ends_the_lease(out: Outgoing) -> None:
    begin(out, {1: ANN, 2: BOB})
    out.append(say(1, "ann"))
    out.append(say(2, "bob"))
    out.append(LogOut(7, "quit"))
    take_hello(out)
    out.come_in_again([login(ANN)], {1: ANN, 2: BOB}.get)
    take_hello(out)
    out.append(say(2, "bob again"))
    out.go_on({ANN: 9, BOB: 2})
    assert written(out.take(0.0)) == [
        (0, 9, "ann"), (0, 2, "bob"), (0, 7, LogOut), (0, 2, "bob again"),
    ]  # fmt: skip


def test_what_waits_goes_with_its_member_also_if_the_next_life_ends_too(out: Outgoing) -> None:
    begin(out, {1: ANN, 2: BOB})
    out.append(say(1, "ann"))
    out.append(say(2, "bob"))
    take_hello(out)
    out.come_in_again([login(ANN)], {1: ANN, 2: BOB}.get)
    begin(out, {1: ANN, 2: BOB})
    take_hello(out)
    out.come_in_again([login(ANN), login(BOB)], {1: ANN, 2: BOB}.get)
    take_hello(out)
    out.go_on({ANN: 9, BOB: 10})
    assert written(out.take(0.0)) == [(0, 9, "ann"), (0, 10, "bob")]


def test_where_a_member_went_is_not_said_again_once_it_has_come_back(out: Outgoing) -> None:
    out.append(say(1, "bye"), Leave(1, "lobby"))
    out.take(0.0)
    for _ in range(2):
        begin(out, {1: ANN})
        take_hello(out)
        out.come_in_again([], {1: ANN}.get)
        out.go_on({ANN: 1})
        flight = out.take(0.0)
        out.read_back(flight.life, flight.seq, 0.0)
    # Ann has heard of it, and may be in the lobby again by now.
    assert written(flight) == [(1, 1, "bye")]
