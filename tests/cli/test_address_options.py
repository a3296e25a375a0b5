"""The options that go with addresses are written once, and every serve command has them."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest
from typer.main import get_command

from trionet.cli.address_options import AddressOptions
from trionet.cli.main import app


@pytest.mark.parametrize("words", [("calc", "serve"), ("chat", "serve"), ("run",)], ids=" ".join)
def test_every_serve_command_has_each_option_about_addresses(words: tuple[str, ...]) -> None:
    command: Any = get_command(app)
    for word in words:
        command = command.commands[word]
    names = [parameter.name for parameter in command.params]
    first = names.index("tls_cert")
    options = [field.name for field in fields(AddressOptions)]
    assert names[first : first + len(options)] == options
