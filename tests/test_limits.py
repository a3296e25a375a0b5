from __future__ import annotations

import dataclasses
import inspect
from typing import Any

import pytest

from trionet.limits import Limits


def test_the_defaults_are_those_that_are_promised() -> None:
    assert dataclasses.asdict(Limits()) == {
        "max_line": 4096,
        "max_unending": 1 << 20,
        "max_clients": 0,
        "max_per_address": 0,
        "ipv6_prefix": 64,
        "max_waiting": 1 << 20,
        "rate": 0,
        "burst": 100,
        "handshake_timeout": 10.0,
        "login_timeout": 0,
        "idle_timeout": 0,
        "write_timeout": 30.0,
        "linger_seconds": 2.0,
        "linger_total_seconds": 60.0,
        "drain_seconds": 5.0,
    }


def test_each_limit_is_told_of_in_the_docstring_in_order() -> None:
    told = inspect.getdoc(Limits) or ""
    places = [told.find(f"\n    {field.name}: ") for field in dataclasses.fields(Limits)]
    assert -1 not in places
    assert places == sorted(places)


@pytest.mark.parametrize("prefix", [0, -1, 129, float("nan")])
def test_a_prefix_that_no_ipv6_address_has_is_refused(prefix: Any) -> None:
    assert Limits(ipv6_prefix=1).ipv6_prefix == 1
    assert Limits(ipv6_prefix=128).ipv6_prefix == 128
    with pytest.raises(ValueError, match=r"^ipv6_prefix must be from 1 to 128$"):
        Limits(ipv6_prefix=prefix)


def test_limits_are_frozen_and_given_by_name() -> None:
    limits = Limits()
    with pytest.raises(dataclasses.FrozenInstanceError):
        limits.max_line = 1  # type: ignore[misc]
    with pytest.raises(TypeError):
        Limits(1)  # type: ignore[call-arg]


def test_one_limit_is_replaced_and_the_others_stay() -> None:
    assert dataclasses.replace(Limits(), max_clients=1) == Limits(max_clients=1)


@pytest.mark.parametrize("name", ["max_line", "max_unending", "max_waiting", "burst"])
def test_a_size_that_nothing_fits_in_is_refused(name: str) -> None:
    assert dataclasses.replace(Limits(), **{name: 1})
    with pytest.raises(ValueError, match=f"^{name} must be at least 1$"):
        dataclasses.replace(Limits(), **{name: 0})


@pytest.mark.parametrize(
    "name",
    [
        "max_clients", "max_per_address", "rate", "handshake_timeout", "login_timeout",
        "idle_timeout", "write_timeout", "linger_seconds", "linger_total_seconds", "drain_seconds",
    ],
)  # fmt: skip
def test_zero_is_a_limit_too_but_less_is_refused(name: str) -> None:
    assert dataclasses.replace(Limits(), **{name: 0})
    wrong: tuple[Any, ...] = (-1, float("nan"))
    for value in wrong:
        with pytest.raises(ValueError, match=f"^{name} must not be negative$"):
            dataclasses.replace(Limits(), **{name: value})
