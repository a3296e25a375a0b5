"""The log of a server on a console."""

from __future__ import annotations

import logging
import re

import pytest

from trionet.program.console import open_console
from trionet.program.log import logging_to, stamped

TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"


def test_a_line_of_the_log_begins_with_the_time() -> None:
    assert re.fullmatch(f"{TIME} opened 192.0.2.7:51034", stamped("opened 192.0.2.7:51034"))


async def test_each_line_of_a_record_has_the_time_and_is_safe_to_show(
    capfd: pytest.CaptureFixture[str],
) -> None:
    async with open_console(1) as console:
        with logging_to(console, logging.INFO):
            logging.getLogger("trionet.test").warning("one\ntwo \x1b[2J")
            logging.getLogger("trionet.test").debug("not shown")
        logging.getLogger("trionet.test").warning("not shown any more")
    first, second = capfd.readouterr().out.splitlines()
    assert re.fullmatch(f"{TIME} warning: one", first)
    assert re.fullmatch(f"{TIME} two �\\[2J", second)
