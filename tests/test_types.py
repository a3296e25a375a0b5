"""The types of the public API tell the truth: texts by default, bytes with ``decode=False``."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

import trionet

HERE = Path(__file__).parent


def test_mypy_sees_texts_and_bytes_where_they_are() -> None:
    api = pytest.importorskip("mypy.api", reason="mypy is installed with the extra dev")
    # With the cache of the repository: the check of everything has filled it.
    settings = str(HERE.parent / "pyproject.toml")
    told, errors, status = api.run(["--config-file", settings, str(HERE / "typing_of_lines.py")])
    assert status == 0, told + errors


def test_the_annotations_work_when_they_are_evaluated() -> None:
    for kind in (trionet.Connection, trionet.LineReader, trionet.LineStream, trionet.connect):
        assert get_args(kind[bytes]) == (bytes,)
