"""Run the tests in parallel, but start no workers for a few tests that somebody names.

`pytest` and `pytest tests/cli` use all cores. `pytest tests/test_x.py::test_y` runs in one process:
starting two workers takes longer than most single tests, and no debugger reaches into them. `-n`
overrides both: `-n 2` starts two workers, `-n0` none.

`addopts` cannot do this: it does not know what the command line names.
"""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist, which then turns "auto" into a number
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Choose the number of workers where the command line does not."""
    if hasattr(config, "workerinput") or not config.pluginmanager.hasplugin("xdist"):
        return  # this is a worker itself, or there can be none
    option = config.option
    if option.numprocesses is None and not option.tx and not names_a_file(config):
        option.numprocesses = "auto"
    if option.numprocesses and option.dist == "no":
        # Each worker gets an unbroken run of tests, so that those of one file mostly share their
        # session fixtures; a worker that is done takes tests over from one that is not.
        option.dist = "worksteal"


def names_a_file(config: pytest.Config) -> bool:
    """Return whether the command line names a file of tests or a single test."""
    if config.args_source is not pytest.Config.ArgsSource.ARGS:
        return False
    return any(
        "::" in argument or (config.invocation_params.dir / Path(argument)).is_file()
        for argument in config.args
    )
