"""The page's files are served as they are, and its modules pass their own tests in Node."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

import needs
from trionet.chat.page import PageFile, page_files

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def page() -> dict[str, PageFile]:
    return dict(page_files(password=False))


def test_the_page_is_the_root_and_every_file_has_its_media_type(page: dict[str, PageFile]) -> None:
    types = {path: file.media_type for path, file in page.items()}
    assert types["/"] == "text/html; charset=utf-8"
    assert types["/page.css"] == "text/css; charset=utf-8"
    assert types["/main.js"] == "text/javascript; charset=utf-8"
    assert types["/icon.svg"] == "image/svg+xml"
    assert all(file.body for file in page.values())


def test_what_is_not_part_of_the_page_is_not_served(page: dict[str, PageFile]) -> None:
    assert not [path for path in page if path.endswith((".py", ".pyc", ".json", "index.html"))]


@pytest.mark.parametrize("password", [False, True])
def test_the_page_asks_for_a_password_only_where_one_is_wanted(password: bool) -> None:
    body = page_files(password=password)["/"].body
    assert body.count(b'data-password="yes"') == password
    assert body.count(b'data-password="no"') == (not password)


def test_everything_that_the_page_names_is_served(page: dict[str, PageFile]) -> None:
    html = page["/"].body.decode()
    named = re.findall(r'(?:href|src)="([^"]+)"', html)
    assert "main.js" in named
    for path, file in page.items():
        if path.endswith(".js"):
            named += re.findall(r'from "\./([^"]+)"', file.body.decode())
    assert {f"/{name}" for name in named} <= page.keys()


def test_every_module_is_used(page: dict[str, PageFile]) -> None:
    used, new = set[str](), {"main.js"}
    while new:
        used |= new
        sources = [page[f"/{name}"].body.decode() for name in new]
        new = {name for text in sources for name in re.findall(r'from "\./([^"]+)"', text)} - used
    assert {f"/{name}" for name in used} == {path for path in page if path.endswith(".js")}


def test_every_element_that_a_module_looks_for_is_in_the_page(page: dict[str, PageFile]) -> None:
    ids = set(re.findall(r' id="([^"]+)"', page["/"].body.decode()))
    for path, file in page.items():
        if path.endswith(".js"):
            assert set(re.findall(r'byId\("([^"]+)"\)', file.body.decode())) <= ids, path


def test_nothing_makes_markup_or_code_from_text(page: dict[str, PageFile]) -> None:
    html = page["/"].body.decode()
    assert not re.search(r"<script(?! type=\"module\" src=)|<style| style=| on\w+=", html)
    assert "//" not in re.sub(r"<!--.*?-->", "", html)
    makers = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|srcdoc"
    for path, file in page.items():
        if path.endswith(".js"):
            assert not re.search(makers, file.body.decode()), path


def test_the_modules_do_what_their_own_tests_say() -> None:
    node = shutil.which("node")
    if node is None:
        needs.lacking("there is no Node to run the tests of the page's modules")
    files = [str(path) for path in sorted(HERE.glob("*.test.mjs"))]
    assert files
    run = subprocess.run([node, "--test", *files], capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stdout + run.stderr
