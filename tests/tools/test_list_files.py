"""The list of files names every file of the package, with its job as it is now."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.list_files import LIST, SOURCE, list_files


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "room").mkdir()
    (tmp_path / "room" / "__init__.py").write_text('"""A room."""\n')
    (tmp_path / "room" / "chair.py").write_text('r"""Where ``one`` sits | stands.\n\nMore."""\n')
    (tmp_path / "door.py").write_text('"""The way in."""\n')
    return tmp_path


def test_the_committed_list_is_current() -> None:
    assert LIST.read_text(encoding="utf-8") == list_files(), "run python tools/list_files.py"


def test_every_file_is_in_the_list() -> None:
    listed = LIST.read_text(encoding="utf-8")
    paths = set(SOURCE.rglob("*.py"))
    packages = {path for path in paths if path.name == "__init__.py" and path.parent != SOURCE}
    assert listed.count("\n| `") == len(paths - packages)
    assert listed.count("\n## ") == len(packages) + 1
    assert "| `resizing.py` |" in listed


def test_a_file_is_told_by_the_first_line_of_its_docstring(source: Path) -> None:
    page = list_files(source)
    assert "## At the top\n\n| file | its job |\n|---|---|\n| `door.py` | The way in. |\n" in page
    assert "## room/\n\nA room.\n\n" in page
    assert "| `chair.py` | Where `one` sits \\| stands. |\n" in page


def test_a_file_without_a_docstring_is_refused(source: Path) -> None:
    (source / "room" / "table.py").write_text("")
    with pytest.raises(ValueError, match=r"table\.py has no docstring"):
        list_files(source)
