"""Draw the nurseries and tasks of a running chat server: `docs/tasks.svg`.

    python tools/draw_tasks.py            write the picture
    python tools/draw_tasks.py --check    fail if it is not current

The picture comes from the real program. `trionet chat serve` runs a few times, with another option
each time, and has members, slow readers and refused clients on real sockets. Then it tells its
tasks and, for each nursery, the function that opened it. What a task does is the first sentence of
its function's docstring. It needs Linux and redis-server.

The plan of this file: be the program that tells its tasks (`be_program`), run it and ask it
(`read_tasks`), join the trees of all runs (`join`), and write the result as SVG (`draw`).
"""

from __future__ import annotations

import ast
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import CodeType
from typing import Any
from xml.sax.saxutils import escape

import trio

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "trionet"
PICTURE = ROOT / "docs" / "tasks.svg"
sys.path.insert(0, str(ROOT / "tests" / "support"))

from redis_server import RedisServer  # noqa: E402

# Being the program that tells its tasks

# Names the file descriptor that the tree is written to at SIGUSR2.
_TREE = "TRIONET_TOOLS_TREE"


def be_program(arguments: list[str]) -> None:
    """Be the command `trionet`, and tell the tree of tasks at each SIGUSR2."""
    openers: dict[trio.Nursery, CodeType] = {}
    open_nursery = trio.open_nursery

    def noting(**options: Any) -> AbstractAsyncContextManager[trio.Nursery]:
        return note(sys._getframe(1).f_code, open_nursery(**options))  # noqa: SLF001

    @asynccontextmanager
    async def note(
        opener: CodeType, manager: AbstractAsyncContextManager[trio.Nursery]
    ) -> AsyncIterator[trio.Nursery]:
        async with manager as nursery:
            openers[nursery] = opener
            yield nursery
        del openers[nursery]

    def function(code: CodeType) -> dict[str, object]:
        file = Path(code.co_filename).relative_to(SOURCE).as_posix()
        return {"file": file, "name": code.co_qualname, "line": code.co_firstlineno}

    def is_own(code: CodeType | None) -> bool:
        return code is not None and Path(code.co_filename).is_relative_to(SOURCE)

    def code_of(task: trio.lowlevel.Task) -> CodeType | None:
        return getattr(task.coro, "cr_code", None)

    def tree(task: trio.lowlevel.Task) -> dict[str, object]:
        code = code_of(task)
        assert code is not None
        return {
            "function": function(code),
            "nurseries": [
                {
                    "function": function(openers[nursery]),
                    "tasks": [tree(one) for one in nursery.child_tasks if is_own(code_of(one))],
                }
                for nursery in task.child_nurseries
                # The libraries have nurseries of their own.
                if is_own(openers.get(nursery))
            ],
        }

    def tell() -> None:
        root = trio.lowlevel.current_root_task()
        assert root is not None
        outer = [task for nursery in root.child_nurseries for task in nursery.child_tasks]
        (main,) = (task for task in outer if is_own(code_of(task)))
        os.write(int(os.environ[_TREE]), json.dumps(tree(main)).encode() + b"\n")

    def take(_number: int, _frame: object) -> None:
        trio.lowlevel.current_trio_token().run_sync_soon(tell)

    signal.signal(signal.SIGUSR2, take)
    setattr(trio, "open_nursery", noting)  # noqa: B010
    from trionet.cli.main import main

    sys.argv = ["trionet", *arguments]
    main()


# Running it and asking it

# The options of the runs. A task that only one of them has is labelled with its option.
OPTIONS = ("", "--history", "--metrics", "--redis")

# How long a run may take in all, in seconds; it takes one or two.
_PATIENCE = 60.0

# Slow readers have small buffers in their kernel, and are sent more than theirs and the server's.
_SMALL = 4096
_SAID = (b"x" * 4000 + b"\n") * 64


@dataclass(frozen=True)
class Function:
    """A function of trionet.

    Attributes:
        file: where it is, below `src/trionet`.
        name: its name, with its class or the function around it.
        line: where it begins.
    """

    file: str
    name: str
    line: int

    @property
    def short_name(self) -> str:
        """Its name without the function around it."""
        return self.name.rpartition(".<locals>.")[2]

    @property
    def purpose(self) -> str:
        """The first sentence of its docstring.

        A private function may have none if a public one of the same name hands it out.

        Raises:
            ValueError: there is none.
        """
        docstrings = _docstrings(SOURCE / self.file)
        for name in (self.name, self.name.replace("._", ".")):
            if docstring := docstrings.get(name):
                text = docstring.partition("\n\n")[0].replace("\n", " ").replace("`", "")
                return re.split(r"[.:;](?: |$)", text)[0]
        raise ValueError(f"{self.name} in {self.file} runs as a task: it needs a docstring")


@cache
def _docstrings(path: Path) -> dict[str, str | None]:
    """Return the docstrings of a file's functions, by their qualified names."""
    found: dict[str, str | None] = {}

    def look(node: ast.AST, name: str) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                found[name + child.name] = ast.get_docstring(child)
                look(child, f"{name}{child.name}.<locals>.")
            elif isinstance(child, ast.ClassDef):
                look(child, f"{name}{child.name}.")
            else:
                look(child, name)

    look(ast.parse(path.read_text(encoding="utf-8")), "")
    return found


@dataclass
class Task:
    """A task.

    Attributes:
        function: what it runs.
        runs: the options of the runs that have it.
        nurseries: those that it has open, the outermost first.
        is_one_of_many: whether others in its nursery run the same.
    """

    function: Function
    runs: set[str]
    nurseries: list[Nursery] = field(default_factory=list)
    is_one_of_many: bool = False


@dataclass
class Nursery:
    """A nursery.

    Attributes:
        function: what opened it.
        tasks: those in it; one for each function.
    """

    function: Function
    tasks: list[Task] = field(default_factory=list)


def read_tasks(options: Sequence[str] = OPTIONS) -> Task:
    """Run the command once for each option, and return the tree of all tasks that it had.

    Raises:
        RuntimeError: it did not have all the tasks that it should in time.
    """
    with ExitStack() as stack:
        runs = [stack.enter_context(_running(option)) for option in options]
        first, *others = (
            task_of(run.tree(), option) for run, option in zip(runs, options, strict=True)
        )
    for other in others:
        join(first, other)
    return first


@contextmanager
def _running(option: str) -> Iterator[_Run]:
    """Run the command with an option."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        values = {"": [], "--history": [f"{folder / 'history'}"], "--metrics": ["127.0.0.1:0"]}
        if option == "--redis":
            values[option] = [stack.enter_context(RedisServer(folder)).url]
        given = [*([option] if option else []), *values[option]]
        reading, writing = os.pipe()
        with os.fdopen(reading, "rb") as trees:
            command = [sys.executable, __file__, "--program", "chat", "serve"]
            # Two addresses, so that it has two tasks that accept. Three members, and not one more.
            command += ["127.0.0.1:0"] * 2 + ["--max-clients", "3", "--rate", "0", *given]
            process = subprocess.Popen(
                command,
                env={**os.environ, _TREE: str(writing)},
                pass_fds=[writing],
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
            os.close(writing)
            with process:
                try:
                    yield _Run(process, trees, stack)
                finally:
                    process.kill()


class _Run:
    """One run of the command."""

    def __init__(self, process: subprocess.Popen[bytes], trees: Any, stack: ExitStack) -> None:
        self._process = process
        self._trees = trees
        self._stack = stack

    def tree(self) -> dict[str, Any]:
        """Return the tree that the program has when there are clients of every kind."""
        assert self._process.stdout is not None
        port = int(self._process.stdout.readline().rpartition(b":")[2])
        self._connect(port, b"ann\n", buffer=_SMALL)
        self._connect(port, b"ben\n", buffer=_SMALL)
        talker = self._connect(port, b"cid\n")
        wanted = (b'"Waits._write"', b'"TurningAway._answer"')
        until = time.monotonic() + _PATIENCE
        told = b""
        while time.monotonic() < until:
            talker.sendall(_SAID)
            # A refused client is soon forgotten, so there are new ones each time.
            self._connect(port)
            self._connect(port)
            self._process.send_signal(signal.SIGUSR2)
            told = self._trees.readline()
            if all(told.count(name) >= 2 for name in wanted):
                tree: dict[str, Any] = json.loads(told)
                return tree
        raise RuntimeError(f"nobody reads slowly, or nobody is refused: {told!r}")

    def _connect(self, port: int, sent: bytes = b"", *, buffer: int | None = None) -> socket.socket:
        client = self._stack.enter_context(socket.socket())
        if buffer is not None:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        client.settimeout(_PATIENCE)
        client.connect(("127.0.0.1", port))
        if sent:
            client.sendall(sent)
            # It is a member now.
            client.recv(1)
        return client


def task_of(told: dict[str, Any], option: str) -> Task:
    """Return the tree of one run as it was told; tasks that look alike become one."""
    task = Task(Function(**told["function"]), {option})
    for one in told["nurseries"]:
        nursery = Nursery(Function(**one["function"]))
        _add_tasks(nursery, (task_of(child, option) for child in one["tasks"]))
        task.nurseries.append(nursery)
    return task


def join(task: Task, other: Task) -> None:
    """Add what the same task has in another run."""
    task.runs |= other.runs
    task.is_one_of_many |= other.is_one_of_many
    known = dict(_placed(task))
    for number, (place, nursery) in enumerate(_placed(other)):
        if place in known:
            _add_tasks(known[place], nursery.tasks)
        else:
            task.nurseries.insert(number, nursery)


def _placed(task: Task) -> list[tuple[tuple[Function, int], Nursery]]:
    """Return a task's nurseries, each with its function and how many before it are of that."""
    functions = [nursery.function for nursery in task.nurseries]
    return [
        ((nursery.function, functions[:number].count(nursery.function)), nursery)
        for number, nursery in enumerate(task.nurseries)
    ]


def _add_tasks(nursery: Nursery, tasks: Iterable[Task]) -> None:
    for task in tasks:
        same = [one for one in nursery.tasks if one.function == task.function]
        if not same:
            nursery.tasks.append(task)
            continue
        # Two of one run, and not one of each.
        same[0].is_one_of_many |= task.runs <= same[0].runs
        join(same[0], task)


# Writing it as SVG

WIDTH = 960
MARGIN = 20
INDENT = 14  # of a nursery in the one around it, on the left
EDGE = 6  # the same on the right
ROW = 17
GAP = 9  # around a nursery

# Pixels: what a character takes on average in the fonts below.
NAME_CHARACTER, FILE_CHARACTER, TEXT_CHARACTER, LABEL_CHARACTER = 7.3, 6.4, 6.3, 7.2

# The colours outside the queries are for viewers that do not know the queries.
STYLE = """
  text { font: 12px system-ui, sans-serif; fill: #57606a }
  .name { font: 600 12px ui-monospace, monospace; fill: #1f2328 }
  .file { font: 10.5px ui-monospace, monospace; fill: #6e7781 }
  .label { font-weight: 600; fill: #0969da }
  .nursery { fill: #ffffff; stroke: #8c959f }
  .shaded { fill: #f0f3f6 }
  .dot { fill: #1a7f37 }
  .paper { fill: #ffffff }
  @media (prefers-color-scheme: dark) {
    text, .file { fill: #9198a1 }
    .name { fill: #e6edf3 }
    .label { fill: #4493f8 }
    .nursery { fill: #0d1117; stroke: #6e7681 }
    .shaded { fill: #161b22 }
    .dot { fill: #3fb950 }
    .paper { fill: #0d1117 }
  }
"""


class Picture:
    """The picture of a tree, made from the top down.

    Args:
        root: the main task.
    """

    def __init__(self, root: Task) -> None:
        self._root = root
        self._parts: list[str] = []
        self._y = float(MARGIN)
        self._depth = 0
        # The largest nursery of each function is drawn in full, and the others are not.
        self._largest: dict[Function, int] = {}
        for task in _below(root):
            for (function, before), nursery in _placed(task):
                if not before:
                    size = _size(task.nurseries[task.nurseries.index(nursery) :])
                    self._largest[function] = max(size, self._largest.get(function, 0))

    def drawn(self) -> str:
        """Return the picture as SVG."""
        self._task(self._root, MARGIN, WIDTH - MARGIN, self._root.runs)
        notes = (
            "A box is a nursery, and a dot is a task in it. Nothing outlives its box.",
            "Blue says where there are many of a task, and which option it needs.",
        )
        self._y += GAP
        for note in notes:
            self._y += ROW
            self._parts.append(_text(MARGIN, self._y, note))
        height = self._y + MARGIN
        body = "\n".join(self._parts)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" '
            f'width="{WIDTH}" height="{height:.0f}" role="img">\n'
            "<title>The nurseries and tasks of a chat server</title>\n"
            f"<style>{STYLE}</style>\n"
            f'<rect class="paper" width="{WIDTH}" height="{height:.0f}"/>\n{body}\n</svg>\n'
        )

    def _task(self, task: Task, left: float, right: float, runs: set[str]) -> None:
        """Draw a task and its nurseries; `runs` are those that have what is around it."""
        self._y += ROW
        self._parts.append(
            f'<circle class="dot" cx="{left + 4:.0f}" cy="{self._y - 4:.0f}" r="4"/>'
        )
        label = ", ".join(filter(None, ("many" * task.is_one_of_many, _label(task.runs, runs))))
        x = self._heading(left + 16, task.function, label)
        purpose = task.function.purpose
        if x + len(purpose) * TEXT_CHARACTER < right:
            self._parts.append(_text(x, self._y, purpose))
        else:
            for line in textwrap.wrap(purpose, int((right - left - 16) / TEXT_CHARACTER)):
                self._y += ROW - 2
                self._parts.append(_text(left + 16, self._y, line))
        if task.nurseries:
            self._nursery(task.nurseries, left + INDENT, right - EDGE, task.runs, set())
        self._y += 2

    def _nursery(
        self,
        nurseries: Sequence[Nursery],
        left: float,
        right: float,
        runs: set[str],
        around: set[Function],
    ) -> None:
        """Draw a task's outermost nursery, and inside of it the others.

        Args:
            nurseries: they.
            left: where the box begins.
            right: where it ends.
            runs: those that have the task.
            around: what opened the nurseries of this task that are around.
        """
        nursery, *inner = nurseries
        self._y += GAP
        top, place = self._y, len(self._parts)
        self._depth += 1
        kind = "nursery" if self._depth % 2 else "nursery shaded"
        self._y += ROW - 3
        self._parts.append(_text(left + 8, self._y, "nursery of"))
        x = self._heading(left + 8 + 11 * TEXT_CHARACTER, nursery.function, "")
        self._y += 2
        is_outermost = nursery.function not in around
        if is_outermost and _size(nurseries) < self._largest[nursery.function]:
            self._parts.append(_text(x, self._y - 2, "As in the larger box of this name."))
            self._y -= GAP - 4
        else:
            for task in sorted(nursery.tasks, key=_order):
                self._task(task, left + 10, right - EDGE, runs)
            if inner:
                around = {*around, nursery.function}
                self._nursery(inner, left + INDENT, right - EDGE, runs, around)
        self._depth -= 1
        self._y += GAP
        self._parts.insert(
            place,
            f'<rect class="{kind}" x="{left:.0f}" y="{top:.0f}" width="{right - left:.0f}" '
            f'height="{self._y - top:.0f}" rx="6"/>',
        )

    def _heading(self, x: float, function: Function, label: str) -> float:
        """Draw a function's name, its file and a label, and return where the line goes on."""
        for text, kind, character in (
            (function.short_name, "name", NAME_CHARACTER),
            (function.file, "file", FILE_CHARACTER),
            (label, "label", LABEL_CHARACTER),
        ):
            if text:
                self._parts.append(_text(x, self._y, text, kind))
                x += len(text) * character + 12
        return x


def _below(task: Task) -> Iterator[Task]:
    yield task
    for nursery in task.nurseries:
        for child in nursery.tasks:
            yield from _below(child)


def _size(nurseries: Sequence[Nursery]) -> int:
    return sum(1 for nursery in nurseries for task in nursery.tasks for _ in _below(task))


def _order(task: Task) -> tuple[bool, str, int]:
    """Those without nurseries first, and then by where their functions are."""
    return bool(task.nurseries), task.function.file, task.function.line


def _label(runs: set[str], around: set[str]) -> str:
    """Say with which option there is a task, if not with all that have what is around it."""
    if runs == around:
        return ""
    if "" in runs:
        return "not with " + " or ".join(sorted(around - runs))
    return "with " + " or ".join(sorted(runs))


def _text(x: float, y: float, text: str, kind: str = "") -> str:
    style = f' class="{kind}"' if kind else ""
    return f'<text{style} x="{x:.0f}" y="{y:.0f}">{escape(text)}</text>'


def draw(root: Task) -> str:
    """Return the picture of a tree."""
    return Picture(root).drawn()


def main(arguments: list[str]) -> int:
    """Write the picture, or check it, and return the exit status."""
    picture = draw(read_tasks())
    if arguments == ["--check"]:
        current = PICTURE.exists() and PICTURE.read_text(encoding="utf-8") == picture
        if not current:
            print(f"{PICTURE.relative_to(ROOT)} is not current: run python tools/draw_tasks.py")
        return 0 if current else 1
    PICTURE.write_text(picture, encoding="utf-8")
    return 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["--program"]:
        be_program(sys.argv[2:])
    else:
        sys.exit(main(sys.argv[1:]))
