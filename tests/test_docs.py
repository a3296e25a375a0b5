"""Every block of code in the docs and the README runs, and whatever they name is there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock
from typer.main import get_command

from benchmarks.__main__ import PARTS
from trionet import abc, calc, chat
from trionet.calc.grammar import NAMES
from trionet.calc.help import HELP
from trionet.chat.client import connection as client_connection
from trionet.chat.client.queue import EventQueue
from trionet.cli.main import app
from trionet.testing import MemoryNetwork

ROOT = Path(__file__).parent.parent


def text_of(document: str) -> str:
    return (ROOT / document).read_text(encoding="utf-8")


def python_blocks(document: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```$", text_of(document), re.MULTILINE | re.DOTALL)


def test_both_guides_the_service_of_the_readme_and_the_example_pass_in_trio_mode(
    tmp_path: Path,
) -> None:
    blocks = python_blocks("docs/testing.md")
    assert len(blocks) >= 6
    guide = python_blocks("docs/services.md")
    assert all("async def test_" in block for block in guide)
    blocks += guide
    service, its_test, *_ = python_blocks("README.md")
    assert len(service.strip().splitlines()) <= 12
    # All in one run, because a run of pytest takes most of a second to begin.
    for number, block in enumerate(blocks):
        (tmp_path / f"test_block_{number}.py").write_text(block)
    (tmp_path / "test_readme.py").write_text(service + its_test)
    shutil.copy(ROOT / "examples" / "test_your_handler.py", tmp_path)
    options = ["-v", "-p", "no:cacheprovider", "-o", "trio_mode=true", "-W", "error"]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", *options], cwd=tmp_path,
        capture_output=True, text=True, check=False, timeout=120,
        # Otherwise hypothesis makes its tables of all characters again there, in two seconds.
        env=os.environ | {"HYPOTHESIS_STORAGE_DIRECTORY": str(ROOT / ".hypothesis")},
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr
    for file in ("test_readme.py", "test_your_handler.py"):
        assert f"{file}::" in run.stdout


async def test_the_programs_that_chat_do_what_their_page_says(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    # So small that the oldest events are dropped, and have to come from the history.
    monkeypatch.setattr(client_connection, "EventQueue", partial(EventQueue, limit=20_000))
    network, address = MemoryNetwork(), "localhost:22223"
    bot: dict[str, Any] = {}
    follower: dict[str, Any] = {}
    for names, block in zip((bot, follower), python_blocks("docs/clients.md"), strict=True):
        exec(compile(block, "docs/clients.md", "exec"), names)
    bot["Client"] = partial(chat.Client, network=network)
    shown: list[str] = []

    def show(event: object) -> None:
        shown.append(getattr(event, "text", ""))

    async with trio.open_nursery() as nursery:
        await nursery.start(partial(chat.serve, address, network=network, forever=True))
        nursery.start_soon(bot["run"], address)
        await trio.sleep(1)
        async with chat.Client(address, name="ear", network=network) as ear:
            async with chat.Client(address, name="ann", network=network) as ann:
                await ann.say("lobby", "!who")
                await trio.sleep(1)
                for number in range(300):
                    await ann.say("lobby", str(number))
                told = [getattr(event, "text", "") async for event in ann.history("@")]
                assert told == ["greeter, ear, ann"]
            with trio.move_on_after(5):
                await follower["follow"](ear, show)
        nursery.cancel_scope.cancel()
    assert [text for text in shown if text.isdecimal()] == [str(number) for number in range(300)]


@pytest.mark.parametrize(
    ("document", "number", "printed"),
    [("README.md", 2, "54\n"), ("docs/calculator.md", 0, "54\ndivision by zero\n")],
)
async def test_the_clients_of_the_calculator_print_what_is_told(
    document: str,
    number: int,
    printed: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    network = MemoryNetwork()
    ran: list[Callable[[], Awaitable[None]]] = []
    # As the page has it, except for the network.
    monkeypatch.setattr(calc, "Client", partial(calc.Client, network=network))
    monkeypatch.setattr(trio, "run", ran.append)
    block = compile(python_blocks(document)[number], document, "exec")
    exec(block, {"__name__": "__main__"})
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(calc.serve, "localhost:22333", network=network))
        (main,) = ran
        await main()
        nursery.cancel_scope.cancel()
    assert capsys.readouterr().out == printed


def test_the_page_and_the_help_of_the_calculator_name_every_function() -> None:
    shown = {
        "docs/calculator.md": text_of("docs/calculator.md"),
        "HELP in src/trionet/calc/help.py": "\n".join(HELP),
    }
    for place, text in shown.items():
        missing = [name for name in NAMES if not re.search(rf"\b{name}\b", text)]
        assert not missing, f"{place} does not name {', '.join(missing)}"


DOCUMENTS = [
    str(path.relative_to(ROOT)) for path in sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
]


def found_in_documents(pattern: str) -> list[tuple[str, str]]:
    """Return what a pattern finds, once for each document."""
    return [
        (document, found)
        for document in DOCUMENTS
        for found in sorted({*re.findall(pattern, text_of(document), re.MULTILINE)})
    ]


@pytest.mark.parametrize(("document", "link"), found_in_documents(r"\]\(([^)#:]+)[)#]"))
def test_what_a_document_links_to_is_there(document: str, link: str) -> None:
    assert (ROOT / document).parent.joinpath(link).exists()


def anchors_of(document: Path) -> set[str]:
    """Return the anchors that hosts of Markdown make of a document's headings."""
    headings = re.findall(r"^#+ (.*)$", document.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize(("document", "link"), found_in_documents(r"\]\(([^):]*#[^)]+)\)"))
def test_the_section_that_a_document_links_to_is_there(document: str, link: str) -> None:
    file, _, anchor = link.partition("#")
    target = ROOT / document
    assert anchor in anchors_of(target.parent / file if file else target)


@pytest.mark.parametrize(
    ("document", "quoted"),
    found_in_documents(r"(?<!=)\btrionet ((?:calc|chat) [a-z]+\b(?:[^`|#$\n]|\n(?=--))*)"),
)
def test_a_quoted_command_is_there_and_has_the_options_that_it_is_given(
    document: str, quoted: str
) -> None:
    group, command, *words = quoted.split()
    commands: Any = get_command(app)
    parameters = commands.commands[group].commands[command].params
    options = {option for parameter in parameters for option in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= options


@pytest.mark.parametrize(
    ("document", "quoted"),
    found_in_documents(r"((?:(?<!/)tools/\w+\.py|-m benchmarks\.\w+)[^`#;\n]*)"),
)
def test_a_quoted_script_is_there_and_has_the_options_that_it_is_given(
    document: str, quoted: str
) -> None:
    script, *words = quoted.removeprefix("-m ").split()
    source = script if script.endswith(".py") else f"{script.replace('.', '/')}.py"
    text = text_of(source)
    assert not [word for word in words if word.startswith("--") and f'"{word}"' not in text]


@pytest.mark.parametrize(
    ("document", "parts"), found_in_documents(r"-m benchmarks ((?:\[[a-z]+\]|[a-z|]+)+)")
)
def test_a_quoted_run_of_the_benchmarks_names_parts_that_are_there(
    document: str, parts: str
) -> None:
    assert {*re.findall("[a-z]+", parts)} <= PARTS.keys()


def test_the_architecture_names_every_capability_of_a_stream_with_its_methods() -> None:
    told = dict(re.findall(r"(?m)^\| `([A-Z]\w+)` \| (`.*?) \|", text_of("docs/architecture.md")))
    capabilities = {
        name: kind
        for name, kind in vars(abc).items()
        if (getattr(kind, "__doc__", None) or "").startswith("A capability of a stream")
    }
    assert told.keys() == capabilities.keys(), "docs/architecture.md, the table under Streams"
    for name, kind in capabilities.items():
        own = {member for member in vars(kind) if not member.startswith("_")}
        assert set(re.findall(r"`(\w+)`", told[name])) == own, name


# Where the documents look for a file that they name without its folder.
FOLDERS = (".", "src/trionet", "src/trionet/chat/page", "benchmarks", "deploy", "examples")
# Files that readers are told to write themselves.
OWN_FILES = {"test_shout.py"}


def files_named_in(text: str) -> set[str]:
    """Return the files and folders in back quotes and the paths anywhere; NAME stands for any."""
    kinds = "py|js|mjs|sh|css|json|md|svg|yaml|service|socket"
    quoted = re.findall(rf"`([\w./@-]+\.(?:{kinds})|[\w./-]+/)`", text)
    paths = re.findall(rf"(?<![\w/.])((?:docs|src|tests|tools)/[\w./-]+\.(?:{kinds}))\b", text)
    return {name for name in (*quoted, *paths) if "NAME" not in name} - OWN_FILES


def is_there(name: str) -> bool:
    return any((ROOT / folder / name).exists() for folder in FOLDERS)


@pytest.mark.parametrize("document", [name for name in DOCUMENTS if name != "docs/files.md"])
def test_every_file_that_a_document_names_is_there(document: str) -> None:
    assert not {name for name in files_named_in(text_of(document)) if not is_there(name)}


def test_names_of_files_are_found_in_tables_prose_and_paths() -> None:
    text = "`chat/x.py`, `log_view.js`, see docs/y.md; `transport/NAME.py` and `page/`"
    assert files_named_in(text) == {"chat/x.py", "log_view.js", "docs/y.md", "page/"}
    assert len(files_named_in(text_of("docs/architecture.md"))) > 200
    assert not is_there("chat/x.py")


def guides() -> list[tuple[str, list[tuple[str, str]]]]:
    """Return each guide of docs/architecture.md: its lists, each as files and what to do there."""
    _, _, text = text_of("docs/architecture.md").partition("## What a change touches\n")
    sections = text.partition("\n## ")[0].split("\n### ")[1:]
    lists: list[tuple[str, list[tuple[str, str]]]] = []
    for section in sections:
        title, *items = re.split(r"\n(?=\d\. )", section)
        for number, item in enumerate(items):
            step = item.partition("\n\n")[0]
            files, _, task = step.partition(":")
            if step.startswith("1."):
                lists.append((f"{title.splitlines()[0]} ({number + 1})", []))
            lists[-1][1].append((files, task))
    return lists


def test_the_guides_of_the_architecture_touch_four_files_of_the_package_at_most() -> None:
    assert len(guides()) >= 8
    for title, steps in guides():
        assert 1 < len(steps) <= 4, title


def test_the_tables_that_a_guide_sends_to_are_in_the_file_that_it_names() -> None:
    for title, steps in guides():
        for files, task in steps:
            named = [file for file in re.findall(r"`([\w/]+\.pyi?)`", files) if "NAME" not in file]
            sources = [text_of(f"src/trionet/{file}") for file in named]
            for table in re.findall(r"`(_?[A-Z]{3}[A-Z_]*)`", task):
                assert any(table in source for source in sources), f"{title}: {table}"
