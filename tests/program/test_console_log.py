"""The log of a server on a console."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest
import trio

from trionet.program.console import Console, open_console
from trionet.program.console_log import logging_if_not_configured, logging_to
from trionet.program.log_format import LogOptions

logger = logging.getLogger("trionet.test")


async def logged(
    capfd: pytest.CaptureFixture[str], log: Callable[[], object], options: LogOptions
) -> list[str]:
    async with open_console(1) as console:
        with logging_to(console, options):
            log()
        logger.error("not logged any more")
    return capfd.readouterr().out.splitlines()


async def test_only_records_from_the_level_on_are_written(
    capfd: pytest.CaptureFixture[str],
) -> None:
    def log() -> None:
        logger.info("too low")
        logger.warning("one")

    (line,) = await logged(capfd, log, LogOptions(level="warning"))
    assert line.endswith(" warning note - - one")


async def test_records_of_other_threads_are_written_too(capfd: pytest.CaptureFixture[str]) -> None:
    async with open_console(1) as console:
        with logging_to(console, LogOptions()):
            await trio.to_thread.run_sync(logger.info, "from a thread")
            await trio.testing.wait_all_tasks_blocked()
    assert capfd.readouterr().out.endswith(" info note - - from a thread\n")


async def test_a_record_that_cannot_be_formatted_ends_nothing(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # pytest's own handler would raise what `Odd` raises.
    monkeypatch.setattr(logging.getLogger("trionet"), "propagate", False)

    class Odd:
        def __str__(self) -> str:
            raise ValueError

    lines = await logged(capfd, lambda: logger.error("%s", Odd()), LogOptions())
    assert [line[24:] for line in lines] == [" error failed - - %s"]


async def test_what_a_console_drops_is_one_record_of_the_log() -> None:
    console = Console(1)
    with logging_to(console, LogOptions(format="json")):
        assert '"event":"dropped"' in console.tell_dropped(12)
        assert "12 lines of the log are not shown" in console.tell_dropped(12)


async def test_a_configured_program_keeps_its_own_log(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    async with open_console(1) as console:
        # pytest has configured logging.
        with logging_if_not_configured(console):
            logger.error("one")
        with logging_if_not_configured(console, LogOptions()):
            logger.error("two")
    assert caplog.messages == ["one"]
    assert capfd.readouterr().out.endswith(" error failed - - two\n")
    assert logging.getLogger("trionet").propagate
