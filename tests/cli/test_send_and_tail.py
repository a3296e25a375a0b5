"""`trionet chat send` and `trionet chat tail`: the real program, on pipes."""

from __future__ import annotations

import json
import signal
import sys
from typing import TYPE_CHECKING

import pytest
import trio

if TYPE_CHECKING:
    from tests.cli.conftest import Program, Programs

# Seconds for what takes less than one, even on a loaded machine.
PATIENCE = 60


async def serve(programs: Programs) -> tuple[Program, str]:
    server = await programs.start("chat", "serve", "127.0.0.1:0", "--forever", "--messages")
    return server, await server.address()


async def test_a_text_is_one_message_and_its_sender_quits(programs: Programs) -> None:
    server, address = await serve(programs)
    sender = await programs.start("chat", "send", address, "--name", "ci", "one\ntwo")
    await sender.expect_end(0)
    await server.expect("*** ci joined (1 here)", "ci: one", "ci: two", "*** ci left (0 here)")


async def test_without_a_text_each_line_of_the_input_is_a_message(programs: Programs) -> None:
    server, address = await serve(programs)
    sender = await programs.start("chat", "send", address, "--name", "ci", "--room", "builds")
    await sender.type("one\n\n  \ntwo")
    await sender.end_input()
    await sender.expect_end(0)
    await server.expect("[builds] *** ci joined (1 here)", "[builds] ci: one", "[builds] ci: two")


@pytest.mark.parametrize(
    ("line", "reason"),
    [(b"x" * 4097, "line is longer than 4096 bytes"), (b"\xff", "line is not UTF-8")],
)
async def test_a_line_of_the_input_that_cannot_be_sent_is_named(
    programs: Programs, line: bytes, reason: str
) -> None:
    server, address = await serve(programs)
    sender = await programs.start("chat", "send", address, "--name", "ci")
    assert sender.process.stdin is not None
    await sender.process.stdin.send_all(b"one\n\n" + line + b"\nfour\n")
    await sender.expect_error(f"error: line 3 of the input cannot be sent: {reason}")
    await sender.expect_end(1)
    await server.expect("*** ci joined (1 here)", "ci: one", "*** ci left (0 here)")


@pytest.mark.parametrize(
    ("name", "reason"),
    [("error", "nobody can be called error"), ("Ann", "the name Ann is taken")],
)
async def test_what_cannot_be_said_is_one_error_line(
    programs: Programs, name: str, reason: str
) -> None:
    _, address = await serve(programs)
    ann = await programs.connect(address, "Ann")
    await ann.expect("*** welcome, Ann (1 here: Ann)")
    sender = await programs.start("chat", "send", address, "--name", name, "text")
    await sender.expect_error(f"error: {reason}")
    await sender.expect_end(1)


async def test_on_a_terminal_no_message_begins_at_the_left_edge(programs: Programs) -> None:
    _, address = await serve(programs)
    ann = await programs.connect(address, "Ann")
    await ann.expect("*** welcome, Ann (1 here: Ann)")
    tail = await programs.start_on_terminal("chat", "tail", address, "--name", "watch")
    await ann.expect("*** watch joined (2 here)")
    # The time and the name take 30 columns of 80.
    forged = "*** server is closing"
    await ann.send(" " * 50 + forged)
    await tail.expect_that(lambda screen: "    " + forged in screen, "an indented row")
    assert forged not in tail.screen.lines


async def test_a_tail_prints_the_past_and_then_what_is_said(programs: Programs) -> None:
    _, address = await serve(programs)
    await (await programs.start("chat", "send", address, "--name", "ci", "early")).expect_end(0)
    tail = await programs.start("chat", "tail", address, "--since", "10m")
    assert (await tail.out.line()).endswith("Z ci: early")
    await (await programs.start("chat", "send", address, "--name", "ci", "late")).expect_end(0)
    assert (await tail.out.line()).endswith("Z ci: late")
    tail.signal(signal.SIGTERM)
    await tail.expect_end(0)


async def test_a_tail_in_json_prints_events_but_no_token_and_dies_of_ctrl_c(
    programs: Programs,
) -> None:
    _, address = await serve(programs)
    tail = await programs.start("chat", "tail", address, "--json", "--name", "ear")
    entered = json.loads(await tail.out.line())
    assert (entered["type"], entered["members"]) == ("entered", ["ear"])
    tail.signal(signal.SIGINT)
    await tail.expect_end(-signal.SIGINT)
    assert "token" not in tail.out.text


async def test_a_room_that_looks_like_another_is_refused_with_its_reason(
    programs: Programs,
) -> None:
    _, address = await serve(programs)
    sender = await programs.start(
        "chat", "send", address, "--name", "ci", "--room", "lobb\u0443", "x"
    )
    await sender.expect_error("error: the room lobb\u0443 looks like lobby")
    await sender.expect_end(1)


async def test_a_server_that_stands_still_is_given_up(programs: Programs) -> None:
    server, address = await serve(programs)
    server.signal(signal.SIGSTOP)
    try:
        sender = await programs.start(
            "chat", "send", address, "--name", "ci", "--timeout", "0.5", "text"
        )
        await sender.expect_error(f"error: no answer from {address} within 0.5 seconds")
        await sender.expect_end(1)
    finally:
        server.signal(signal.SIGCONT)


@pytest.mark.parametrize(
    "arguments",
    [
        ("send", "ADDRESS", "text"),
        ("send", "ADDRESS", "--name", "ci", "--timeout", "nan", "text"),
        ("send", "nonsense", "--name", "ci", "text"),
        ("tail", "ADDRESS", "--since", "yesterday"),
        ("tail", "ADDRESS", "--room", "two words"),
        ("tail", "ADDRESS", "--bogus"),
    ],
)
async def test_usage_errors_have_status_2(programs: Programs, arguments: tuple[str, ...]) -> None:
    words = [word.replace("ADDRESS", "127.0.0.1:1") for word in arguments]
    program = await programs.start("chat", *words)
    assert "Usage: trionet chat" in await program.within_patience(program.err.rest)
    await program.expect_end(2)


async def test_a_tail_ends_well_when_nobody_reads_it_any_more(programs: Programs) -> None:
    _, address = await serve(programs)
    await (await programs.start("chat", "send", address, "--name", "ci", "one")).expect_end(0)
    tail = f"{sys.executable} -m trionet.cli.main chat tail {address} --since 10m"
    with trio.fail_after(PATIENCE):
        ended = await trio.run_process(
            ["sh", "-c", f"{{ {tail}; echo status $? >&2; }} | head -n 1"],
            capture_stdout=True,
            capture_stderr=True,
        )
    assert ended.stdout.endswith(b"Z ci: one\n")
    assert ended.stderr == b"status 0\n"
