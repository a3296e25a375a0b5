"""Each file begins with a head that says its job: a docstring, or a comment in JavaScript."""

from __future__ import annotations

import ast
import re
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("src", "tests", "tools", "examples", "benchmarks")


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
