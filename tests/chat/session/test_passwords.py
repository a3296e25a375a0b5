"""The shared password: whom it lets in, and how long wrong tries must wait."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from trionet import Limits, Server, ServerEvent, WebSettings, chat
from trionet.chat import OPEN_ROOM
from trionet.chat.session.admission import MISSING, NOT_HERE
from trionet.chat.session.passwords import FREE_TRIES, LONGEST_WAIT, Password
from trionet.testing import LineClient, MemoryNetwork

SECRET = "correct horse"


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


# The rule


def test_after_three_wrong_ones_each_try_of_a_host_waits_twice_as_long() -> None:
    clock = Clock()
    password = Password(SECRET, clock)
    waits = []
    for _ in range(12):
        waits.append(password.wait_for_try("a"))
        clock.now += waits[-1]
        assert not password.is_right("a", "wrong")
    assert waits == [0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60]
    # Nobody else waits.
    assert password.wait_for_try("b") == 0
    assert password.wait_for_try(None) == 0


def test_a_right_password_waits_too_and_then_ends_the_waits() -> None:
    clock = Clock()
    password = Password(SECRET, clock)
    for _ in range(FREE_TRIES):
        password.wait_for_try("a")
    assert password.wait_for_try("a") == 1
    assert password.is_right("a", SECRET)
    assert password.wait_for_try("a") == 0


def test_many_connections_of_a_host_guess_no_faster_than_one() -> None:
    password = Password(SECRET, Clock())
    waits = [password.wait_for_try("a") for _ in range(8)]
    assert waits == [0, 0, 0, 1, 3, 7, 15, 31]


@given(st.integers(1, 5000))
def test_no_number_of_tries_is_too_many(tries: int) -> None:
    clock = Clock()
    password = Password(SECRET, clock)
    for _ in range(tries):
        clock.now += LONGEST_WAIT
        assert 0 <= password.wait_for_try("a") <= LONGEST_WAIT


def test_hosts_are_forgotten_in_time_and_beyond_a_number() -> None:
    clock = Clock()
    password = Password(SECRET, clock)
    for _ in range(5):
        password.wait_for_try("a")
    clock.now = 1000
    assert password.wait_for_try("a") == 0
    for number in range(20_000):
        password.wait_for_try(str(number))
    assert repr(password) == "<Password: 10000 hosts tried>"


@given(st.text(), st.text(min_size=1))
def test_only_the_password_itself_is_right(guess: str, text: str) -> None:
    assert Password(text, Clock()).is_right("a", guess) == (guess == text)


def test_half_of_a_surrogate_pair_is_wrong_and_no_error() -> None:
    assert not Password(SECRET, Clock()).is_right("a", "\ud800")


@pytest.mark.parametrize("wrong", ["", "a\nb", "a\r", "q", " q\t", "/quit", 3, b"bytes"])
async def test_what_nobody_could_enter_is_refused_without_repeating_it(wrong: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="password must be") as caught:
        await chat.serve("localhost:0", password=wrong, network=MemoryNetwork())
    if wrong == b"bytes":
        assert str(wrong) not in str(caught.value)


# The chat


@asynccontextmanager
async def guarded(
    *addresses: str, events: list[ServerEvent] | None = None, **options: Any
) -> AsyncIterator[tuple[MemoryNetwork, Server, list[str]]]:
    network = MemoryNetwork(web=WebSettings(proxies=["10.0.0.9"]))
    shown: list[str] = []
    async with trio.open_nursery() as nursery:
        serve = partial(
            chat.serve,
            *(addresses or ("localhost:7000", "web:localhost:8080")),
            password=SECRET,
            forever=True,
            network=network,
            show=shown.append,
            show_messages=True,
            on_event=None if events is None else events.append,
            **options,
        )
        server: Server = await nursery.start(serve)
        yield network, server, shown
        nursery.cancel_scope.cancel()


class JSONClient(LineClient):
    async def login(self, name: str, **fields: Any) -> None:
        await self.send(json.dumps({"type": "login", "name": name, "id": 1, **fields}))

    async def expect_event(self, type_: str, **fields: Any) -> dict[str, Any]:
        event: dict[str, Any] = json.loads(await self.receive())
        assert event["type"] == type_, event
        assert {key: event.get(key) for key in fields} == fields
        return event


async def test_a_plain_peer_is_asked_once_its_name_can_be_had(autojump_clock: MockClock) -> None:
    async with guarded() as (network, _, _):
        ann = LineClient(await network.connect("localhost:7000"))
        await ann.send("error")
        assert (await ann.receive()).startswith("error: ")
        await ann.send("Ann")
        await ann.expect("*** password?")
        await ann.send("wrong")
        await ann.expect("error: wrong password")
        await ann.send("Ann", SECRET, "hello")
        await ann.expect("*** password?", "*** welcome, Ann (1 here: Ann)")
        bob = LineClient(await network.connect("localhost:7000"))
        await bob.send("ann")
        await bob.expect("error: the name ann is taken")
        await bob.send("Bob")
        await bob.expect("*** password?")
        # Leaving is always possible.
        await bob.send("q")
        await bob.expect_end()


async def test_a_wait_is_no_login_time_of_the_peer(autojump_clock: MockClock) -> None:
    limits = replace(OPEN_ROOM, login_timeout=30)
    async with guarded(limits=limits) as (network, _, _):
        for _ in range(9):
            guesser = LineClient(await network.connect("localhost:7000"), patience=1000)
            await guesser.send("Ann", "wrong")
            await guesser.expect("*** password?", "error: wrong password")
            await guesser.aclose()
        ann = LineClient(await network.connect("localhost:7000"), patience=1000)
        began = trio.current_time()
        await ann.send("Ann", SECRET)
        await ann.expect("*** password?", "*** welcome, Ann (1 here: Ann)")
        assert trio.current_time() - began >= 60


async def test_a_peer_behind_many_tries_does_not_hold_its_place_for_hours(
    autojump_clock: MockClock,
) -> None:
    limits = replace(OPEN_ROOM, login_timeout=30)
    async with guarded(limits=limits) as (network, _, _):
        peers = [
            LineClient(await network.connect("localhost:7000"), patience=1000) for _ in range(40)
        ]
        began = trio.current_time()
        for peer in peers:
            await peer.send("Ann", "wrong")
            await peer.expect("*** password?")
        heard = [await peer.receive() for peer in peers]
        assert heard[-1] == "error: no login within 30 seconds"
        assert trio.current_time() - began <= 91


async def test_a_name_that_was_taken_meanwhile_is_asked_for_again(
    autojump_clock: MockClock,
) -> None:
    async with guarded() as (network, _, _):
        ann, other = [LineClient(await network.connect("localhost:7000")) for _ in range(2)]
        for peer in ann, other:
            await peer.send("Ann")
            await peer.expect("*** password?")
        await ann.send(SECRET)
        await ann.expect("*** welcome, Ann (1 here: Ann)")
        await other.send(SECRET)
        await other.expect("error: the name Ann is taken")
        await other.send("Bob", SECRET)
        await other.expect("*** password?", "*** welcome, Bob (2 here: Ann, Bob)")


async def test_wrong_passwords_count_as_refused_logins(autojump_clock: MockClock) -> None:
    async with guarded(limits=Limits(login_timeout=0)) as (network, _, _):
        peer = LineClient(await network.connect("localhost:7000"), patience=1000)
        for _ in range(9):
            await peer.send("Ann", "wrong")
            await peer.expect("*** password?", "error: wrong password")
        await peer.send("Ann", "wrong")
        await peer.expect("*** password?", "error: too many names were refused")
        await peer.expect_end()


@pytest.mark.parametrize("address", ["localhost:7000", "web:localhost:8080"])
async def test_a_program_brings_the_password_with_its_login(
    address: str, autojump_clock: MockClock
) -> None:
    async with guarded() as (network, _, _):
        peer = JSONClient(await network.connect(address))
        await peer.login("Ann")
        await peer.expect_event("error", code="bad-password", re=1)
        await peer.login("Ann", password="wrong")
        await peer.expect_event("error", code="bad-password", reason="wrong password", re=1)
        await peer.login("Ann", password=SECRET, hold=True)
        token = (await peer.expect_event("welcome", name="Ann", re=1))["token"]
        await peer.stream.aclose()
        # A valid token is enough instead.
        again = JSONClient(await network.connect(address))
        await again.login("Ann", token=token)
        await again.expect_event("welcome", name="Ann", resumed=True)
        other = JSONClient(await network.connect(address))
        await other.login("Bob", token="not valid")
        await other.expect_event("error", code="bad-password")


@pytest.mark.parametrize("address", ["localhost:7000", "web:localhost:8080"])
async def test_a_token_that_is_not_valid_any_more_is_no_wrong_password(
    address: str, autojump_clock: MockClock
) -> None:
    async with guarded() as (network, _, _):
        # So does a page that is reloaded after the server has forgotten its member.
        for _ in range(2 * FREE_TRIES):
            page = JSONClient(await network.connect(address))
            await page.login("Ann", token="0" * 32)
            await page.expect_event("error", code="bad-password", reason=MISSING)
            # Nor is an empty box.
            await page.login("Ann", password="")
            await page.expect_event("error", code="bad-password", reason=MISSING)
            await page.stream.aclose()
        began = trio.current_time()
        again = JSONClient(await network.connect(address))
        await again.login("Ann", token="0" * 32, password=SECRET)
        await again.expect_event("welcome", name="Ann", resumed=False)
        assert trio.current_time() == began


async def test_whoever_does_not_know_the_password_does_not_learn_which_names_are_taken(
    autojump_clock: MockClock,
) -> None:
    async with guarded() as (network, _, _):
        ann = JSONClient(await network.connect("localhost:7000"))
        await ann.login("Ann", password=SECRET)
        await ann.expect_event("welcome")
        peer = JSONClient(await network.connect("localhost:7000"))
        await peer.login("Ann", password="wrong")
        await peer.expect_event("error", code="bad-password")


async def test_tries_of_one_host_wait_and_its_other_lines_with_them(
    autojump_clock: MockClock,
) -> None:
    async with guarded() as (network, _, _):
        for _ in range(3):
            peer = JSONClient(await network.connect("localhost:7000"))
            await peer.login("Ann", password="wrong")
            await peer.expect_event("error", code="bad-password")
        began = trio.current_time()
        ann = JSONClient(await network.connect("localhost:7000"))
        await ann.login("Ann", password=SECRET)
        await ann.send('{"type": "ping", "id": 2}')
        await ann.expect_event("welcome", name="Ann")
        await ann.expect_event("entered", room="lobby")
        await ann.expect_event("pong", re=2)
        assert trio.current_time() - began == pytest.approx(1)
        # Its login is done: no deadline passes.
        await trio.sleep(100)
        await ann.send('{"type": "ping", "id": 3}')
        await ann.expect_event("pong", re=3)


async def test_a_wait_holds_up_no_drain(
    autojump_clock: MockClock,
) -> None:
    async with guarded() as (network, server, shown):
        for _ in range(8):
            peer = JSONClient(await network.connect("localhost:7000"))
            await peer.login("Ann", password="wrong")
        waiting = LineClient(await network.connect("localhost:7000"), patience=1000)
        await waiting.send("Bob", SECRET)
        await waiting.expect("*** password?")
        began = trio.current_time()
        assert await server.drain() == ()
        # Half of the time is the lingering of connections whose peers stay.
        assert trio.current_time() - began < 3
        assert not any("Bob joined" in line for line in shown)


@pytest.mark.parametrize(
    ("address", "source", "is_let_in"),
    [
        ("localhost:7000", "127.0.0.1", True),
        ("localhost:7000", "10.1.1.1", False),
        ("web:localhost:8080", "127.0.0.1", True),
        ("web:localhost:8080", "10.1.1.1", False),
        # A trusted proxy: the operator trusts the way to it, too.
        ("web:localhost:8080", "10.0.0.9", True),
        ("unix:/tmp/nowhere", "127.0.0.1", True),
    ],
)
async def test_nobody_sends_a_password_where_it_can_be_read_on_its_way(
    address: str, source: str, is_let_in: bool, autojump_clock: MockClock
) -> None:
    async with guarded(address) as (network, _, _):
        peer = JSONClient(await network.connect(address, source=source))
        await peer.login("Ann", password=SECRET)
        if is_let_in:
            await peer.expect_event("welcome", name="Ann")
            return
        await peer.expect_event("error", code="forbidden", re=1)
        if not address.startswith("web:"):
            plain = LineClient(await network.connect(address, source=source))
            await plain.send("Ann")
            await plain.expect(f"error: {NOT_HERE}")


async def test_a_password_is_in_no_event_log_history_or_console(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    events: list[ServerEvent] = []
    with caplog.at_level(logging.DEBUG):
        async with guarded(events=events) as (network, server, shown):
            ann = LineClient(await network.connect("localhost:7000"))
            await ann.send("Ann", SECRET)
            await ann.expect("*** password?", "*** welcome, Ann (1 here: Ann)")
            bob = JSONClient(await network.connect("web:localhost:8080"))
            await bob.login("Bob", password=SECRET, rooms=["lobby"])
            await bob.expect_event("welcome")
            await bob.expect_event("entered")
            await bob.send('{"type": "history", "room": "lobby"}')
            assert SECRET not in await bob.receive()
            await bob.login("Bob", password=3)
            assert SECRET not in repr(server)
            told = [*map(repr, events), *map(str, events), *shown]
    assert not [line for line in [*told, caplog.text] if SECRET in line]


async def test_a_client_brings_its_password_and_comes_back_with_it(
    autojump_clock: MockClock,
) -> None:
    async with guarded("localhost:7000", grace=0) as (network, _, _):
        client = chat.Client("localhost:7000", name="ann", network=network, password=SECRET)
        async with client:
            await client.say("lobby", "one")
            network.streams[-1]._in.destroy()
            network.streams[-1]._out.destroy()
            # Its token is not valid any more.
            await client.say("lobby", "two")
        assert SECRET not in repr(client)
        for password in None, "wrong":
            with pytest.raises(chat.RequestRefused) as refused:
                async with chat.Client(
                    "localhost:7000", name="ann", network=network, password=password
                ):
                    pass
            assert refused.value.code == "bad-password"


async def test_a_client_keeps_its_password_where_it_could_be_read() -> None:
    network = MemoryNetwork()
    with pytest.raises(chat.RequestRefused) as refused:
        async with chat.Client("chat.example.org:1", name="a", network=network, password=SECRET):
            pass
    assert refused.value.code == "forbidden"
    assert network.streams == []


async def test_the_plain_client_answers_the_question(autojump_clock: MockClock) -> None:
    from trionet import LineStream

    async with guarded("localhost:7000") as (network, _, _):
        lines = LineStream(await network.connect("localhost:7000"))
        welcome = await chat.log_in(lines, "Ann", password=SECRET)
        assert welcome == "*** welcome, Ann (1 here: Ann)"
        for password in None, "wrong":
            lines = LineStream(await network.connect("localhost:7000"))
            with pytest.raises(chat.PasswordWanted) as wanted:
                await chat.log_in(lines, "Bob", password=password)
            assert wanted.value.was_given == (password is not None)
            assert wanted.value.name == "Bob"
