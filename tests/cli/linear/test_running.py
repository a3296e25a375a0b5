"""The chat as lines, with a real server on a network in memory and a person made of channels."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, cast

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from trionet import chat
from trionet.chat import Client, NameRefused
from trionet.chat.client.events import ChatEvent, Left, Said
from trionet.cli.client_link import ClientLink
from trionet.cli.linear import running
from trionet.cli.linear.running import run_linear
from trionet.cli.pasting import mark_paste
from trionet.cli.running import Runtime
from trionet.cli.user_interface import UserInterface
from trionet.connection.linestream import LineStream
from trionet.errors import BadLine, ConnectError, ConnectionLost
from trionet.lines import Line
from trionet.testing import MemoryNetwork

ADDRESS = "localhost:22223"


class Person:
    """Types lines, and has those that were shown in `shown`."""

    def __init__(self, network: MemoryNetwork, name: str | None) -> None:
        self.shown: list[str] = []
        self.returned: list[str] = []
        self.error: Exception | None = None
        self.ended = trio.Event()
        self._network = network
        self._name = name
        self._typed, self._lines = trio.open_memory_channel[Line](100)

    def ui(self) -> UserInterface:
        return UserInterface(
            is_interactive=True,
            lines=self._lines,
            ask=self._ask,
            show=self.shown.append,
            note=self.shown.append,
            warn=lambda warning: self.shown.append(f"warning: {warning}"),
            refuse=lambda line, reason, _: self.shown.append(f"refused: {line}{reason}"),
            give_back=self.returned.append,
            expect_answer=lambda _: None,
            wait_room=trio.lowlevel.checkpoint,
        )

    async def _ask(self, question: str) -> str | None:
        self.shown.append(question)
        try:
            return str(await self._lines.receive())
        except trio.EndOfChannel:
            return None

    async def type(self, *lines: Line) -> None:
        for line in lines:
            self._typed.send_nowait(line)
        await settle()

    async def paste(self, *lines: Line) -> None:
        await self.type(*mark_paste(lines))

    def end_input(self) -> None:
        self._typed.close()

    async def run(self, monkeypatch: pytest.MonkeyPatch) -> None:
        @asynccontextmanager
        async def open_user_interface(
            runtime: Runtime, *, plain: bool, indent: bool
        ) -> AsyncIterator[UserInterface]:
            assert (plain, indent) == (False, True)
            yield self.ui()

        monkeypatch.setattr(running, "open_user_interface", open_user_interface)
        try:
            await run_linear(ADDRESS, cast(Runtime, None), name=self._name, network=self._network)
        except (ConnectionLost, ConnectError, NameRefused) as error:
            self.error = error
        finally:
            self.ended.set()

    def take(self) -> list[str]:
        taken, self.shown[:] = self.shown[:], []
        return taken


class World:
    """A network with a server, and people on it."""

    def __init__(self, nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch) -> None:
        self.network = MemoryNetwork()
        self.links: list[ClientLink] = []
        self._nursery = nursery
        self._monkeypatch = monkeypatch

        class KnownLink(ClientLink):
            def __init__(link, *arguments: Any, **options: Any) -> None:  # noqa: N805
                super().__init__(*arguments, **options)
                self.links.append(link)

        monkeypatch.setattr(running, "ClientLink", KnownLink)

    async def serve(self) -> trio.CancelScope:
        scope = trio.CancelScope()

        async def serve(task_status: Any = trio.TASK_STATUS_IGNORED) -> None:
            with scope:
                serving = partial(chat.serve, network=self.network, forever=True)
                await serving(ADDRESS, task_status=task_status)

        await self._nursery.start(serve)
        return scope

    async def join(self, name: str | None = "Ann", *, scope: Any = None) -> Person:
        person = Person(self.network, name)

        async def run() -> None:
            with scope or trio.CancelScope():
                await person.run(self._monkeypatch)

        self._nursery.start_soon(run)
        await settle()
        return person


async def settle() -> None:
    # Virtual time: all that was sent has arrived.
    await trio.sleep(0.1)


async def events(client: Client, kind: type[ChatEvent]) -> Any:
    async for event in client:
        if isinstance(event, kind):
            return event
    raise AssertionError("the client has ended")


@pytest.fixture
async def world(
    nursery: trio.Nursery,
    monkeypatch: pytest.MonkeyPatch,
) -> World:
    return World(nursery, monkeypatch)


async def test_a_conversation_is_lines_in_their_order(
    autojump_clock: MockClock, world: World
) -> None:
    await world.serve()
    ann = await world.join()
    assert ann.take() == ["*** welcome, Ann (1 here: Ann)"]
    async with Client(ADDRESS, name="Bea", network=world.network) as bea:
        await bea.say("lobby", "hello, Ann")
        await ann.type("hi", "/me waves", "/who", "/topic")
        assert ann.take() == [
            *("*** Bea joined (2 here)", "(mention) Bea: hello, Ann", "*** no topic"),
            "*** 2 here: Ann, Bea",
        ]
        # One request at a time: an answer and an event that come together go to two tasks.
        await ann.type("/topic tea", "/topic")
        assert ann.take() == ["*** no topic", "*** Ann set the topic: tea"]
        await ann.type("/rooms")
        await bea.tell("Ann", "psst")
        await settle()
        assert ann.take() == ["*** rooms: lobby (2)", "[Bea to you] psst"]
        said = [await events(bea, Said) for _ in range(2)]
        assert [event.text for event in said] == ["hello, Ann", "hi"]
        await bea.join("builds")
        await ann.type("/reply yes?", "/join builds", "broken", "/join lobby")
        event = await events(bea, Said)
        assert (event.room, event.text) == ("builds", "broken")
        await bea.say("builds", "repaired")
        await ann.type("/join lobby", "/leave builds")
        assert ann.take() == [
            "*** you speak in lobby now (2 here)",
            "[you to Bea] yes?",
            "*** you are in builds (2 here: Bea, Ann)",
            "[builds] Bea: repaired",
            "*** you speak in lobby now (2 here)",
            "*** you have left builds",
        ]
    await settle()
    assert ann.take() == ["*** Bea left (1 here)"]
    await ann.type("q")
    await ann.ended.wait()
    assert ann.error is None
    assert ann.take() == []


async def test_what_is_typed_ahead_of_the_welcome_is_said_behind_it(
    autojump_clock: MockClock, world: World
) -> None:
    await world.serve()
    ann = await world.join(None)
    await ann.type("Ann", "hello", "/who")
    assert ann.take() == [
        *("name: ", "*** welcome, Ann (1 here: Ann)", "*** 1 here: Ann"),
    ]
    ann.end_input()
    await ann.ended.wait()


async def test_history_and_search_are_told_on_demand(
    autojump_clock: MockClock, world: World
) -> None:
    await world.serve()
    async with Client(ADDRESS, name="Bea", network=world.network) as bea:
        for number in range(30):
            await bea.say("lobby", f"line {number}")
        ann = await world.join()
        ann.take()
        await ann.type("/history 3")
        shown = ann.take()
        assert shown[0] == "*** 3 events of lobby, oldest first:"
        assert [line.partition("] ")[2] for line in shown[1:-1]] == [
            *("Bea: line 28", "Bea: line 29", "*** Ann joined (2 here)"),
        ]
        assert shown[-1] == "*** end of the past, /more shows what was before"
        await ann.type("/more")
        assert [line.partition("] ")[2] for line in ann.take()[1:-1]] == [
            *("Bea: line 25", "Bea: line 26", "Bea: line 27"),
        ]
        await ann.type("/search line 7")
        assert [line.partition("] ")[2] for line in ann.take()[1:-1]] == ["Bea: line 7"]
        await ann.type("/history 200")
        assert ann.take()[-1] == "*** end of the past"
        ann.end_input()
        await ann.ended.wait()


async def test_over_a_restart_nothing_is_lost_or_doubled(
    autojump_clock: MockClock, world: World
) -> None:
    first = await world.serve()
    ann = await world.join()
    assert ann.take() == ["*** welcome, Ann (1 here: Ann)"]
    first.cancel()
    await trio.sleep(5)
    shown = ann.take()
    assert len(shown) == 1
    assert shown[0].startswith("*** the connection is lost, reconnecting in ")
    await ann.type("said while the line was down")
    assert ann.take() == ["*** not connected: this waits for the connection"]
    await world.serve()
    await trio.sleep(5)
    assert ann.take() == [
        "*** connected again",
        "*** the server started again: the last messages may be missing",
        "*** you are in lobby again (1 here: Ann)",
    ]
    async with Client(ADDRESS, name="Bea", network=world.network) as bea:
        texts = [event.text async for event in bea.history("lobby") if isinstance(event, Said)]
        assert texts == ["said while the line was down"]
        await bea.say("lobby", "hello")
        await settle()
        assert ann.take()[-2:] == ["*** Bea joined (2 here)", "Bea: hello"]
    ann.end_input()
    await ann.ended.wait()


@pytest.mark.parametrize("how", ["q", "/quit", "end of input"])
async def test_what_was_typed_before_leaving_is_said_first(
    autojump_clock: MockClock, world: World, how: str
) -> None:
    await world.serve()
    async with Client(ADDRESS, name="Bea", network=world.network) as bea:
        ann = await world.join()
        typed = [f"line {number}" for number in range(90)]
        if how == "end of input":
            await ann.type(*typed)
            ann.end_input()
        else:
            await ann.type(*typed, how)
        await ann.ended.wait()
        assert [(await events(bea, Said)).text for _ in typed] == typed
        left = await events(bea, Left)
        assert (left.name, left.reason) == ("Ann", "quit")
    assert ann.error is None


async def test_whoever_leaves_while_the_line_is_down_is_told_what_was_not_sent(
    autojump_clock: MockClock,
    world: World,
) -> None:
    first = await world.serve()
    ann = await world.join()
    first.cancel()
    await trio.sleep(5)
    await ann.type("lost")
    ann.take()
    began = trio.current_time()
    await ann.type("q")
    await ann.ended.wait()
    assert trio.current_time() - began < 1
    assert ann.take() == ["error: 1 request not answered: perhaps not sent"]


async def test_a_paste_is_one_message_if_the_person_wants_it(
    autojump_clock: MockClock, world: World
) -> None:
    await world.serve()
    async with Client(ADDRESS, name="Bea", network=world.network) as bea:
        ann = await world.join()
        ann.take()
        await ann.paste("one", "q", "/who")
        assert ann.take() == ["send 3 lines as one message? y/n"]
        await ann.type("")
        assert (await events(bea, Said)).text == "one\nq\n/who"
        await ann.paste("one", "two", BadLine("line is not UTF-8", b""))
        assert ann.take() == [
            *("send 2 lines as one message? y/n", "refused: line is not UTF-8"),
        ]
        await ann.type("n")
        assert (ann.take(), ann.returned) == (["*** not sent"], ["one\ntwo"])
        ann.end_input()
        await ann.ended.wait()


async def test_a_name_is_asked_for_until_one_can_be_had(
    autojump_clock: MockClock, world: World
) -> None:
    await world.serve()
    async with Client(ADDRESS, name="Bea", network=world.network):
        ann = await world.join("bea")
        await ann.type("exit", "a:b", "caf\udce9", "Ann")
        assert ann.take() == [
            *("warning: the name bea is taken", "name: ", "leave? (q)", "name: "),
            *("warning: a name cannot have a :", "name: "),
            *("warning: half of a surrogate pair in a line", "name: "),
            "*** welcome, Ann (2 here: Bea, Ann)",
        ]
        other = await world.join(None)
        await other.type("q")
        await other.ended.wait()
        third = await world.join(None)
        third.end_input()
        await third.ended.wait()
        assert other.take() == third.take() == ["name: "]
        ann.end_input()
        await ann.ended.wait()


async def test_a_server_that_does_not_answer_is_an_error(
    autojump_clock: MockClock, world: World
) -> None:
    ann = await world.join()
    await ann.ended.wait()
    assert isinstance(ann.error, ConnectError)


async def test_a_member_that_is_taken_over_ends_with_the_reason(
    autojump_clock: MockClock, world: World
) -> None:
    await world.serve()
    ann = await world.join()
    client = world.links[0]._client
    login = {"type": "login", "name": "Ann", "token": client._connection.state._token}
    async with await world.network.connect(ADDRESS) as stream:
        await LineStream(stream).send(json.dumps(login))
        await ann.ended.wait()
    assert isinstance(ann.error, ConnectionLost)
    assert str(ann.error) == "another connection has taken this member over"


async def test_a_cancelled_client_leaves_at_once(autojump_clock: MockClock, world: World) -> None:
    await world.serve()
    async with Client(ADDRESS, name="Bea", network=world.network) as bea:
        scope = trio.CancelScope()
        ann = await world.join(scope=scope)
        scope.cancel()
        left = await events(bea, Left)
        assert (left.name, left.reason) == ("Ann", "quit")
        await ann.ended.wait()
