"""List every file of the package with its job: `docs/files.md`.

    python tools/list_files.py            write the list
    python tools/list_files.py --check    fail if it is not current

The first line of a file's docstring says its job. So a file is in the list as soon as it
exists; to mend a bad line of the list, mend the file.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "trionet"
LIST = ROOT / "docs" / "files.md"

HEAD = """\
# Every file and its job

`python tools/list_files.py` makes this page from the first line of each file's docstring: do not
edit it. [architecture.md](architecture.md) says how the files work together, and which of them a
change touches.
"""


def job_of(path: Path) -> str:
    """Return the first line of a file's docstring, as Markdown.

    Raises:
        ValueError: it has none.
    """
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    if not docstring:
        raise ValueError(f"{path.name} has no docstring: its first line says the file's one job")
    return re.sub(r"``(.+?)``", r"`\1`", docstring.partition("\n")[0]).replace("|", "\\|")


def list_files(source: Path = SOURCE) -> str:
    """Return the page: a table for each package, the files at the top first."""
    tables = [HEAD]
    folders = sorted({path.parent for path in source.rglob("*.py")})
    for folder in folders:
        place = folder.relative_to(source).as_posix()
        paths = sorted(folder.glob("*.py"))
        if folder == source:
            tables.append("## At the top\n\n" + _table(paths))
        else:
            package, *files = paths
            tables.append(f"## {place}/\n\n{job_of(package)}\n\n" + _table(files))
    return "\n".join(tables)


def _table(paths: Iterable[Path]) -> str:
    rows = "".join(f"| `{path.name}` | {job_of(path)} |\n" for path in paths)
    return f"| file | its job |\n|---|---|\n{rows}"


def main(arguments: list[str]) -> int:
    """Write the list, or only check it; return the exit status."""
    page = list_files()
    if arguments == ["--check"]:
        return int(LIST.read_text(encoding="utf-8") != page)
    LIST.write_text(page, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
