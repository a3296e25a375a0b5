"""The exception tree: what each error is caught by, and what it says."""

from __future__ import annotations

import inspect
import re
from importlib import import_module
from types import ModuleType

import pytest

import trionet
from trionet import calc, chat, errors


def raised_here() -> set[type[BaseException]]:
    members = vars(errors).values()
    return {one for one in members if inspect.isclass(one) and issubclass(one, BaseException)}


def raised_by(service: ModuleType) -> set[type[BaseException]]:
    members = [getattr(service, name) for name in service.__all__]
    return {one for one in members if inspect.isclass(one) and issubclass(one, BaseException)}


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    drawn: dict[type[BaseException], type[BaseException]] = {}
    branch: list[type[BaseException]] = [Exception]
    for line in (errors.__doc__ or "").splitlines():
        found = re.match(r"    ((?:[│ ]   )*)(?:[├└]── )?([\w.]+)(?=\s|$)", line)
        if found:
            depth = len(found[1]) // 4 + ("── " in line)
            module, _, name = found[2].rpartition(".")
            error = getattr(import_module(module or "trionet.errors"), name)
            drawn[error] = branch[depth]
            branch[depth + 1 :] = [error]
    assert drawn == {error: error.__bases__[0] for error in drawn}
    assert drawn.keys() == raised_here() | raised_by(calc) | raised_by(chat)


def test_every_error_is_a_trionet_error_and_public() -> None:
    for error in raised_here():
        assert issubclass(error, errors.TrionetError)
        assert getattr(trionet, error.__name__) is error


@pytest.mark.parametrize("error", [errors.AddressError, errors.UnsendableLine])
def test_a_callers_mistake_is_a_value_error_too(error: type[Exception]) -> None:
    assert issubclass(error, ValueError)


@pytest.mark.parametrize(
    ("bad", "text"),
    [
        (errors.LineTooLong(4096, b"a"), "line is longer than 4096 bytes"),
        (errors.LineNotUTF8(b"a"), "line is not UTF-8"),
        (errors.LineUnending(1 << 20, b"a"), "no end of line within 1048576 bytes"),
    ],
)
def test_a_bad_line_says_in_one_line_what_is_wrong(bad: errors.BadLine, text: str) -> None:
    assert str(bad) == text
    assert bad.start == b"a"


def test_a_bad_line_keeps_only_its_beginning() -> None:
    start = bytes(range(256)) * 2
    assert errors.LineNotUTF8(start).start == start[:256]
    assert errors.LineTooLong(4096, start).start == start[:256]
    assert errors.LineTooLong(10, start).start == start[:10]
