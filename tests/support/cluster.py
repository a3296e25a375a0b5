"""One chat on several nodes as real processes, each with a line to Redis of its own that can break.

Members are `trionet.chat.Client`s. A *watcher* keeps what it was told; all watchers must have been
told the same in the end.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import trio

from faulty_line import FaultyLine, open_line
from redis_server import RedisServer
from trionet import chat
from trionet.errors import TrionetError

# Seconds for what takes a fraction of one, even on a loaded machine.
PATIENCE = 20.0

# What everybody has told and was told, in this order: number, type, name, text.
Told = tuple[int, str, str, str]


class Node:
    """A node: a process, and its line to Redis.

    Attributes:
        name: what the test calls it.
        line: its line to Redis.
        address: where it serves. It stays the same through restarts.
    """

    def __init__(self, name: str, line: FaultyLine, folder: Path, options: tuple[str, ...]) -> None:
        self.name = name
        self.line = line
        self.address = "127.0.0.1:0"
        self._options = options
        self._log = folder / f"{name}.log"
        self._process: trio.Process | None = None

    async def start(self) -> None:
        """Start it, and wait until it serves."""
        command = [sys.executable, "-m", "trionet", "chat", "serve", self.address, "--quiet"]
        command += ["--redis", f"redis://127.0.0.1:{self.line.port}/0", "--rate", "0"]
        with self._log.open("ab") as log:
            self._process = await trio.lowlevel.open_process(
                [*command, *self._options],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
            )
        assert self._process.stdout is not None
        said = b""
        with trio.move_on_after(PATIENCE):
            while b"\n" not in said and (data := await self._process.stdout.receive_some()):
                said += data
        assert said.startswith(b"listening on "), f"{self.name} does not serve:\n{self.log}"
        self.address = said.decode().removeprefix("listening on ").partition("\n")[0]

    @property
    def log(self) -> str:
        """What it has logged, in all its lives."""
        return self._log.read_text()

    def send_signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    async def wait(self) -> int:
        """Wait for its end, and return its status."""
        assert self._process is not None
        with trio.fail_after(PATIENCE):
            status = await self._process.wait()
        if self._process.stdout is not None:
            await self._process.stdout.aclose()
        return status

    async def kill(self) -> None:
        """Kill it, if it still runs."""
        if self._process is not None:
            # Whatever its state is: SIGKILL ends a stopped process, too.
            self._process.kill()
            await self.wait()


class Cluster:
    """Nodes and their Redis; made by `open_cluster`.

    Attributes:
        nodes: the nodes.
        accepted: what was said and has a receipt, with the receipt's number.
        said: what was said, with a receipt or not.
    """

    def __init__(self, nodes: list[Node]) -> None:
        self.nodes = nodes
        self.accepted: dict[str, int] = {}
        self.said: set[str] = set()

    async def talk(self, node: Node, name: str, count: int, *, pause: float = 0.0) -> None:
        """Say so many texts in the lobby as a new member of a node, one after the other."""
        async with chat.Client(node.address, name=name) as member:
            for _ in range(count):
                await self.say(member, f"{name}-{len(self.said)}")
                await trio.sleep(pause)

    async def say(self, member: chat.Client, text: str) -> None:
        """Say something in the lobby, and note whether it was accepted."""
        self.said.add(text)
        try:
            receipt = await member.say("lobby", text)
        except TrionetError:
            return
        self.accepted[text] = receipt.number

    @property
    def breaks(self) -> int:
        """How often a line has broken between request and reply."""
        return sum(
            count
            for node in self.nodes
            for fault, count in node.line.faults.items()
            if fault.name != "NONE"
        )

    def check(self, watchers: list[Watcher], *, numbers: bool = True) -> None:
        """Check that all were told the same, and everything that was accepted once.

        Args:
            watchers: who was told.
            numbers: whether receipts have the numbers of what was told. After a new epoch they
                need not.
        """
        first, *others = (watcher.transcript() for watcher in watchers)
        for watcher, transcript in zip(watchers[1:], others, strict=True):
            assert transcript == first, difference(first, transcript, watcher.name)
        texts = Counter(text for _, kind, _, text in first if kind == "said")
        twice = [text for text, count in texts.items() if count > 1]
        assert not twice, f"told more than once: {twice[:10]}"
        lost = [text for text in self.accepted if text not in texts]
        with_numbers = {text: self.accepted[text] for text in lost[:10]}
        assert not lost, f"accepted and never told: {with_numbers} ({len(lost)})"
        strange = [text for text in texts if text not in self.said]
        assert not strange, f"told and never said: {strange[:10]}"
        if numbers:
            told = {text: number for number, kind, _, text in first if kind == "said"}
            assert {text: told[text] for text in self.accepted} == self.accepted


def difference(one: list[Told], other: list[Told], name: str) -> str:
    """Return where two transcripts differ."""
    for place, (left, right) in enumerate(zip(one, other, strict=False)):
        if left != right:
            return (
                f"{name} differs at {place}: {one[place : place + 3]}, {other[place : place + 3]}"
            )
    return f"{name} was told {len(other)} events and the first {len(one)}"


class Watcher:
    """A member that says nothing and keeps what it was told; made by `open_watcher`.

    Attributes:
        name: what it is called.
        events: all that it was told.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.events: list[Any] = []
        self._changed = trio.Event()

    async def listen(self, member: chat.Client) -> None:
        """Take what comes, until cancelled."""
        async for event in member:
            self.events.append(event)
            self._changed.set()
            self._changed = trio.Event()

    async def wait_for(self, is_met: Callable[[Any], bool], *, seconds: float = PATIENCE) -> Any:
        """Wait until an event came for which a function is true, and return the first such."""
        place = 0
        with trio.move_on_after(seconds):
            while True:
                for event in self.events[place:]:
                    if is_met(event):
                        return event
                place = len(self.events)
                await self._changed.wait()
        raise AssertionError(f"{self.name} was not told in {seconds} s; last: {self.events[-5:]}")

    async def wait_said(self, text: str, *, seconds: float = PATIENCE) -> None:
        """Wait until it was told a text."""
        await self.wait_for(lambda event: getattr(event, "text", None) == text, seconds=seconds)

    def transcript(self) -> list[Told]:
        """Return what it was told of the lobby between the texts `begin` and `end`."""
        told = [
            (event.number, event.type, event.name, getattr(event, "text", ""))
            for event in self.events
            if hasattr(event, "number") and getattr(event, "room", "") == "lobby"
        ]
        texts = [text for *_, text in told]
        return told[texts.index("begin") + 1 : texts.index("end")]

    def count(self, kind: str, **fields: object) -> int:
        """Return how many events of a type with these fields it was told."""
        return sum(
            event.type == kind
            and all(getattr(event, key) == value for key, value in fields.items())
            for event in self.events
        )


@asynccontextmanager
async def open_watcher(node: Node, name: str) -> AsyncIterator[Watcher]:
    """Watch a node for as long as the block runs."""
    watcher = Watcher(name)
    async with chat.Client(node.address, name=name) as member, trio.open_nursery() as nursery:
        nursery.start_soon(watcher.listen, member)
        yield watcher
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def open_cluster(
    redis: RedisServer, folder: Path, *options: str, nodes: int = 3
) -> AsyncIterator[Cluster]:
    """Serve one chat on several nodes for as long as the block runs.

    Args:
        redis: their Redis, which runs.
        folder: where they log.
        options: of `chat serve`.
        nodes: how many.
    """
    async with AsyncExitStack() as stack:
        started: list[Node] = []
        for number in range(1, nodes + 1):
            line = await stack.enter_async_context(open_line(redis.port))
            started.append(Node(f"node{number}", line, folder, options))
        try:
            async with trio.open_nursery() as starting:
                for node in started:
                    starting.start_soon(node.start)
            yield Cluster(started)
        finally:
            with trio.CancelScope(shield=True):
                for node in started:
                    await node.kill()


@asynccontextmanager
async def watched(cluster: Cluster) -> AsyncIterator[list[Watcher]]:
    """Watch every node for as long as the block runs. `finish` ends what is compared."""
    async with AsyncExitStack() as stack:
        watchers = [
            await stack.enter_async_context(open_watcher(node, f"watcher{number}"))
            for number, node in enumerate(cluster.nodes)
        ]
        await mark(cluster, watchers, "begin")
        yield watchers


async def mark(cluster: Cluster, watchers: list[Watcher], text: str) -> None:
    """Say a text at the first node, and wait until everybody was told."""
    async with chat.Client(cluster.nodes[0].address, name=f"marks-{text}") as member:
        with trio.fail_after(PATIENCE):
            await member.say("lobby", text)
    for watcher in watchers:
        await watcher.wait_said(text)


async def all_talk(cluster: Cluster, *, talkers: int, texts: int, pause: float = 0.0) -> None:
    """Have so many members of each node say so many texts at once."""
    async with trio.open_nursery() as nursery:
        for node in cluster.nodes:
            for number in range(talkers):
                name = f"{node.name}-talker{number}"
                nursery.start_soon(partial(cluster.talk, node, name, texts, pause=pause))
