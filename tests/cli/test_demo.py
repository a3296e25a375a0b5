"""The demo plays its script on the real network, and fails when something else happens."""

from __future__ import annotations

import signal
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import trio
import typer

from trionet import calc, chat
from trionet.cli import demo
from trionet.cli.program_exit import Ended
from trionet.cli.running import Runtime, run
from trionet.program.console import Console, open_console

if TYPE_CHECKING:
    from tests.cli.conftest import Programs


async def test_the_transcript_is_whole_and_the_demo_ends_by_itself(programs: Programs) -> None:
    program = await programs.start("demo", real=True)
    transcript = await program.within_patience(program.out.rest)
    assert "    ann   > 12 + 42\n    ann   < 54\n    server| ann: 12 + 42 = 54\n" in transcript
    assert "    ann   < warning: 12 + (42: unclosed ( at column 6\n" in transcript
    assert "    server| Session ended\n    server| ben connected\n" in transcript
    assert "    bob   < error: the name ann is taken\n" in transcript
    assert "    server| *** Ann left (0 here)\n    server| *** server is closing\n" in transcript
    assert transcript.count("server| listening on 127.0.0.1:") == 2
    assert transcript.endswith("\nAll as it should be.\n")
    await program.expect_end(0)


def status_of_demo() -> int:
    with pytest.raises(typer.Exit) as caught:
        run(demo.show)
    return caught.value.exit_code


def test_a_difference_from_the_script_ends_the_demo_with_an_error(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    # With another precision the results differ from those in the script.
    monkeypatch.setattr(calc, "serve", partial(calc.serve, precision=1))
    assert status_of_demo() == 1
    output, errors = capfd.readouterr()
    assert errors == "error: ann should see '54', but saw '50'\n"
    assert output.endswith("    ann   > 12 + 42\n")


def test_a_line_that_is_not_in_the_script_is_a_difference(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    serve = chat.serve

    async def serve_messages(*addresses: str, **options: Any) -> None:
        await serve(*addresses, **options, show_messages=True)

    monkeypatch.setattr(chat, "serve", serve_messages)
    assert status_of_demo() == 1
    output, errors = capfd.readouterr()
    assert errors.startswith("error: server should see '*** Bob left (2 here)', but saw ")
    assert "All as it should be" not in output


async def test_a_line_that_never_comes_is_a_difference(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: trio.testing.MockClock
) -> None:
    async with open_console(1) as console:
        ann = demo._Actor("ann", Runtime(console, console))
        with pytest.raises(demo.Differs, match=r"ann should see '54', but saw None"):
            await ann.expect("54")
        ann.expect_nothing_more()
        ann.see("55")
        with pytest.raises(demo.Differs, match=r"ann also saw '55'"):
            ann.expect_nothing_more()


def test_ctrl_c_ends_the_demo(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    print_line = Console.print

    def press_ctrl_c(console: Console, line: str) -> None:
        print_line(console, line)
        if line == "    ann   > 12 + 42":
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Console, "print", press_ctrl_c)
    with pytest.raises(Ended) as caught:
        run(demo.show)
    assert caught.value.number == signal.SIGINT
    output, errors = capfd.readouterr()
    assert errors == ""
    assert "All as it should be" not in output
