"""Each file begins with a head that says its job: a docstring, or a comment in JavaScript."""

from __future__ import annotations

import ast
import re
from collections import Counter
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("src", "tests", "tools", "examples", "benchmarks")


@cache
def heads() -> dict[str, str]:
    """The first paragraph of each file, by its path; files without a line are left out."""
    found = {}
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            source = path.read_text(encoding="utf-8")
            if source.strip():
                head = ast.get_docstring(ast.parse(source)) or ""
                found[str(path.relative_to(ROOT))] = head.partition("\n\n")[0]
        for path in sorted((ROOT / folder).rglob("*.js")):
            comment = re.match(r"(?s)\s*(/\*\*(.*?)\*/|((//[^\n]*\n)+))", path.read_text("utf-8"))
            found[str(path.relative_to(ROOT))] = comment[0] if comment else ""
    return found


def test_each_file_has_a_head() -> None:
    lacking = [path for path, head in heads().items() if len(head.split()) < 3]
    assert not lacking


def test_a_head_is_a_sentence() -> None:
    endings = (".", "!", ":", "::", "*/", "```")
    unended = [path for path, head in heads().items() if not head.rstrip().endswith(endings)]
    assert not unended


def test_no_two_files_of_the_package_have_the_same_job() -> None:
    jobs = Counter(head for path, head in heads().items() if path.startswith("src/"))
    assert [head for head, count in jobs.items() if count > 1] == []


# What heads of packages quote besides their files: what a person types, and fields on the wire.
NOT_FILES = {"q", "hold", "events", "chat join --linear", "trionet calc eval"}


def test_a_head_of_a_package_names_its_files_as_they_are_called() -> None:
    unknown = []
    for path in sorted((ROOT / "src").rglob("__init__.py")):
        head = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        names = re.findall(r"(?<!`)`([^`]+)`(?!`)", head)
        folder = path.parent
        inside = {one.stem for one in folder.iterdir()} | {one.name for one in folder.iterdir()}
        for name in names:
            is_file = name.partition(".")[0] in inside or name in inside
            if not is_file and not name.startswith("trionet.") and name not in NOT_FILES:
                unknown.append(f"{path.relative_to(ROOT)}: {name}")
    assert not unknown


def test_a_list_of_the_parts_of_a_file_names_files() -> None:
    """A head that lists parts, each with a file of its own, calls them by these files' names."""
    unknown = []
    for path in sorted((ROOT / "src").rglob("*.py")):
        head = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        parts = head.partition("each with a file of its own:\n")[2].partition("\n\n\n")[0]
        unknown += [
            f"{path.relative_to(ROOT)}: {name}"
            for name in re.findall(r"^- `(\w+)`", parts, re.MULTILINE)
            if not (path.parent / f"{name}.py").exists()
        ]
    assert not unknown
