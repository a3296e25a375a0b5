"""`trionet chat`: the real program, with sockets to its server and its client on pipes."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest
import trio

if TYPE_CHECKING:
    from tests.cli.conftest import Program, Programs

    from trionet.testing import LineClient

LOCAL = "127.0.0.1:0"
CLOSING = "*** server is closing"
LOST = "error: the server closed the connection"


async def serve(programs: Programs, *options: str) -> tuple[Program, str]:
    server = await programs.start("chat", "serve", LOCAL, *options)
    return server, await server.address()


async def part(client: LineClient) -> None:
    """Wait until the server ends the conversation, and end it too, so that neither side waits."""
    await client.expect_end()
    await client.aclose()


async def quit_room(client: LineClient) -> None:
    await client.send("q")
    await part(client)


@pytest.mark.parametrize("messages", [False, True], ids=["notices", "--messages"])
async def test_a_server_prints_the_room_and_ends_with_its_last_member(
    programs: Programs, messages: bool
) -> None:
    server, address = await serve(programs, *["--messages"][: int(messages)])
    # A client without a name is not a member, so the room does not end when it leaves.
    await quit_room(await programs.connect(address))
    ann = await programs.connect(address, "Ann")
    await ann.expect("*** welcome, Ann (1 here: Ann)")
    bob = await programs.connect(address, "ann", "Bob")
    await bob.expect("error: the name ann is taken", "*** welcome, Bob (2 here: Ann, Bob)")
    await ann.send("hello  ", "/me waves\x1b", "/who", "/nothing")
    await bob.expect("Ann: hello", "* Ann waves�")
    await ann.expect("*** Bob joined (2 here)", "*** 2 here: Ann, Bob")
    await ann.expect("error: unknown command /nothing (try /help)")
    await quit_room(ann)
    await bob.expect("*** Ann left (1 here)")
    await quit_room(bob)
    await server.expect("*** Ann joined (1 here)", "*** Bob joined (2 here)")
    if messages:
        await server.expect("Ann: hello", "* Ann waves�")
    await server.expect("*** Ann left (1 here)", "*** Bob left (0 here)", CLOSING)
    await server.expect_end(0)


async def test_with_forever_the_room_stays_until_a_signal_comes(programs: Programs) -> None:
    server, address = await serve(programs, "--forever", "--quiet")
    for _ in range(2):
        ann = await programs.connect(address, "Ann")
        await ann.expect("*** welcome, Ann (1 here: Ann)")
        await quit_room(ann)
    ann = await programs.connect(address, "Ann")
    await ann.expect("*** welcome, Ann (1 here: Ann)")
    server.signal(signal.SIGTERM)
    await ann.expect(CLOSING)
    await part(ann)
    await server.expect_error("closing; a second signal ends the server at once")
    await server.expect_end(0)


async def test_a_drain_of_an_empty_room_prints_nothing(programs: Programs) -> None:
    server, _ = await serve(programs)
    server.signal(signal.SIGINT)
    await server.expect(CLOSING)
    await server.expect_end(0)


async def test_a_second_ctrl_c_ends_the_server_at_once(programs: Programs) -> None:
    server, address = await serve(programs, "--quiet")
    ann = await programs.connect(address, "Ann")
    await ann.expect("*** welcome, Ann (1 here: Ann)")
    server.signal(signal.SIGINT)
    # The server waits two seconds for Ann to close.
    await ann.expect(CLOSING)
    await ann.expect_end()
    server.signal(signal.SIGINT)
    await server.expect_error("closing; a second signal ends the server at once")
    await server.expect_end(130)


async def test_an_address_in_use_is_one_line_and_status_1(programs: Programs) -> None:
    _, address = await serve(programs)
    other = await programs.start("chat", "serve", LOCAL, address)
    await other.expect_error(f"error: cannot listen on {address}: address already in use")
    await other.expect_end(1)


async def test_a_console_that_stands_still_never_stops_the_room(programs: Programs) -> None:
    ours, theirs = os.pipe()
    server = await programs.start("chat", "serve", "--messages", LOCAL, stdout=theirs)
    os.close(theirs)
    async with trio.lowlevel.FdStream(ours) as console:
        listening = ""
        while "\n" not in listening:
            listening += bytes(await server.within_patience(console.receive_some)).decode()
        address = listening.removeprefix("listening on ").rstrip()
        # From here on nobody reads the console. A pipe holds 64 KiB, and this is more.
        ann = await programs.connect(address, "Ann")
        await ann.expect("*** welcome, Ann (1 here: Ann)")
        bob = await programs.connect(address, "Bob")
        await bob.expect("*** welcome, Bob (2 here: Ann, Bob)")
        await ann.expect("*** Bob joined (2 here)")
        for _ in range(50):
            await ann.send("x" * 4000)
            await bob.expect("Ann: " + "x" * 4000)
        await quit_room(bob)
        await ann.expect("*** Bob left (1 here)")
        await quit_room(ann)
        # Now the console goes on, and nothing is lost.
        printed = b"".join([bytes(data) async for data in console]).decode()
        assert printed.splitlines() == [
            *("*** Ann joined (1 here)", "*** Bob joined (2 here)"),
            *(["Ann: " + "x" * 4000] * 50),
            *("*** Bob left (1 here)", "*** Ann left (0 here)", CLOSING),
        ]
        await server.expect_end(0)


# The client.


async def test_join_on_a_pipe_prints_the_rooms_lines_and_sends_its_own(
    programs: Programs,
) -> None:
    server, address = await serve(programs, "--forever", "--quiet")
    bob = await programs.connect(address, "Bob")
    await bob.expect("*** welcome, Bob (1 here: Bob)")
    ann = await programs.start("chat", "join", "--name", "Ann", address)
    await ann.expect("*** welcome, Ann (2 here: Bob, Ann)")
    await bob.expect("*** Ann joined (2 here)")
    await ann.type("hello\n\n  \n/who\n/nothing\n" + "x" * 5000 + "\n  two\nthe last")
    await ann.expect("*** 2 here: Bob, Ann", "error: unknown command /nothing (try /help)")
    await ann.expect_error("warning: line is longer than 4096 bytes")
    await bob.expect("Ann: hello", "Ann:   two")
    await bob.send("hi\x1b[2J", "/me waves")
    await ann.expect("Bob: hi�[2J", "* Bob waves")
    await ann.end_input()
    await ann.expect_end(0)
    await bob.expect("Ann: the last", "*** Ann left (1 here)")

    # `q` and `/quit` quit, and nothing after them is read.
    for quits in (" q\t", "/quit"):
        ann = await programs.start("chat", "join", "--plain", "--name", "Ann", address)
        await ann.type(f"1\n{quits}\n2\n")
        await ann.expect("*** welcome, Ann (2 here: Bob, Ann)")
        await ann.expect_end(0)
        await bob.expect("*** Ann joined (2 here)", "Ann: 1", "*** Ann left (1 here)")

    # Without any input the client joins and leaves.
    ann = await programs.start("chat", "join", "--name", "Ann", address, stdin=subprocess.DEVNULL)
    await ann.expect("*** welcome, Ann (2 here: Bob, Ann)")
    await ann.expect_end(0)
    await bob.expect("*** Ann joined (2 here)", "*** Ann left (1 here)")

    # A pipe is not asked for another name, and no line in it is a name.
    for name, reason in (
        ("bob", "the name bob is taken"),
        ("", "the name is empty"),
        ("a:b", "a name cannot have a :"),
        ("a\nb", "a line end inside a line (the one at its end is added)"),
    ):
        ann = await programs.run("chat", "join", "--name", name, address, typed="Cid\n")
        await ann.expect_error(f"error: {reason}")
        await ann.expect_end(1)
    server.signal(signal.SIGTERM)
    await bob.expect(CLOSING)
    await part(bob)


async def test_join_says_why_it_ended(programs: Programs) -> None:
    server, address = await serve(programs, "--quiet")
    ann = await programs.start("chat", "join", "--name", "Ann", address)
    await ann.expect("*** welcome, Ann (1 here: Ann)")
    bob = await programs.start("chat", "join", "--name", "Bob", address, real=True)
    await bob.expect("*** welcome, Bob (2 here: Ann, Bob)")
    await ann.expect("*** Bob joined (2 here)")
    ann.signal(signal.SIGINT)
    await ann.expect_end(-signal.SIGINT)
    await bob.expect("*** Ann left (1 here)")
    server.signal(signal.SIGTERM)
    await bob.expect(CLOSING)
    await bob.expect_error(LOST)
    await bob.expect_end(1)
    await server.expect_error("closing; a second signal ends the server at once")
    await server.expect_end(0)
    cid = await programs.run("chat", "join", "--name", "Cid", address)
    await cid.expect_error(f"error: cannot connect to {address}: connection refused")
    await cid.expect_end(1)


async def test_too_many_refused_names_end_the_client_with_the_servers_words(
    programs: Programs,
) -> None:
    _, address = await serve(programs, "--quiet")
    ann = await programs.start_on_terminal("chat", "join", address, "--plain")
    asked = ["name: error", "warning: nobody can be called error"]
    for count in range(9):
        await ann.expect_screen(*asked * count, "name:")
        await ann.type("error\r")
    await ann.expect_screen(*asked * 9, "name:")
    await ann.type("error\r")
    await ann.expect_screen(*asked * 9, "name: error", "error: too many names were refused")
    await ann.expect_end(1)


async def test_a_server_that_closes_while_a_name_is_asked_for_ends_the_client(
    programs: Programs,
) -> None:
    server, address = await serve(programs, "--quiet")
    ann = await programs.start_on_terminal("chat", "join", address, "--plain")
    await ann.expect_screen("name:")
    server.signal(signal.SIGTERM)
    await ann.expect_end(1)
    await ann.expect_screen("name:", "error: server is closing")
