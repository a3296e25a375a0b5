"""The chat as a service: in memory if the lines matter, on sockets if the socket does."""

from __future__ import annotations

import itertools
import json
import random
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Any, cast

import pytest
import trio
import trio.testing

from served import LOOPBACK, Served, reset, served
from trionet import SYSTEM, ConnectError, Limits, ListenError, Server, SocketStream
from trionet.abc import Transport
from trionet.chat import HistoryError, serve
from trionet.chat.history.memory import MemoryHistory
from trionet.chat.serving import handling
from trionet.fanout.hub_log import BatchLog
from trionet.testing import LineClient, Link, MemoryNetwork, cut_bytes

settled = trio.testing.wait_all_tasks_blocked


class Chat(Served):
    """A room served in memory."""

    async def join(self, *names: str) -> list[LineClient]:
        """Log members in one after the other, each once everyone has heard of the one before."""
        clients: list[LineClient] = []
        for count, name in enumerate(names, start=1):
            client = await self.connect(name)
            await client.expect(f"*** welcome, {name} ({count} here: {', '.join(names[:count])})")
            for other in clients:
                await other.expect(f"*** {name} joined ({count} here)")
            clients.append(client)
        return clients


def chat(**options: Any) -> AbstractAsyncContextManager[Chat]:
    return served(serve, Chat, **options)


# Logging in


async def test_the_newcomer_is_welcomed_and_everyone_else_is_told(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with chat() as room:
        ann = await room.connect("Ann")
        await ann.expect("*** welcome, Ann (1 here: Ann)")
        bob = await room.connect(" Bob\t")
        await bob.expect("*** welcome, Bob (2 here: Ann, Bob)")
        await ann.expect("*** Bob joined (2 here)")
        cid = await room.connect("Cid")
        await cid.expect("*** welcome, Cid (3 here: Ann, Bob, Cid)")
        await ann.expect("*** Cid joined (3 here)")
        await bob.expect("*** Cid joined (3 here)")
        for client in (ann, bob, cid):
            await client.expect_silence(60)


async def test_a_refused_name_can_be_tried_again(autojump_clock: trio.testing.MockClock) -> None:
    async with chat() as room:
        (ann,) = await room.join("Ann")
        bob = await room.connect("ann")
        await bob.expect("error: the name ann is taken")
        await bob.send("", "Ａｎｎ", "：", "x" * 33, "Bob")
        await bob.expect(
            "error: the name is empty",
            "error: the name Ann is taken",
            "error: a name cannot have a :",
            "error: the name is longer than 32 characters",
            "*** welcome, Bob (2 here: Ann, Bob)",
        )
        await ann.expect("*** Bob joined (2 here)")


async def test_a_bad_line_in_place_of_the_name_is_answered_and_the_next_line_is_the_next_try(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with chat() as room:
        ann = await room.connect()
        await ann.send_bytes(b"Ann\xff\n" + b"A" * 5000 + b"\nAnn\r\n")
        await ann.expect("error: line is not UTF-8", "error: line is longer than 4096 bytes")
        await ann.expect("*** welcome, Ann (1 here: Ann)")


async def test_a_silent_client_delays_nobody_and_is_not_counted(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with chat() as room:
        silent = await room.connect()
        half = await room.connect()
        await half.send_bytes(b"Bo")
        ann, cid = await room.join("Ann", "Cid")
        await ann.send("hello", "/who")
        await cid.expect("Ann: hello")
        await ann.expect("*** 2 here: Ann, Cid")
        await silent.aclose()
        await half.send_eof()
        await half.expect_end()
        await ann.expect_silence(60)
        assert room.shown == ["*** Ann joined (1 here)", "*** Cid joined (2 here)"]


@pytest.mark.parametrize("line", ["q", " q\t", "/quit"])
async def test_quitting_before_login_closes_unanswered(
    line: str, autojump_clock: trio.testing.MockClock
) -> None:
    async with chat() as room:
        (ann,) = await room.join("Ann")
        nobody = await room.connect(line, "Bob")
        await nobody.expect_end()
        later = await room.connect("ann", line)
        await later.expect("error: the name ann is taken")
        await later.expect_end()
        await ann.expect_silence(60)


async def test_an_http_request_is_closed_unanswered_and_not_read_on(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with chat() as room:
        (ann,) = await room.join("Ann")
        browser = await room.connect("POST / HTTP/1.1", "Host: x", "", "Bob", "hello")
        await browser.expect_end()
        await ann.expect_silence(60)
        await ann.send("GET / HTTP/1.1", "/who")
        await ann.expect("*** 1 here: Ann")


async def test_name_and_first_message_may_come_together(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with chat() as room:
        (ann,) = await room.join("Ann")
        bob = await room.connect("Bob", "hello", "/me waves", "q")
        await bob.expect("*** welcome, Bob (2 here: Ann, Bob)")
        await bob.expect_end()
        await ann.expect("*** Bob joined (2 here)", "Bob: hello", "* Bob waves")
        await ann.expect("*** Bob left (1 here)")


@pytest.mark.parametrize("sends_now", [True, False])
async def test_lines_that_come_byte_by_byte_are_the_same_lines(
    sends_now: bool, autojump_clock: trio.testing.MockClock
) -> None:
    link = Link(capacity=16, latency=0.01, cut=cut_bytes, sends_now=sends_now)
    async with chat() as room:
        (ann,) = await room.join("Ann")
        zoe = await room.connect(link=link)
        await zoe.send_bytes("Zoë\r\ngrüß dich\r\n/me winkt…\r\n/who\r\nq\r\n".encode())
        await zoe.expect("*** welcome, Zoë (2 here: Ann, Zoë)", "*** 2 here: Ann, Zoë")
        await zoe.expect_end()
        await ann.expect("*** Zoë joined (2 here)", "Zoë: grüß dich", "* Zoë winkt…")
        await ann.expect("*** Zoë left (1 here)")


async def test_the_welcome_of_a_full_room_lists_twenty(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with chat() as room:
        names = [f"a{number}" for number in range(24)]
        for name in names:
            await room.connect(name)
            await settled()
        last = await room.connect("Zoe")
        listed = ", ".join(names[:20])
        await last.expect(f"*** welcome, Zoe (25 here: {listed} … and 5 more)")
        await last.send("/who")
        await last.expect(f"*** 25 here: {', '.join(names)}, Zoe")


# Talking


async def test_messages_and_commands_do_as_the_protocol_says(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with chat() as room:
        ann, bob = await room.join("Ann", "Bob")
        await ann.send("hello ", "", "  \t", "  indented", "/me waves", "//who", "//", "/say q")
        await ann.send("/say /who", "Q", " /quit", "a\tb\x1b[2J\u2028*** Bob left (1 here)")
        await bob.expect("Ann: hello", "Ann:   indented", "* Ann waves", "Ann: /who", "Ann: /")
        await bob.expect("Ann: q", "Ann: /who", "Ann: Q", "Ann:  /quit")
        await bob.expect("Ann: a    b�[2J�*** Bob left (1 here)")
        await ann.send("/who", "/foo bar", "/who Ann", "/me", "/help")
        await ann.expect(
            "*** 2 here: Ann, Bob",
            "error: unknown command /foo (try /help)",
            "error: /who takes no argument",
            "error: /me needs a text: /me TEXT",
        )
        assert (await ann.receive()).startswith("*** ")
        await bob.expect_silence(60)


async def test_a_bad_line_is_answered_in_its_place_and_only_to_its_sender(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with chat() as room:
        ann, bob = await room.join("Ann", "Bob")
        await ann.send_bytes(b"one\n/who\n\xff\n" + b"a" * 4097 + b"\n/who\ntwo\n")
        await ann.expect("*** 2 here: Ann, Bob", "error: line is not UTF-8")
        await ann.expect("error: line is longer than 4096 bytes", "*** 2 here: Ann, Bob")
        await bob.expect("Ann: one", "Ann: two")
        await bob.send_bytes(b"b" * 4096 + b"\r\n")
        await ann.expect("Bob: " + "b" * 4096)


async def test_answers_come_in_their_place_in_the_common_sequence(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with chat() as room:
        ann, bob = await room.join("Ann", "Bob")
        # All in one batch of the hub, in whichever order the readers ran.
        await bob.send("one", "two")
        await ann.send("/who", "hello", "/who")
        lines = [await ann.receive() for _ in range(4)]
        assert [line for line in lines if line.startswith("Bob")] == ["Bob: one", "Bob: two"]
        cid = await room.connect("Cid", "/who", "q")
        await cid.expect("*** welcome, Cid (3 here: Ann, Bob, Cid)", "*** 3 here: Ann, Bob, Cid")
        await cid.expect_end()
        await ann.send("/who")
        await ann.expect("*** Cid joined (3 here)", "*** Cid left (2 here)", "*** 2 here: Ann, Bob")


@pytest.mark.parametrize("seed", range(5))
async def test_all_see_one_sequence_without_their_own_messages_and_so_does_the_console(
    seed: int, autojump_clock: trio.testing.MockClock
) -> None:
    chance = random.Random(seed)
    heard: dict[str, list[str]] = {}

    async def live(room: Chat, name: str) -> None:
        """Join, talk and listen, and leave in one of the ways."""
        lines = heard[name] = []
        await trio.sleep(chance.random())
        client = await room.connect(link=room.network.random_link(latency=0.05))

        async def talk() -> None:
            with trio.move_on_after(60):
                await client.send(name)
                for number in range(20):
                    await client.send(*(f"{number}.{part}" for part in range(chance.randint(1, 9))))
                    await trio.sleep(chance.random() / 10)
                await client.send("q" if chance.random() < 0.5 else "/quit")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(talk)
            while True:
                try:
                    lines.append(await client.receive())
                except AssertionError:
                    break
            nursery.cancel_scope.cancel()

    names = [f"member{number}" for number in range(6)]
    async with chat(show_messages=True, forever=True) as room, trio.open_nursery() as nursery:
        for name in names:
            nursery.start_soon(live, room, name)
    here: list[str] = []
    for line in room.shown:
        if line.startswith("*** "):
            _, name, what, count = line.replace("(", "").split(" ")[:4]
            (here.append if what == "joined" else here.remove)(name)
            assert int(count) == len(here)
    assert here == []
    for name in names:
        welcome, *rest = heard[name]
        start = next(
            i for i, line in enumerate(room.shown) if line.startswith(f"*** {name} joined")
        )
        end = next(i for i, line in enumerate(room.shown) if line.startswith(f"*** {name} left"))
        assert welcome.startswith(f"*** welcome, {name} (")
        common = room.shown[start + 1 : end]
        assert rest == [line for line in common if not line.startswith(f"{name}: ")]
        said = [line for line in common if line.startswith(f"{name}: ")]
        assert len(said) >= 20
        # In the order in which they were sent.
        numbers = [tuple(map(int, line.rpartition(" ")[2].split("."))) for line in said]
        assert numbers == sorted(numbers)


# Leaving


async def leave_by_q(client: LineClient) -> None:
    await client.send("last words", "q")


async def leave_by_command(client: LineClient) -> None:
    await client.send("last words", "/quit")


async def leave_by_closing(client: LineClient) -> None:
    await client.send("last words")
    await client.aclose()


async def leave_by_half_closing(client: LineClient) -> None:
    await client.send("last words")
    await client.send_bytes(b"not the last")
    await client.send_eof()


async def leave_by_reset(client: LineClient) -> None:
    await client.send("last words")
    await settled()
    reset(client)


async def leave_by_sending_no_end(client: LineClient) -> None:
    await client.send("last words")
    await client.send_bytes(b"a" * (1 << 20))


LEAVING = [
    leave_by_q,
    leave_by_command,
    leave_by_closing,
    leave_by_half_closing,
    leave_by_reset,
    leave_by_sending_no_end,
]


@pytest.mark.parametrize("leave", LEAVING)
async def test_each_way_of_leaving_gives_exactly_one_notice_after_all_that_was_said(
    leave: Callable[[LineClient], Awaitable[None]], autojump_clock: trio.testing.MockClock
) -> None:
    async with chat() as room:
        ann, bob, cid = await room.join("Ann", "Bob", "Cid")
        await leave(bob)
        for client in (ann, cid):
            await client.expect("Bob: last words", "*** Bob left (2 here)")
            await client.expect_silence(60)
        await ann.send("/who")
        await ann.expect("*** 2 here: Ann, Cid")
        assert room.shown.count("*** Bob left (2 here)") == 1
        bob = await room.connect("bob")
        await bob.expect("*** welcome, bob (3 here: Ann, Cid, bob)")


@pytest.mark.parametrize("ways", list(itertools.combinations(LEAVING, 2)))
async def test_two_members_who_leave_at_once_are_both_gone_from_the_count(
    ways: tuple[Callable[[LineClient], Awaitable[None]], ...],
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with chat() as room:
        ann, bob, cid = await room.join("Ann", "Bob", "Cid")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ways[0], bob)
            nursery.start_soon(ways[1], cid)
        heard = [await ann.receive() for _ in range(4)]
        notices = [line for line in heard if line.startswith("***")]
        assert notices in (
            ["*** Bob left (2 here)", "*** Cid left (1 here)"],
            ["*** Cid left (2 here)", "*** Bob left (1 here)"],
        )
        await ann.send("/who")
        await ann.expect("*** 1 here: Ann")


@pytest.mark.parametrize("line", ["q", "\tq ", "/quit"])
async def test_a_member_who_quits_hears_nothing_more(
    line: str, autojump_clock: trio.testing.MockClock
) -> None:
    async with chat() as room:
        ann, bob, cid = await room.join("Ann", "Bob", "Cid")
        await bob.send(line, "not said", "/who")
        await ann.expect("*** Bob left (2 here)")
        await ann.send("is he gone?")
        await cid.expect("*** Bob left (2 here)", "Ann: is he gone?")
        await bob.expect_end()
        await ann.expect_silence(60)


async def test_a_half_close_is_answered_in_full(autojump_clock: trio.testing.MockClock) -> None:
    async with chat() as room:
        bob = await room.connect("Bob", *["/who"] * 500)
        await bob.send_eof()
        await bob.expect("*** welcome, Bob (1 here: Bob)", *["*** 1 here: Bob"] * 500)
        await bob.expect_end()


async def test_a_peer_that_sends_no_end_of_line_is_told_why_it_is_cut_off(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with chat() as room:
        _, bob = await room.join("Ann", "Bob")
        await bob.send_bytes(b"a" * (1 << 20))
        await bob.expect("error: line is longer than 4096 bytes")
        await bob.expect("error: no end of line within 1048576 bytes")
        await bob.expect_end()


# The end of the server


@pytest.mark.parametrize("leave", LEAVING)
async def test_the_server_ends_when_the_last_member_has_left_and_not_before_the_first_has_come(
    leave: Callable[[LineClient], Awaitable[None]], autojump_clock: trio.testing.MockClock
) -> None:
    async with chat() as room:
        nobody = await room.connect("q")
        await nobody.expect_end()
        await trio.sleep(3600)
        assert not room.ended.is_set()
        ann, bob = await room.join("Ann", "Bob")
        await leave(ann)
        await bob.expect("Ann: last words", "*** Ann left (1 here)")
        await trio.sleep(3600)
        assert not room.ended.is_set()
        await leave(bob)
        await room.ended.wait()
        assert room.shown[-1] == "*** server is closing"
        assert room.shown[-2] == "*** Bob left (0 here)"
        with pytest.raises(ConnectError):
            await room.connect()


async def test_when_the_last_member_has_left_peers_without_a_name_are_told(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with chat() as room:
        (ann,) = await room.join("Ann")
        stranger = await room.connect()
        await settled()
        await ann.send("q")
        await stranger.expect("error: server is closing")
        await stranger.expect_end()
        await ann.expect_end()
        await room.ended.wait()


async def test_a_server_that_stays_serves_the_next_member(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with chat(forever=True) as room:
        for _ in range(3):
            (ann,) = await room.join("Ann")
            await ann.send("q")
            await ann.expect_end()
            await trio.sleep(3600)
        assert not room.ended.is_set()
        assert room.shown == ["*** Ann joined (1 here)", "*** Ann left (0 here)"] * 3


@pytest.mark.parametrize("forever", [True, False])
async def test_a_drain_tells_members_and_strangers_and_says_nothing_of_leaving(
    forever: bool, autojump_clock: trio.testing.MockClock
) -> None:
    async with chat(forever=forever) as room:
        members = await room.join("Ann", "Bob", "Cid")
        silent = await room.connect()
        refused = await room.connect("ann")
        await refused.expect("error: the name ann is taken")
        half = await room.connect()
        await half.send_bytes(b"Dan")
        await settled()
        assert await room.server.drain() == ()
        for client in members:
            await client.expect("*** server is closing")
            await client.expect_end()
        for client in (silent, refused, half):
            await client.expect("error: server is closing")
            await client.expect_end()
        await room.ended.wait()
        assert room.shown[3:] == ["*** server is closing"]


async def test_a_drain_ends_a_server_that_nobody_came_to(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with chat() as room:
        await trio.sleep(60)
        assert await room.server.drain() == ()
        await room.ended.wait()
        assert room.shown == ["*** server is closing"]


async def test_messages_sent_before_a_drain_are_heard_before_its_notice(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with chat() as room:
        ann, bob = await room.join("Ann", "Bob")
        await ann.send(*(str(number) for number in range(100)))
        await settled()
        await room.server.drain()
        await bob.expect(*(f"Ann: {number}" for number in range(100)), "*** server is closing")
        await bob.expect_end()


async def test_messages_that_the_rate_holds_back_at_a_drain_are_heard_before_its_notice(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with chat(limits=Limits(rate=1, burst=1)) as room:
        ann, bob, cid = await room.join("Ann", "Bob", "Cid")
        await ann.send(*(str(number) for number in range(100)))
        await settled()
        assert await room.server.drain() == ()
        for client in (bob, cid):
            await client.expect(*(f"Ann: {number}" for number in range(100)))
        for client in (ann, bob, cid):
            await client.expect("*** server is closing")
            await client.expect_end()


async def test_a_drain_that_waits_for_nothing_says_nothing_of_leaving_either(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with chat(limits=Limits(rate=1, burst=1)) as room:
        ann, _ = await room.join("Ann", "Bob")
        await ann.send("one", "two", "three")
        await settled()
        assert len(await room.server.drain(0)) == 2
        await room.ended.wait()
        assert room.shown[2:] == ["*** server is closing"]


async def test_logins_to_many_rooms_let_members_speak_in_between(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with chat() as room:
        ann, bob = await room.join("Ann", "Bob")
        newcomers = [await room.connect() for _ in range(60)]
        await settled()
        # All at once: nothing here is a checkpoint.
        for number, newcomer in enumerate(newcomers):
            rooms = [f"r{count}" for count in range(100)]
            login = {"type": "login", "name": f"N{number}", "rooms": rooms}
            cast(Transport, newcomer.stream).send_nowait(json.dumps(login).encode() + b"\n")
        cast(Transport, ann.stream).send_nowait(b"hello\n")
        await bob.expect("Ann: hello")
        # Each is told of a hundred rooms, and so are all who are there already.
        here = [one for one in room.server.connections if one.name is not None]
        assert len(here) < 40
        for newcomer in newcomers:
            assert "welcome" in await newcomer.receive()


@pytest.mark.parametrize(("seconds", "told_at"), [(5, 4), (9, 8), (1, 0.8)])
async def test_one_member_whose_search_takes_long_keeps_nobody_from_being_told_of_a_drain(
    seconds: float,
    told_at: float,
    autojump_clock: trio.testing.MockClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def search(*_: object) -> None:
        await trio.sleep_forever()

    monkeypatch.setattr(MemoryHistory, "search", search)
    limits = Limits(drain_seconds=seconds)
    async with chat(limits=limits) as room, trio.open_nursery() as nursery:
        (ann,) = await room.join("Ann")
        cid = await room.connect('{"type": "login", "name": "Cid"}', '{"type": "ping"}')
        await ann.expect("*** Cid joined (2 here)")
        while "pong" not in await cid.receive():
            pass
        await cid.send(
            '{"type": "search", "text": "x"}',
            '{"type": "say", "room": "lobby", "text": "too late"}',
        )
        await settled()
        began = trio.current_time()
        nursery.start_soon(room.server.drain)
        await ann.expect("*** server is closing")
        assert trio.current_time() - began == told_at
        await ann.expect_end()
        assert json.loads(await cid.receive()) == {"type": "closing", "reason": "server is closing"}
        await cid.expect_end()
        assert trio.current_time() - began == seconds


async def test_nobody_is_told_anything_after_the_notice_that_the_server_closes(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def search(*_: object) -> object:
        await trio.sleep(4.5)
        raise HistoryError("it took too long")

    monkeypatch.setattr(MemoryHistory, "search", search)
    async with chat() as room:
        cid = await room.connect('{"type": "login", "name": "Cid"}')
        said = '{"type": "say", "room": "lobby", "text": "too late", "id": 1}'
        await cid.send('{"type": "search", "text": "x"}', said, '{"type": "nonsense"}', "{")
        await settled()
        assert await room.server.drain() == ()
        while "entered" not in await cid.receive():
            pass
        assert json.loads(await cid.receive()) == {"type": "closing", "reason": "server is closing"}
        await cid.expect_end()


async def test_a_member_who_does_not_read_is_cut_off_at_the_drains_deadline(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with chat() as room:
        ann, _ = await room.join("Ann", "Bob")
        await room.connect("Cid", link=Link(capacity=10))
        await ann.expect("*** Cid joined (3 here)")
        began = trio.current_time()
        assert len(await room.server.drain()) == 1
        assert trio.current_time() - began == Limits().drain_seconds
        await room.ended.wait()
        assert room.shown[-1] == "*** server is closing"


async def test_an_address_in_use_is_an_error_that_names_it() -> None:
    network = MemoryNetwork()
    await network.listen("127.0.0.1:22223")
    with pytest.raises(ListenError, match=r"cannot listen on 127\.0\.0\.1:22223"):
        await serve("127.0.0.1:22223", network=network)


# The console


async def test_the_console_shows_notices_and_messages_only_where_asked_for(
    autojump_clock: trio.testing.MockClock,
) -> None:
    for show_messages in (False, True):
        async with chat(show_messages=show_messages) as room:
            ann, bob = await room.join("Ann", "Bob")
            await ann.send("hello", "/who", "/help", "/foo")
            await bob.expect("Ann: hello")
            await bob.send("/me waves")
            await settled()
            await room.server.drain()
        assert room.shown == [
            "*** Ann joined (1 here)",
            "*** Bob joined (2 here)",
            *(["Ann: hello", "* Bob waves"] if show_messages else []),
            "*** server is closing",
        ]


async def test_a_console_that_fails_affects_nobody(
    autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    network = MemoryNetwork()

    shown: list[str] = []

    def fail(line: str) -> None:
        shown.append(line)
        raise RuntimeError(line)

    async with trio.open_nursery() as nursery:
        server: Server = await nursery.start(partial(serve, LOOPBACK, show=fail, network=network))
        async with LineClient(await network.connect(server.addresses[0])) as ann:
            await ann.send("Ann", "/who")
            await ann.expect("*** welcome, Ann (1 here: Ann)", "*** 1 here: Ann")
            await ann.send("q")
            await ann.expect_end()
    # It may be well again with the next line, and so it is still shown everything.
    assert shown == ["*** Ann joined (1 here)", "*** Ann left (0 here)", "*** server is closing"]
    assert [record.name for record in caplog.records] == ["trionet.chat"]


# A room with much to do


async def test_members_who_ask_for_more_than_there_is_room_for_are_answered_in_full(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    # There is room for a few answers at a time.
    monkeypatch.setattr("trionet.fanout.hub_log.HIGH_WATER_BYTES", 200)
    async with chat() as room:
        names = [f"member{number}" for number in range(20)]
        clients = await room.join(*names)
        who = f"*** 20 here: {', '.join(names)}"
        for number, client in enumerate(clients):
            await client.send(*["/who", "/foo"] * 20, f"I am {number}")
        answers = [who, "error: unknown command /foo (try /help)"] * 20
        for number, client in enumerate(clients):
            lines = [await client.receive() for _ in range(40 + 19)]
            assert [line for line in lines if not line.startswith("member")] == answers
            others = [f"member{n}: I am {n}" for n in range(20) if n != number]
            assert sorted(lines)[-19:] == sorted(others)


async def test_a_member_with_many_questions_leaves_the_others_their_turn(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trionet.fanout.hub_log.HIGH_WATER_BYTES", 200)
    async with chat(limits=Limits()) as room:
        ann, bob = await room.join("Ann", "Bob")
        await ann.send(*["/who"] * 5000, "the last")
        await bob.send("/who")
        await bob.expect("*** 2 here: Ann, Bob", "Ann: the last")


@pytest.mark.parametrize("line", ["hello", "/me waves"])
async def test_a_line_is_heard_long_before_the_bursts_of_all_others(
    autojump_clock: trio.testing.MockClock, line: str
) -> None:
    talkers, burst = 100, 900
    async with chat(show_messages=True) as room:
        ann, _ = await room.join("Ann", "Bob")
        others = [await room.connect(f"m{number}") for number in range(talkers)]
        async with trio.open_nursery() as nursery:
            for other in others:
                nursery.start_soon(other.send_bytes, f"{line}\n".encode() * burst)
            while len(room.shown) < 5000:
                await trio.lowlevel.checkpoint()
            said = len(room.shown)
            await ann.send("here")
        while "Ann: here" not in room.shown:
            await trio.lowlevel.checkpoint()
        # A few rounds of the log, of 1,024 lines each, and not the 90,000 lines of all others.
        assert room.shown.index("Ann: here") - said < 3000


async def test_a_long_answer_costs_more_tokens(autojump_clock: trio.testing.MockClock) -> None:
    async with chat(limits=Limits(rate=1, burst=200)) as room:
        (ann,) = await room.join("Ann")
        for number in range(150):
            await room.connect(f"{number:032}")
        await settled()
        began = trio.current_time()
        for _ in range(150):
            await ann.receive()
        for _ in range(110):
            await ann.send("/who")
            await ann.receive()
        # Each answer has 5 KiB, so that each question costs two tokens.
        assert 20 <= trio.current_time() - began <= 22


async def test_a_drain_keeps_the_deadline_it_was_given(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with chat(limits=Limits(write_timeout=0)) as room:
        ann, _ = await room.join("Ann", "Bob")
        await room.connect("Cid", link=Link(capacity=10))
        await ann.expect("*** Cid joined (3 here)")
        began = trio.current_time()
        assert len(await room.server.drain(60)) == 1
        assert trio.current_time() - began == 60
        await room.ended.wait()
        # What the hub still has to do is not waited for.
        assert trio.current_time() - began < 61


# Slow readers


@pytest.mark.parametrize("sends_now", [True, False])
async def test_a_slow_reader_is_told_how_much_it_missed_and_delays_nobody(
    sends_now: bool, autojump_clock: trio.testing.MockClock
) -> None:
    async with chat(limits=Limits(max_waiting=2000)) as room:
        ann, bob = await room.join("Ann", "Bob")
        slow = await room.connect("Slow", link=Link(capacity=300, sends_now=sends_now))
        for client in (ann, bob):
            await client.expect("*** Slow joined (3 here)")
        began = trio.current_time()
        for number in range(1000):
            await ann.send(f"line {number}")
            await bob.expect(f"Ann: line {number}")
        assert trio.current_time() == began
        await slow.expect("*** welcome, Slow (3 here: Ann, Bob, Slow)")
        heard: list[int] = []
        missed = 0
        while not heard or heard[-1] != 999:
            line = await slow.receive()
            if line.startswith("*** you missed "):
                # In place of the missing lines.
                count = int(line.split()[3])
                assert line == f"*** you missed {count} lines"
                missed += count
                heard.append((heard[-1] if heard else -1) + count)
            else:
                assert line == f"Ann: line {(heard[-1] if heard else -1) + 1}"
                heard.append((heard[-1] if heard else -1) + 1)
        assert missed > 800
        await slow.send("/who")
        await slow.expect("*** 3 here: Ann, Bob, Slow")
        await ann.expect_silence(60)


async def test_a_member_who_never_reads_delays_neither_the_others_nor_their_leaving(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with chat() as room:
        ann, bob = await room.join("Ann", "Bob")
        dead = await room.connect("Dead", link=Link(capacity=1))
        for client in (ann, bob):
            await client.expect("*** Dead joined (3 here)")
        await ann.send("hello", "q")
        await bob.expect("Ann: hello", "*** Ann left (2 here)")
        await ann.expect_end()
        reset(dead)
        await bob.expect("*** Dead left (1 here)")


# On sockets


@asynccontextmanager
async def on_a_socket() -> AsyncIterator[Callable[..., Awaitable[LineClient]]]:
    """Serve a room on the loopback; yields a function that joins it."""
    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            server: Server = await nursery.start(
                # No rate: the end is tested here, not the pace.
                partial(serve, LOOPBACK, forever=True, limits=Limits())
            )

            async def join(name: str, *others: LineClient, here: str) -> LineClient:
                client = LineClient(await SYSTEM.connect(server.addresses[0]), name=name)
                await client.send(name)
                count = here.count(",") + 1
                await client.expect(f"*** welcome, {name} ({count} here: {here})")
                for other in others:
                    await other.expect(f"*** {name} joined ({count} here)")
                return client

            yield join
            await server.drain()


async def test_a_socket_that_is_reset_leaves_once() -> None:
    async with on_a_socket() as join:
        ann = await join("Ann", here="Ann")
        bob = await join("Bob", ann, here="Ann, Bob")
        async with ann:
            assert isinstance(bob.stream, SocketStream)
            bob.stream._sock.setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
            )
            await bob.aclose()
            await ann.expect("*** Bob left (1 here)")
            await ann.send("/who", "q")
            await ann.expect("*** 1 here: Ann")
            await ann.expect_end()


async def test_a_half_closed_socket_is_answered_in_full_and_leaves_once() -> None:
    async with on_a_socket() as join:
        ann = await join("Ann", here="Ann")
        bob = await join("Bob", ann, here="Ann, Bob")
        async with ann, bob:
            await bob.send(*["/who"] * 1000, "goodbye")
            await bob.send_bytes(b"unfinished")
            await bob.send_eof()
            await bob.expect(*["*** 2 here: Ann, Bob"] * 1000)
            await bob.expect_end()
            await ann.expect("Bob: goodbye", "*** Bob left (1 here)")
            await ann.send("/who", "q")
            await ann.expect("*** 1 here: Ann")
            await ann.expect_end()


async def test_after_a_quit_every_answer_can_be_read_although_input_was_left_unread() -> None:
    async with on_a_socket() as join, await join("Ann", here="Ann") as ann:
        await ann.send(*["/who"] * 2000, "q", *["not read"] * 10_000)
        await ann.expect(*["*** 1 here: Ann"] * 2000)
        await ann.expect_end()


async def test_a_login_that_waits_for_room_is_refused_when_a_drain_begins(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with chat(forever=True) as room:
        (ann,) = await room.join("Ann")
        monkeypatch.setattr(handling, "_MANY_ENTRIES", -1)
        monkeypatch.setattr(BatchLog, "is_full", property(lambda _: True))
        newcomers = [await room.connect(f"newcomer {number}", "hello") for number in range(5)]
        bot = await room.connect(json.dumps({"type": "login", "name": "bot", "id": 7}))
        await settled()
        began = trio.current_time()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(room.server.drain)
            for newcomer in newcomers:
                await newcomer.expect("error: server is closing")
                await newcomer.expect_end()
            refused = json.loads(await bot.receive())
            assert (refused["code"], refused["re"]) == ("closing", 7)
            assert trio.current_time() == began
            await ann.expect("*** server is closing")
