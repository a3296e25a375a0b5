"""For tests that need something that not every machine has.

Where it is missing, they are skipped and say what they lack. Where `TRIONET_TESTS_MUST_RUN` is set,
as in .ci/run, they fail instead: a test that is skipped there would never run at all.
"""

from __future__ import annotations

import os
from typing import NoReturn

import pytest

MUST_RUN = "TRIONET_TESTS_MUST_RUN"


def lacking(what: str) -> NoReturn:
    """Skip or fail the calling test.

    Args:
        what: a sentence that says what is missing.
    """
    if os.environ.get(MUST_RUN):
        pytest.fail(f"{what}; and {MUST_RUN} is set", pytrace=False)
    pytest.skip(what)
