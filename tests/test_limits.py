"""Each limit takes what is within its bounds, and refuses everything else in one sentence."""

from __future__ import annotations

import dataclasses
import inspect
import math
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trionet.limits import BOUNDS, Limits


def test_the_defaults_are_the_documented_ones() -> None:
    assert dataclasses.asdict(Limits()) == {
        "max_line": 4096,
        "max_unending": 1 << 20,
        "max_clients": 0,
        "max_per_address": 0,
        "ipv6_prefix": 64,
        "connect_rate": 0,
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


def test_the_docstring_describes_each_limit_in_order() -> None:
    told = inspect.getdoc(Limits) or ""
    places = [told.find(f"\n    {field.name}: ") for field in dataclasses.fields(Limits)]
    assert -1 not in places
    assert places == sorted(places)


@pytest.mark.parametrize("prefix", [0, -1, 129, float("nan")])
def test_an_impossible_ipv6_prefix_is_refused(prefix: Any) -> None:
    assert Limits(ipv6_prefix=1).ipv6_prefix == 1
    assert Limits(ipv6_prefix=128).ipv6_prefix == 128
    with pytest.raises(
        (TypeError, ValueError), match=r"^ipv6_prefix must be a whole number from 1 to 128, not "
    ):
        Limits(ipv6_prefix=prefix)


def test_limits_are_frozen_and_given_by_name() -> None:
    limits = Limits()
    with pytest.raises(dataclasses.FrozenInstanceError):
        limits.max_line = 1  # type: ignore[misc]
    with pytest.raises(TypeError):
        Limits(1)  # type: ignore[call-arg]


def test_replacing_one_limit_keeps_the_others() -> None:
    assert dataclasses.replace(Limits(), max_clients=1) == Limits(max_clients=1)


FIELDS = [field.name for field in dataclasses.fields(Limits)]
WHOLE = [name for name in FIELDS if BOUNDS[name].whole]


def test_each_limit_has_its_bounds() -> None:
    assert "backlog" in BOUNDS
    assert BOUNDS.keys() >= set(FIELDS)
    for name in FIELDS:
        BOUNDS[name].check(name, getattr(Limits(), name))


@pytest.mark.parametrize("name", ["max_line", "max_unending", "max_waiting", "burst"])
def test_a_size_of_zero_is_refused(name: str) -> None:
    assert dataclasses.replace(Limits(), **{name: 1})
    with pytest.raises(ValueError, match=f"^{name} must be a whole number from 1 to .*, not 0$"):
        dataclasses.replace(Limits(), **{name: 0})


@pytest.mark.parametrize(
    "name",
    [
        "max_clients", "max_per_address", "rate", "handshake_timeout", "login_timeout",
        "idle_timeout", "write_timeout", "linger_seconds", "linger_total_seconds", "drain_seconds",
    ],
)  # fmt: skip
def test_zero_is_allowed_but_less_is_refused(name: str) -> None:
    assert dataclasses.replace(Limits(), **{name: 0})
    with pytest.raises(ValueError, match=f"^{name} must be .* to .*, not -1$"):
        dataclasses.replace(Limits(), **{name: -1})


@pytest.mark.parametrize("name", FIELDS)
def test_the_bounds_are_allowed_and_anything_beyond_them_is_refused(name: str) -> None:
    bound = BOUNDS[name]
    inside: tuple[Any, ...] = (bound.least, bound.most)
    for value in inside:
        assert getattr(dataclasses.replace(Limits(), **{name: value}), name) == value
    outside: tuple[Any, ...] = (bound.least - 1, bound.most + 1, 10**400, -(10**5000))
    for value in outside:
        if value == 0 and bound.or_zero:
            continue
        with pytest.raises(ValueError, match=f"^{name} must be ") as caught:
            dataclasses.replace(Limits(), **{name: value})
        assert len(str(caught.value)) < 100


@pytest.mark.parametrize("name", FIELDS)
@pytest.mark.parametrize("value", ["10", b"10", True, None, [10], 1j, Decimal(10)])
def test_a_value_that_is_not_a_number_is_refused(name: str, value: Any) -> None:
    with pytest.raises(TypeError, match=f"^{name} must be .*number from"):
        dataclasses.replace(Limits(), **{name: value})


@pytest.mark.parametrize("name", FIELDS)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e308])
def test_a_value_that_is_not_finite_or_beyond_reason_is_refused(name: str, value: Any) -> None:
    with pytest.raises(TypeError if name in WHOLE else ValueError, match=f"^{name} must be "):
        dataclasses.replace(Limits(), **{name: value})


@pytest.mark.parametrize("name", BOUNDS)
@given(text=st.text() | st.integers().map(str) | st.floats().map(str))
def test_a_value_read_from_text_is_within_its_bounds(name: str, text: str) -> None:
    told = ""
    try:
        BOUNDS[name].check(name, BOUNDS[name].parse(text))
    except ValueError as error:
        told = str(error)
    assert not told or (" from " in told and len(told) < 500)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [("burst", "1000", 1000), ("rate", "0.5", 0.5), ("rate", "0", 0), ("drain_seconds", "1e1", 10)],
)
def test_a_limit_is_read_from_text(name: str, text: str, value: float) -> None:
    assert BOUNDS[name].parse(text) == value


@pytest.mark.parametrize("text", ["1_000", "٣", "１", "5\u00a0", "1_0.5", "1e1_0", "+_1", "5 0"])
@pytest.mark.parametrize("name", ["burst", "rate"])
def test_only_ascii_digits_make_a_number(name: str, text: str) -> None:
    with pytest.raises(ValueError, match=r"' is n.* number from "):
        BOUNDS[name].parse(text)


@given(
    text=st.text(st.characters(categories=["Nd", "No", "Pc", "Zs"]) | st.sampled_from(" 1e.+-_"))
)
def test_what_is_read_as_a_number_has_ascii_characters_without_underscores(text: str) -> None:
    for bound in (BOUNDS["burst"], BOUNDS["rate"]):
        try:
            bound.parse(text)
        except ValueError:
            continue
        assert text.isascii()
        assert "_" not in text


@pytest.mark.parametrize("text", ["", "ten", "1.5", "1e3", "9" * 400, "9" * 5000, "0x10", "nan"])
def test_a_text_that_is_not_a_limit_is_refused_in_one_short_line(text: str) -> None:
    told = r"'.* is not a whole number from 1 to 1,000,000$"
    with pytest.raises(ValueError, match=told) as caught:
        BOUNDS["burst"].parse(text)
    assert len(str(caught.value)) < 100
