"""Each Protocol of the toolkit says who implements it, and no capability lacks one."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from pathlib import Path
from typing import Any

import pytest

import trionet
from trionet import abc
from trionet.testing.streams import SendingNowMemoryStream

SOURCE = Path(trionet.__file__).parent

# These use the toolkit, and have Protocols of their own.
SERVICES = ("calc", "chat", "cli")

PROTOCOLS = [
    value
    for value in vars(abc).values()
    if inspect.isclass(value) and value.__module__ == abc.__name__
]

# What is asked of a stream, a listener, a network or a box by name, besides capabilities.
NOT_CAPABILITIES = {
    "receive_some",  # Trio's own, and so is the next one
    "send_all",
    "wait_with",  # between the files of transport/, where `Readiness` is
}


def members_of(protocol: type) -> set[str]:
    """Return the names that a Protocol and its bases declare."""
    declared: set[str] = set()
    for one in protocol.__mro__:
        if one.__module__ == abc.__name__:
            declared |= {name for name in [*vars(one), *one.__annotations__] if name[0] != "_"}
    return declared


def named(path: str) -> Any:
    """Return what a name such as ``trionet.testing.MemoryListener`` stands for."""
    if path == "trionet.testing":
        return SendingNowMemoryStream
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)


def test_every_protocol_of_the_toolkit_is_in_one_file() -> None:
    elsewhere = [
        f"{path.relative_to(SOURCE)}: {node.name}"
        for path in SOURCE.rglob("*.py")
        if path.relative_to(SOURCE).parts[0] not in ("abc.py", *SERVICES)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef) and "Protocol" in map(ast.unparse, node.bases)
    ]
    assert not elsewhere, "move them to abc.py, and say who implements and who uses each"


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_whoever_implements_a_protocol_has_its_methods(protocol: type) -> None:
    text = inspect.getdoc(protocol)
    assert text is not None
    sentence = re.search(
        r"([^.]|\.(?=\w))*(implements? it|is one|keeps the count)", " ".join(text.split())
    )
    assert sentence is not None, f"{protocol.__name__} does not say who implements it"
    for path in re.findall(r"`(trionet[\w.]+)`", sentence[0]):
        implementer = named(path)
        for method in members_of(protocol):
            if inspect.isfunction(getattr(protocol, method, None)):
                assert callable(getattr(implementer, method)), f"{path} has no {method}"


def test_every_capability_that_is_looked_for_is_in_a_protocol() -> None:
    declared = set().union(*map(members_of, PROTOCOLS))
    files = [
        SOURCE / "running_server.py", SOURCE / "argument_checks.py",
        *(SOURCE / "program").glob("*.py"),
        *(SOURCE / "connection").glob("*.py"), *(SOURCE / "fanout").glob("*.py"),
        *(SOURCE / "transport").glob("*.py"),
    ]  # fmt: skip
    asked = set()
    for file in files:
        for call in ast.walk(ast.parse(file.read_text("utf-8"))):
            match call:
                case ast.Call(
                    func=ast.Name("getattr" | "hasattr"), args=[of, ast.Constant(name), *_]
                ):
                    words = re.findall(r"[a-z]+", ast.unparse(of))
                    if {"stream", "transport", "listener", "network", "box"} & set(words):
                        asked.add(name)
    assert {"refuse", "has_input", "reload", "put"} <= asked
    assert asked - NOT_CAPABILITIES - declared == set()
