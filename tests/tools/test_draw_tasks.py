"""The picture of the tasks is drawn from a server that runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

import needs
from redis_server import need_redis
from tools import draw_tasks
from tools.draw_tasks import PICTURE, Function, draw, join, read_tasks, task_of
from trionet.transport.readiness import HAS_EPOLL

FILE = '''
class Server:
    async def run(self):
        """Serve until cancelled.

        At length.
        """

    async def _run(self):
        pass

    async def serve(self):
        async def watch():
            """Watch `everything`: it may end."""

        async def silent():
            pass
'''


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "server.py").write_text(FILE)
    monkeypatch.setattr(draw_tasks, "SOURCE", tmp_path)


def told(name: str, *nurseries: list[Any]) -> dict[str, Any]:
    """Return what a program tells of a task: its name, and the tasks of each of its nurseries."""
    function = {"file": "server.py", "name": name, "line": 1}
    return {
        "function": function,
        "nurseries": [{"function": function, "tasks": tasks} for tasks in nurseries],
    }


def texts_of(picture: str) -> list[str]:
    return [
        element.text or "" for element in ElementTree.fromstring(picture).iter() if element.text
    ]


def test_the_committed_picture_is_current() -> None:
    need_redis()
    if not HAS_EPOLL:
        needs.lacking("the picture shows a server on Linux, which waits with epoll")
    current = draw(read_tasks())
    assert PICTURE.read_text(encoding="utf-8") == current, "run python tools/draw_tasks.py"
    assert ElementTree.fromstring(current).tag.endswith("svg")


@pytest.mark.usefixtures("source")
def test_the_first_sentence_of_a_docstring_says_what_a_task_does() -> None:
    assert Function("server.py", "Server.run", 3).purpose == "Serve until cancelled"
    watch = Function("server.py", "Server.serve.<locals>.watch", 13)
    assert watch.purpose == "Watch everything"
    assert watch.short_name == "watch"


@pytest.mark.usefixtures("source")
def test_a_private_function_may_have_the_docstring_of_the_public_one() -> None:
    assert Function("server.py", "Server._run", 9).purpose == "Serve until cancelled"


@pytest.mark.usefixtures("source")
def test_a_task_without_a_docstring_is_refused() -> None:
    with pytest.raises(ValueError, match=r"silent in server\.py runs as a task"):
        _ = Function("server.py", "Server.serve.<locals>.silent", 16).purpose


def test_tasks_of_one_run_that_look_alike_are_one_of_many() -> None:
    root = task_of(told("Server.run", [told("a"), told("a"), told("b")]), "")
    assert [(one.function.name, one.is_one_of_many) for one in root.nurseries[0].tasks] == [
        ("a", True),
        ("b", False),
    ]


def test_a_task_of_every_run_is_not_one_of_many() -> None:
    root = task_of(told("Server.run", [told("a")]), "")
    join(root, task_of(told("Server.run", [told("a"), told("b")]), "--metrics"))
    assert [
        (one.function.name, one.runs, one.is_one_of_many) for one in root.nurseries[0].tasks
    ] == [
        ("a", {"", "--metrics"}, False),
        ("b", {"--metrics"}, False),
    ]


@pytest.mark.usefixtures("source")
def test_a_task_that_needs_an_option_is_labelled_with_it() -> None:
    watch, run = told("Server.serve.<locals>.watch"), told("Server.run")
    root = task_of(told("Server.run", [watch]), "")
    join(root, task_of(told("Server.run", [run], [run]), "--redis"))
    texts = texts_of(draw(root))
    assert "not with --redis" in texts
    assert texts.count("with --redis") == 2
    assert texts.count("nursery of") == 2


@pytest.mark.usefixtures("source")
def test_a_nursery_is_drawn_in_full_once() -> None:
    small = told("Server.run", [told("Server.run")])
    large = told("Server.run", [told("Server.run"), told("Server.serve.<locals>.watch")])
    texts = texts_of(draw(task_of(told("Server._run", [small], [large]), "")))
    assert texts.count("As in the larger box of this name.") == 1
