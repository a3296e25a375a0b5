"""The chat for Python programs, with the real server on a network in memory."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import trio
import trio.testing

import trionet
from trionet import ConnectError, ConnectionLost
from trionet.chat import (
    OPEN_ROOM,
    Client,
    NameRefused,
    NameTaken,
    RequestRefused,
    serve,
)
from trionet.chat.client import events
from trionet.testing import Link, MemoryNetwork, ScriptedServer

ADDRESS = "localhost:22223"


@asynccontextmanager
async def chat_server(network: MemoryNetwork) -> AsyncIterator[None]:
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(serve, ADDRESS, network=network, forever=True))
        yield
        nursery.cancel_scope.cancel()


@pytest.fixture
async def network(autojump_clock: object) -> AsyncIterator[MemoryNetwork]:
    network = MemoryNetwork()
    async with chat_server(network):
        yield network


def cut(network: MemoryNetwork) -> None:
    """Break the newest connection."""
    network.streams[-1].sever()


async def next_of(client: Client, *types: str) -> Any:
    with trio.fail_after(60):
        async for event in client:
            if event.type in types:
                return event
    raise AssertionError("the events ended")


async def test_a_receipt_is_returned_and_others_hear_the_text(
    network: MemoryNetwork, autojump_clock: object
) -> None:
    async with (
        Client(ADDRESS, name="ann", network=network) as ann,
        Client(ADDRESS, name="bob", network=network) as bob,
    ):
        receipt = await ann.say("lobby", "two\nlines")
        heard = await next_of(bob, "said")
        assert (heard.name, heard.text, heard.number) == ("ann", "two\nlines", receipt.number)
        assert receipt.re is not None
        assert heard.re is None


async def test_rooms_are_kept_current(network: MemoryNetwork, autojump_clock: object) -> None:
    async with Client(ADDRESS, name="ann", network=network) as ann:
        async with Client(ADDRESS, name="bob", network=network) as bob:
            await bob.join("builds")
            room = await ann.join("builds")
            assert room.members == ["bob", "ann"]
            await bob.topic("builds", "green")
            await bob.nick("bo")
            await ann.ping()
            assert (room.topic, room.members, room.count) == ("green", ["bo", "ann"], 2)
            assert bob.name == "bo"
            assert [one.room for one in await ann.list_rooms()] == ["lobby", "builds"]
            assert await ann.who("builds") == ["bo", "ann"]
            await ann.leave("builds")
            assert [*ann.rooms] == ["lobby"]
        await ann.ping()
        assert ann.rooms["lobby"].members == ["ann"]


async def test_the_first_who_makes_the_members_of_a_large_room_complete(
    network: MemoryNetwork, autojump_clock: object, nursery: trio.Nursery
) -> None:
    async def stay(name: str) -> None:
        async with Client(ADDRESS, name=name, network=network):
            await trio.sleep_forever()

    async with Client(ADDRESS, name="first", network=network) as first:
        for i in range(24):
            nursery.start_soon(stay, f"member{i}")
        await trio.sleep(1)
        async with Client(ADDRESS, name="last", network=network) as last:
            assert len(last.rooms["lobby"].members) == 20
            everyone = await last.who("lobby")
            assert last.rooms["lobby"].members == everyone == first.rooms["lobby"].members
            assert len(everyone) == last.rooms["lobby"].count == 26
    nursery.cancel_scope.cancel()


async def test_rooms_are_current_again_after_a_slow_reader_has_missed_events(
    autojump_clock: object, nursery: trio.Nursery
) -> None:
    network = MemoryNetwork()
    limits = replace(OPEN_ROOM, max_waiting=20_000)
    await nursery.start(partial(serve, ADDRESS, network=network, limits=limits, forever=True))
    async with Client(ADDRESS, name="ann", network=network) as ann:
        slow = network.streams[-1]
        async with Client(ADDRESS, name="bob", network=network) as bob:
            slow.stall()
            for do in (bob.ping, partial(bob.topic, "lobby", "green"), partial(bob.nick, "bo")):
                await do()
                for _ in range(40):
                    await bob.say("lobby", "x" * 4000)
            slow.resume()
            await next_of(ann, "missed")
            await next_of(ann, "entered")
            assert repr(ann.rooms["lobby"]) == repr(bob.rooms["lobby"])
    nursery.cancel_scope.cancel()


async def test_a_refused_request_says_why(network: MemoryNetwork, autojump_clock: object) -> None:
    async with Client(ADDRESS, name="ann", network=network) as ann:
        with pytest.raises(RequestRefused) as refused:
            await ann.say("nowhere", "hello")
        assert refused.value.code == "not-in-room"
        assert refused.value.reason
        assert (await ann.say("lobby", "still here")).text == "still here"


async def test_names_are_refused_at_entering(
    network: MemoryNetwork, autojump_clock: object
) -> None:
    async with Client(ADDRESS, name="ann", network=network):
        with pytest.raises(NameTaken):
            async with Client(ADDRESS, name="Ann", network=network):
                pass
        with pytest.raises(NameRefused):
            async with Client(ADDRESS, name="error", network=network):
                pass


async def test_nobody_answering_at_first_is_an_error(autojump_clock: object) -> None:
    with pytest.raises(ConnectError):
        async with Client(ADDRESS, name="ann", network=MemoryNetwork()):
            pass


async def test_many_tasks_get_their_own_receipts(
    network: MemoryNetwork, autojump_clock: object
) -> None:
    texts = [f"text {i}" for i in range(200)]
    receipts = []

    async def say(client: Client, text: str) -> None:
        receipt = await client.say("lobby", text)
        assert receipt.text == text
        receipts.append(receipt.number)

    async with Client(ADDRESS, name="ann", network=network) as ann, trio.open_nursery() as nursery:
        for text in texts:
            nursery.start_soon(say, ann, text)
    assert len({*receipts}) == 200


async def test_leaving_quits_and_is_not_a_lost_line(
    network: MemoryNetwork, autojump_clock: object
) -> None:
    async with Client(ADDRESS, name="bob", network=network) as bob:
        started = trio.current_time()
        async with Client(ADDRESS, name="ann", network=network):
            pass
        assert trio.current_time() - started < 1
        left = await next_of(bob, "left")
        assert (left.name, left.reason) == ("ann", "quit")
        with pytest.raises(ZeroDivisionError):
            async with Client(ADDRESS, name="cid", network=network):
                raise ZeroDivisionError
        left = await next_of(bob, "left")
        assert (left.name, left.reason) == ("cid", "quit")
        with trio.move_on_after(1):
            async with Client(ADDRESS, name="dan", network=network):
                await trio.sleep_forever()
        left = await next_of(bob, "left")
        assert (left.name, left.reason) == ("dan", "quit")


async def test_a_closed_client_ends_its_events_and_refuses_requests(
    network: MemoryNetwork, autojump_clock: object
) -> None:
    async with Client(ADDRESS, name="ann", network=network) as ann:
        pass
    assert [event.type async for event in ann] == ["welcome", "entered"]
    with pytest.raises(trio.ClosedResourceError):
        await ann.say("lobby", "too late")


async def test_a_client_comes_back_after_a_restart_and_goes_on(autojump_clock: object) -> None:
    network = MemoryNetwork()
    async with trio.open_nursery() as nursery:
        start = partial(serve, ADDRESS, network=network, forever=True)
        scope = await nursery.start(_in_scope, start)
        async with Client(ADDRESS, name="ann", network=network) as ann:
            await ann.join("builds")
            scope.cancel()
            await trio.sleep(1)
            scope = await nursery.start(_in_scope, start)
            assert (await ann.say("builds", "back")).text == "back"
            assert [*ann.rooms] == ["lobby", "builds"]
            with trio.fail_after(60):
                missed = [await next_of(ann, "missed") for _ in range(2)]
            assert [one.room for one in missed] == ["lobby", "builds"]
        scope.cancel()


async def _in_scope(start: Any, task_status: Any) -> None:
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:
            await nursery.start(start)
            task_status.started(scope)


async def test_a_server_of_another_protocol_is_told(autojump_clock: object) -> None:
    network = MemoryNetwork()

    async def greet(connection: Any) -> None:
        await connection.send("220 mail.example ESMTP")
        async for _ in connection:
            pass

    async with trio.open_nursery() as nursery:
        await nursery.start(partial(trionet.serve, greet, ADDRESS, network=network))
        with pytest.raises(ConnectionLost, match="does not speak this protocol"):
            async with Client(ADDRESS, name="ann", network=network):
                pass
        nursery.cancel_scope.cancel()


async def test_an_answer_of_another_kind_is_told(autojump_clock: object) -> None:
    network = MemoryNetwork()

    async def answer(server: ScriptedServer) -> None:
        peer = await server.accept()
        login, ping = [json.loads(await peer.receive()) for _ in range(2)]
        welcome = {"type": "welcome", "name": "ann", "token": "t", "epoch": "e", "resumed": False}
        entered = {"type": "entered", "room": "lobby", "topic": "", "members": ["ann"]}
        for event in (welcome, {**entered, "count": 1, "last": 0}):
            await peer.send(json.dumps({**event, "re": login["id"]}))
        await peer.send(json.dumps({"type": "pong", "re": ping["id"]}))
        asked = json.loads(await peer.receive())
        await peer.send(json.dumps({"type": "pong", "re": asked["id"]}))

    async with ScriptedServer(network, ADDRESS) as server, trio.open_nursery() as nursery:
        nursery.start_soon(answer, server)
        with trio.fail_after(60):
            async with Client(ADDRESS, name="ann", network=network) as ann:
                with pytest.raises(
                    ConnectionLost, match="does not speak this protocol: a pong for a join"
                ):
                    await ann.join("builds")


async def test_a_connection_cut_twenty_times_loses_and_doubles_nothing(
    autojump_clock: object,
) -> None:
    network = MemoryNetwork(link=Link(latency=0.03))
    heard: list[Any] = []
    own: list[str] = []
    texts = [f"text {i}" for i in range(200)]

    async def listen(client: Client, take: Any) -> None:
        async for event in client:
            assert event.type not in ("missed", "left", "error"), event
            if event.type == "said":
                take(event)

    async with chat_server(network):  # noqa: SIM117  the server outlives them
        # The one who is cut connects last, so that its streams are the newest.
        async with (
            Client(ADDRESS, name="bob", network=network) as bob,
            Client(ADDRESS, name="ann", network=network) as ann,
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(listen, bob, heard.append)
            nursery.start_soon(listen, ann, lambda event: own.append(event.text))
            async with trio.open_nursery() as talking:

                async def cut_often() -> None:
                    for i in range(20):
                        await trio.sleep(0.4 + i * 0.013)
                        cut(network)

                async def answer() -> None:
                    for i in range(100):
                        await bob.say("lobby", f"bob {i}")
                        await trio.sleep(0.1)

                talking.start_soon(cut_often)
                talking.start_soon(answer)
                for text in texts:
                    await ann.say("lobby", text)
            await ann.ping()
            await bob.ping()
            await trio.sleep(1)
            nursery.cancel_scope.cancel()
    assert len(network.streams) > 15
    assert [event.text for event in heard if event.name == "ann"] == texts
    assert own == [event.text for event in heard]
    assert len(own) == 300


async def test_the_history_is_paged_both_ways(
    network: MemoryNetwork, autojump_clock: object
) -> None:
    async with Client(ADDRESS, name="ann", network=network) as ann:
        async with trio.open_nursery() as nursery:
            for i in range(450):
                nursery.start_soon(ann.say, "lobby", f"text {i}")
        newest_first = [event.number async for event in ann.history("lobby")]
        oldest_first = [event.number async for event in ann.history("lobby", after=0)]
        assert newest_first == oldest_first[::-1]
        assert oldest_first == sorted({*oldest_first})
        assert len(oldest_first) > 450
        found = await ann.search("449")
        assert [getattr(event, "text", "") for event in found.events] == ["text 449"]
        receipt = await ann.say("lobby", "a secret")
        assert (await ann.remove("lobby", receipt.number)).of == receipt.number


async def test_a_cancelled_message_is_never_said_twice(
    network: MemoryNetwork, autojump_clock: object
) -> None:
    async with (
        Client(ADDRESS, name="bob", network=network) as bob,
        Client(ADDRESS, name="ann", network=network) as ann,
    ):
        for i in range(20):
            with trio.move_on_after(0):
                await ann.say("lobby", f"text {i}")
            with trio.CancelScope() as scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(ann.say, "lobby", f"started {i}")
                    await trio.testing.wait_all_tasks_blocked()
                    scope.cancel()
            cut(network)
            await trio.sleep(0.5)
        await ann.say("lobby", "end")
        heard: list[str] = []
        async for event in bob:
            if isinstance(event, events.Said):
                heard.append(event.text)
                if event.text == "end":
                    break
        assert len(heard) == len({*heard})


async def test_each_pause_is_told_with_its_length_and_reason(autojump_clock: object) -> None:
    network = MemoryNetwork()
    pauses: list[tuple[float, str]] = []

    def note(seconds: float, why: str) -> None:
        pauses.append((seconds, why))

    entering = Client(ADDRESS, name="ann", network=network, on_pause=note)
    async with chat_server(network), entering as ann:
        cut(network)
        await ann.say("lobby", "back")
    [(seconds, why)] = pauses
    assert 0.18 < seconds < 0.32
    assert why == "the server closed the connection"


async def test_a_fault_of_a_callback_is_not_lost_among_the_tasks_it_cancels(
    network: MemoryNetwork, autojump_clock: object
) -> None:
    def fail(seconds: float, why: str) -> None:
        raise ZeroDivisionError

    with pytest.RaisesGroup(ZeroDivisionError, flatten_subgroups=True):
        async with (
            Client(ADDRESS, name="ann", network=network, on_pause=fail),
            trio.open_nursery() as nursery,
        ):
            for _ in range(2):
                nursery.start_soon(trio.sleep_forever)
            cut(network)


async def test_what_the_block_raises_is_raised_by_itself_and_a_cancellation_as_it_is(
    network: MemoryNetwork, autojump_clock: object
) -> None:
    with trio.move_on_after(1) as scope:
        async with (
            Client(ADDRESS, name="ann", network=network),
            trio.open_nursery() as nursery,
        ):
            for _ in range(2):
                nursery.start_soon(trio.sleep_forever)
    assert scope.cancelled_caught
    with trio.CancelScope() as scope, pytest.raises(ZeroDivisionError):
        async with Client(ADDRESS, name="ann", network=network):
            scope.cancel()
            raise ZeroDivisionError


async def test_a_loop_over_the_past_may_be_left_in_any_way(
    network: MemoryNetwork, autojump_clock: object
) -> None:
    async with Client(ADDRESS, name="ann", network=network) as ann:
        for _ in range(5):
            await ann.say("lobby", "x")
        async for newest in ann.history("lobby"):
            assert newest.number == 6
            break
        async with aclosing(ann.history("lobby", after=2)) as past:
            assert (await anext(past)).number == 3
        assert [one async for one in past] == []
        between = [one.number async for one in ann.history("lobby", after=2, before=5)]
        assert between == [3, 4]
        wrong: list[dict[str, Any]] = [{"after": "2"}, {"before": 2.5}, {"after": True}]
        for arguments in wrong:
            with pytest.raises(TypeError):
                ann.history("lobby", **arguments)
