"""What `trionet run` makes of ``module:name``, and what it says if it can make nothing of it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from trionet import Service
from trionet.cli.targets import BadTarget, load_target

SHOUT = """
import trionet

def shout(line):
    return line.upper()

class Shouter:
    @staticmethod
    async def serve(connection):
        pass

service = trionet.Service(shout, "localhost:7000")
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    before = set(sys.modules)
    (tmp_path / "a_shouter.py").write_text(SHOUT)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def test_a_function_of_a_module_in_the_current_folder_is_found() -> None:
    assert load_target("a_shouter:shout")("hello") == "HELLO"
    assert load_target("a_shouter:Shouter.serve").__name__ == "serve"
    assert isinstance(load_target("a_shouter:service"), Service)


def test_the_current_folder_counts_before_installed_modules(folder: Path) -> None:
    (folder / "typer_like").mkdir()
    (folder / "typer_like" / "__init__.py").write_text("name = 'here'")
    assert load_target("typer_like:name") == "here"
    assert sys.path[0] == str(folder)


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("a_shouter", "'a_shouter' is not a target: write MODULE:NAME, as in shout:shout"),
        (":shout", "':shout' is not a target: write MODULE:NAME, as in shout:shout"),
        ("a_shouter:", "'a_shouter:' is not a target: write MODULE:NAME, as in shout:shout"),
        ("a_shouter.py:shout", "a_shouter.py is a file: write its module, a_shouter:shout"),
        ("sub/shout.py:shout", "sub/shout.py is a file: write its module, sub.shout:shout"),
        ("no_such:shout", "there is no module no_such in this folder or installed"),
        ("no_such.one:shout", "there is no module no_such in this folder or installed"),
        ("a_shouter:whisper", "there is no whisper in the module a_shouter"),
        ("a_shouter:Shouter.no", "there is no Shouter.no in the module a_shouter"),
        ("..:x", "'..' is not the name of a module"),
    ],
)
def test_a_target_that_is_not_there_is_told_in_one_line(target: str, told: str) -> None:
    with pytest.raises(BadTarget) as refused:
        load_target(target)
    assert str(refused.value) == told


def test_a_module_that_fails_is_told_with_its_line(folder: Path) -> None:
    (folder / "imports_nothing.py").write_text("\nimport no_such_thing\n")
    (folder / "has_a_typo.py").write_text("def shout(line:\n")
    with pytest.raises(BadTarget) as refused:
        load_target("imports_nothing:shout")
    assert str(refused.value) == (
        "imports_nothing cannot be loaded: ModuleNotFoundError: No module named 'no_such_thing' "
        f"({folder}/imports_nothing.py, line 2)"
    )
    with pytest.raises(BadTarget, match=r"^has_a_typo cannot be loaded: SyntaxError: .*line 1\)$"):
        load_target("has_a_typo:shout")
