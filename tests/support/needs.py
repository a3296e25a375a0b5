"""Tests that need something which not every machine has.

Where it is missing they are skipped, and say what they lack. Where `TRIONET_TESTS_MUST_RUN` is
set, as in .ci/run, they fail: what is skipped there would never run at all.
"""

from __future__ import annotations

import os
from typing import NoReturn

import pytest

MUST_RUN = "TRIONET_TESTS_MUST_RUN"


def lacking(what: str) -> NoReturn:
    """Give up the test that calls this.

    Args:
        what: is missing, as a sentence.
    """
    if os.environ.get(MUST_RUN):
        pytest.fail(f"{what}; and {MUST_RUN} is set", pytrace=False)
    pytest.skip(what)
