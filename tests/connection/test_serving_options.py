"""The options of a server, which `trionet.serve` takes one by one."""

from __future__ import annotations

import inspect
from dataclasses import fields

from trionet import Limits, serve
from trionet.connection.serving_options import ServingOptions


def test_each_option_has_the_default_that_it_has_in_serve() -> None:
    given = {
        name: parameter.default for name, parameter in inspect.signature(serve).parameters.items()
    }
    # There, `None` stands for it.
    given["limits"] = Limits()
    options = ServingOptions()
    for field in fields(ServingOptions):
        assert getattr(options, field.name) == given[field.name], field.name
