"""Throw away what a failed test has left open, so that it does not fail the next one too.

A test that fails may leave sockets behind, which its traceback holds. Python closes them once the
traceback goes, and warns; that would be in the middle of the next test, for which every warning is
an error. So they go here, unseen, after each test that fails. A test that passes must close what it
opened.
"""

from __future__ import annotations

import gc
import sys
import warnings
from collections.abc import Generator
from contextlib import suppress

import pytest

# Where pytest keeps the last failure, with its traceback, for a debugger.
_LAST = ("last_exc", "last_type", "last_value", "last_traceback")


@pytest.hookimpl(wrapper=True, tryfirst=True)  # around all else, so that the traceback is told
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Run a test, and if it fails, throw away what it has left."""
    before = item.session.testsfailed
    result = yield
    if item.session.testsfailed > before:
        for name in _LAST:
            with suppress(AttributeError):
                delattr(sys, name)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            gc.collect()
    return result
