"""`trionet chat send` and `trionet chat tail`: the real program, on pipes."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Program, Programs


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
