"""What the packages offer, and what importing them loads."""

from __future__ import annotations

import doctest
import importlib
import subprocess
import sys

import pytest

import trionet
from trionet._lazy import read_stub

LAZY = ["trionet", "trionet.calc", "trionet.chat", "trionet.testing"]
PUBLIC = set(read_stub("trionet"))
PURE = ["errors", "limits", "lines", "text.safe", "transport.addresses"]


def modules_after(statement: str) -> set[str]:
    """Return the modules that a fresh interpreter has loaded after running `statement`."""
    program = f"{statement}\nimport sys\nfor name in sys.modules: print(name)"
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=True
    )
    return set(run.stdout.split())


def test_all_of_trionet_loads_trio_and_nothing_heavier() -> None:
    loaded = modules_after("from trionet import *")
    roots = {name.partition(".")[0] for name in loaded}
    assert "trio" in roots
    assert not roots & {
        "asyncio", "typer", "click", "rich", "pydantic", "prompt_toolkit", "precis_i18n",
        "hypothesis", "pytest", "websockets", "hiredis", "msgspec",
    }  # fmt: skip
    for name in ("testing", "calc", "chat", "cli"):
        assert f"trionet.{name}" not in loaded


def test_trionet_loads_no_more_than_trio_does() -> None:
    more = modules_after("from trionet import *") - modules_after("import trio, ipaddress, logging")
    own = {name for name in more if name.partition(".")[0] not in sys.stdlib_module_names}
    assert {name.partition(".")[0] for name in own} == {"trionet"}


def test_importing_trionet_loads_nothing() -> None:
    assert {name for name in modules_after("import trionet") if "trio" in name} == {
        "trionet",
        "trionet._lazy",
        "trionet._version",
    }


@pytest.mark.parametrize("package", LAZY)
def test_every_name_of_a_stub_is_where_the_stub_says(package: str) -> None:
    module = importlib.import_module(package)
    homes = read_stub(package)
    assert homes
    for name, home in homes.items():
        assert getattr(module, name) is getattr(importlib.import_module(home), name)


@pytest.mark.parametrize("package", LAZY)
def test_a_lazy_package_exports_what_its_stub_lists(package: str) -> None:
    exported: dict[str, object] = {}
    exec(f"from {package} import *", exported)
    exported.pop("__builtins__")
    assert exported.keys() == read_stub(package).keys()
    assert exported.keys() <= set(dir(importlib.import_module(package)))


def test_the_chats_own_wire_format_is_found_without_importing_its_module() -> None:
    assert "trionet.chat.formats.plain" in modules_after(
        "import trionet.chat; trionet.chat.plain.encode"
    )


def test_a_missing_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = trionet.nothing  # type: ignore[attr-defined]


def test_the_names_that_users_start_with_are_public() -> None:
    assert {"serve", "Connection", "Limits", "Hub", "LineReader", "SYSTEM"} <= PUBLIC


def test_every_class_and_function_that_is_public_has_a_docstring() -> None:
    for name in PUBLIC:
        value = getattr(trionet, name)
        if callable(value):
            assert value.__doc__, name


@pytest.mark.parametrize("name", PURE)
def test_the_examples_of_a_pure_module_do_what_they_say(name: str) -> None:
    module = importlib.import_module(f"trionet.{name}")
    assert doctest.testmod(module).failed == 0


def test_the_pure_modules_have_examples() -> None:
    finder = doctest.DocTestFinder(exclude_empty=True)
    tried = [
        test
        for name in PURE
        for test in finder.find(importlib.import_module(f"trionet.{name}"))
        if test.examples
    ]
    assert len(tried) >= 3


@pytest.mark.parametrize("name", PURE)
def test_a_pure_module_needs_no_trio(name: str) -> None:
    # Loaded by itself, without the imports of its package.
    assert trionet.__file__ is not None
    stub = (
        "import sys, types\n"
        "package = types.ModuleType('trionet')\n"
        f"package.__path__ = [{trionet.__file__.rpartition('/')[0]!r}]\n"
        "sys.modules['trionet'] = package\n"
        f"import trionet.{name}"
    )
    assert not {"trio", "socket", "asyncio", "ssl", "select"} & modules_after(stub)
