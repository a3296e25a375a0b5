"""`trionet demo`: both services at work, with real servers, clients and sockets, from a script.

What each actor sees is compared with the script, so the demo is also a check.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial

import trio

from trionet import calc, chat
from trionet.cli.client_leaving import until_interrupted
from trionet.cli.running import Runtime
from trionet.connection.linestream import LineStream
from trionet.errors import TrionetError
from trionet.lines import Line
from trionet.server import Server
from trionet.transport.network import SYSTEM

# How long to wait for a line. Even on a loaded machine it takes milliseconds, if it comes at all.
_PATIENCE_SECONDS = 10.0

# How many lines may wait until the script looks at them. The script has a dozen; more can only come
# from a stranger, because any process on this machine can connect to the demo's servers.
_MAX_SEEN = 100

_INTRODUCTION = """\
trionet demo: real servers, real clients, real sockets, all on this machine.

    name  > what somebody types
    name  < what somebody sees
    server| what a server prints
"""


class Differs(TrionetError):
    """What happened differs from the script."""


class _Actor:
    """An actor in the script, who types and sees lines: a client, or a server's console."""

    def __init__(self, name: str, runtime: Runtime, *, mark: str = "<") -> None:
        self.name = name
        self._runtime = runtime
        self._mark = mark
        self._typed, self.types = trio.open_memory_channel[Line](_MAX_SEEN)
        self._sees, self._seen = trio.open_memory_channel[str](_MAX_SEEN)

    def type(self, line: str) -> None:
        """Type a line. The client reads it from `types`."""
        self._print(">", line)
        self._typed.send_nowait(line)

    def see(self, line: str) -> None:
        """Receive a line that is shown. The script checks it with `expect`."""
        # If there are too many, the script will miss this one and say so.
        with suppress(trio.WouldBlock):
            self._sees.send_nowait(line)

    def warned(self, warning: str) -> None:
        """Receive a warning."""
        self.see(f"warning: {warning}")

    def refused(self, line: str, error: TrionetError) -> None:
        """Take back a line that is not sent, and the reason."""
        self.warned(f"{line}: {error}")

    async def expect(self, *lines: str) -> None:
        """Check that these lines come next, and print them."""
        for expected in lines:
            line = None
            with trio.move_on_after(_PATIENCE_SECONDS):
                line = await self._seen.receive()
            if line != expected:
                raise Differs(f"{self.name} should see {expected!r}, but saw {line!r}")
            self._print(self._mark, line)

    def expect_nothing_more(self) -> None:
        """Check that no other lines came."""
        try:
            line = self._seen.receive_nowait()
        except trio.WouldBlock:
            return
        raise Differs(f"{self.name} also saw {line!r}")

    def _print(self, mark: str, line: str) -> None:
        self._runtime.out.print(f"    {self.name:<6}{mark} {line}")


async def show(runtime: Runtime) -> None:
    """Play both scripts.

    Raises:
        Differs: what happened differs from the script; may come in an exception group.
    """
    await until_interrupted(partial(_show, runtime), runtime)


async def _show(runtime: Runtime) -> None:
    runtime.out.print(_INTRODUCTION)
    await _show_calculator(runtime)
    runtime.out.print("")
    await _show_chat(runtime)
    runtime.out.print("\nAll as it should be.")


async def _start(
    nursery: trio.Nursery, serve: Callable[..., Awaitable[None]], runtime: Runtime
) -> str:
    """Start a server on a free port and return its address."""
    server: Server = await nursery.start(serve)
    address = server.addresses[0]
    runtime.out.print(f"    server| listening on {address}")
    return address


async def _show_calculator(runtime: Runtime) -> None:
    server = _Actor("server", runtime, mark="|")
    ann, ben = _Actor("ann", runtime), _Actor("ben", runtime)
    runtime.out.print("The calculator serves one client at a time.\n")
    async with trio.open_nursery() as nursery:
        address = await _start(
            nursery, partial(calc.serve, "127.0.0.1:0", show=server.see), runtime
        )
        nursery.start_soon(_calculate, ann, address)
        await server.expect("ann connected")
        for operation, result in (
            ("12 + 42", "54"),
            ("3.24 - 45", "-41.76"),
            ("4.5 / -6", "-0.75"),
            ("0.1 + 0.2", "0.3"),
            ("(ans + 1) * 2^10", "1331.2"),
        ):
            ann.type(operation)
            await ann.expect(result)
            await server.expect(f"ann: {operation} = {result}")
        ann.type("12 + (42")
        await ann.expect("warning: 12 + (42: unclosed ( at column 6")
        ann.type("1 / 0")
        await ann.expect("error: division by zero")
        await server.expect("ann: 1 / 0: error: division by zero")
        runtime.out.print("\n  Ben comes, and has to wait until Ann is done.\n")
        nursery.start_soon(_calculate, ben, address)
        ben.type("2 * 21")
        ann.type("q")
        await ann.expect("Session ended")
        await server.expect("Session ended", "ben connected")
        await ben.expect("42")
        await server.expect("ben: 2 * 21 = 42")
        ben.type("q")
        await ben.expect("Session ended")
        await server.expect("Session ended")
        nursery.cancel_scope.cancel()
    for actor in (server, ann, ben):
        actor.expect_nothing_more()


async def _calculate(actor: _Actor, address: str) -> None:
    async with await SYSTEM.connect(address) as stream:
        await calc.converse(stream, actor.name, actor.types, show=actor.see, refuse=actor.refused)


async def _show_chat(runtime: Runtime) -> None:
    server = _Actor("server", runtime, mark="|")
    ann, bob, cid = (_Actor(name, runtime) for name in ("ann", "bob", "cid"))
    runtime.out.print("The chat ends when its last member has left.\n")
    async with trio.open_nursery() as nursery:
        address = await _start(
            nursery, partial(chat.serve, "127.0.0.1:0", show=server.see), runtime
        )

        nursery.start_soon(_chat, ann, address)
        ann.type("Ann")
        await ann.expect("*** welcome, Ann (1 here: Ann)")
        await server.expect("*** Ann joined (1 here)")

        nursery.start_soon(_chat, bob, address)
        bob.type("ann")
        await bob.expect("error: the name ann is taken")
        bob.type("Bob")
        await bob.expect("*** welcome, Bob (2 here: Ann, Bob)")
        await _all_expect("*** Bob joined (2 here)", ann, server)

        nursery.start_soon(_chat, cid, address)
        cid.type("Cid")
        await cid.expect("*** welcome, Cid (3 here: Ann, Bob, Cid)")
        await _all_expect("*** Cid joined (3 here)", ann, bob, server)

        ann.type("hello, you two")
        await _all_expect("Ann: hello, you two", bob, cid)
        bob.type("/me waves")
        await _all_expect("* Bob waves", ann, cid)
        cid.type("/who")
        await cid.expect("*** 3 here: Ann, Bob, Cid")

        runtime.out.print("\n  Bob goes to another room, where a program is, and comes back.\n")
        bob.type("/join builds")
        await bob.expect("*** welcome, Bob (1 here: Bob)")
        await _all_expect("*** Bob left (2 here)", ann, cid, server)
        await server.expect("[builds] *** Bob joined (1 here)")
        async with await SYSTEM.connect(address) as stream:
            program = LineStream(stream)
            login = '{"type": "login", "name": "bot", "rooms": ["builds"]}'
            say = '{"type": "say", "room": "builds", "text": "green"}'
            for line in (login, say):
                runtime.out.print(f"    bot   > {line}")
            await program.send(login, say)
            await bob.expect("*** bot joined (2 here)", "bot: green")
            await server.expect("[builds] *** bot joined (2 here)")
            runtime.out.print('    bot   > {"type": "quit"}')
            await program.send('{"type": "quit"}')
            await bob.expect("*** bot left (1 here)")
            await server.expect("[builds] *** bot left (1 here)")
        bob.type("/msg Ann all is well")
        await bob.expect("[you to Ann] all is well")
        await ann.expect("[Bob to you] all is well")
        bob.type("/join lobby")
        await bob.expect("*** welcome, Bob (3 here: Ann, Cid, Bob)")
        await server.expect("[builds] *** Bob left (0 here)")
        await _all_expect("*** Bob joined (3 here)", ann, cid, server)

        bob.type("q")
        await _all_expect("*** Bob left (2 here)", ann, cid, server)
        cid.type("bye, Ann")
        await ann.expect("Cid: bye, Ann")
        cid.type("/quit")
        await _all_expect("*** Cid left (1 here)", ann, server)
        ann.type("q")
        await server.expect("*** Ann left (0 here)", "*** server is closing")
    # The nursery has ended: the server ended by itself, and its clients with it.
    for actor in (server, ann, bob, cid):
        actor.expect_nothing_more()


async def _chat(actor: _Actor, address: str) -> None:
    async with await SYSTEM.connect(address) as stream:
        lines = LineStream(stream)
        while True:
            try:
                actor.see(await chat.log_in(lines, str(await actor.types.receive())))
            except chat.NameRefused as error:
                actor.see(f"error: {error}")
            else:
                break
        await chat.converse(lines, actor.types, show=actor.see, warn=actor.warned)


async def _all_expect(line: str, *actors: _Actor) -> None:
    for actor in actors:
        await actor.expect(line)
