"""Tests of what the log says of a history."""

from __future__ import annotations

import pytest

from trionet.chat.serving import history_choice


def test_a_file_whose_name_is_no_text_is_named_in_a_log_line_that_can_be_written(
    caplog: pytest.LogCaptureFixture,
) -> None:
    history_choice._log("cannot write to \udcff: it does not answer")
    (message,) = caplog.messages
    assert message.encode() == "cannot write to \ufffd: it does not answer".encode()
