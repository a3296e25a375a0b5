"""Every public function, class and method says in its docstring what its user has to know.

The tests walk through the public names, and through the public methods and properties of each
public class. They hold to what can be read off the code:

- each argument is named, with its own default, and with its unit if it is a number;
- what returns something says so;
- each error that a body raises by itself is named;
- what is ``async`` is a checkpoint always or never, and says which, or what cancelling it does;
- what opens or holds something says who closes it, behind ``Resource handling:``.

A method may leave words to the method that it overrides, or that it refers to (``see `x```), and
an async method to its class.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator
from enum import Enum
from functools import cached_property
from typing import Any

import trio

from trionet._lazy import read_stub

PACKAGES = ["trionet", "trionet.calc", "trionet.chat", "trionet.testing"]

MEMBER = (property, cached_property, classmethod, staticmethod)

RETURNS = re.compile(r"\b(return|yield)(s|ed)?\b", re.IGNORECASE)
CHECKPOINT = re.compile(r"\bcheckpoints?\b|^ *Cancellation:", re.MULTILINE)
DEFAULT = re.compile(r"\bdefaults?\b", re.IGNORECASE)
TOLD_CONSTANT = re.compile(r"\b[Dd]efault:? `*(None|True|False|true|false)\b")
TOLD_NUMBER = re.compile(r"\b[Dd]efault:? ([0-9][0-9,]*(?:\.[0-9]+)?)(?: ([KM]iB))?\b")
FACTORS = {None: 1, "KiB": 1 << 10, "MiB": 1 << 20}
UNIT = re.compile(
    r"second|byte|line|bits|digit|character|column|entries|entry|message|room|member|connection"
    r"|request|day|number|unit|port|0 to|in which|value",
    re.IGNORECASE,
)

CLOSES = re.compile(r"^ *Resource handling:|the caller closes", re.MULTILINE)

# "See `x`", "as `x` does": its docstring has the rest.
REFERS = re.compile(r"\b([Ss]ee|as|does what|what) `", re.IGNORECASE)

# A class that its user gets from elsewhere says who makes it; then its arguments are nobody's
# business.
MADE_ELSEWHERE = re.compile(r"\b(makes? (it|both)|is made by)\b")

# Trio's own conventions; their names say all.
CONVENTIONS = {"self", "cls", "task_status"}

# What a body raises and nobody is to catch: the end of an ``async for``, and a failing test.
NOT_DECLARED = {"StopAsyncIteration", "AssertionError"}


class Entry:
    """One public function, class, method or property: its docstring, and what its code shows."""

    def __init__(self, label: str, thing: Any, owner: type | None = None) -> None:
        self.label = label
        self.thing = thing
        self.owner = owner
        self.is_class = inspect.isclass(thing)
        self.is_property = isinstance(thing, property | cached_property)

    @property
    def function(self) -> Any:
        """The function behind it; ``None``: a class without an ``__init__`` of its own."""
        if isinstance(self.thing, property):
            return self.thing.fget
        if isinstance(self.thing, cached_property):
            return self.thing.func
        if isinstance(self.thing, classmethod | staticmethod):
            return self.thing.__func__
        if self.is_class:
            made = vars(self.thing).get("__init__")
            is_ours = inspect.isfunction(made) and made.__module__.startswith("trionet")
            return made if is_ours else None
        return inspect.unwrap(self.thing)

    @property
    def text(self) -> str:
        """The docstring, and that of each method it overrides."""
        if self.is_class:
            return self.thing.__doc__ or ""
        name = self.label.rpartition(".")[2]
        bases = self.owner.__mro__[1:] if self.owner is not None else ()
        overridden = [vars(base)[name] for base in bases if name in vars(base)]
        return "\n".join(inspect.getdoc(one) or "" for one in (self.thing, *overridden))

    @property
    def parameters(self) -> list[inspect.Parameter]:
        """The arguments that a user gives."""
        if self.is_property or (
            self.is_class
            and (
                issubclass(self.thing, BaseException | Enum)
                or getattr(self.thing, "_is_protocol", False)
                or MADE_ELSEWHERE.search(self.text)
            )
        ):
            return []
        given = inspect.signature(self.thing if self.is_class else self.function)
        return [
            one
            for one in given.parameters.values()
            if one.name not in CONVENTIONS and not one.name.startswith("_")
        ]

    def told(self, argument: str) -> str:
        """What the docstring tells of an argument: its own paragraph, or else everything."""
        pattern = rf"^( *){re.escape(argument)}: (.*(?:\n(?:\1 +.*)?)*)"
        found = re.search(pattern, self.text, re.MULTILINE)
        return found[2] if found else self.text

    @property
    def tree(self) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
        """The code; ``None``: it has none, or Python has made it."""
        try:
            tree = ast.parse(textwrap.dedent(inspect.getsource(self.function))).body[0]
        except (OSError, TypeError):
            return None
        return tree if isinstance(tree, ast.FunctionDef | ast.AsyncFunctionDef) else None


def _entries() -> Iterator[Entry]:
    seen = set()
    for package in PACKAGES:
        module = importlib.import_module(package)
        for name in read_stub(package):
            thing = getattr(module, name)
            is_ours = str(getattr(thing, "__module__", "")).startswith("trionet")
            if not is_ours or not (inspect.isfunction(thing) or inspect.isclass(thing)):
                continue
            if id(thing) in seen:
                continue
            seen.add(id(thing))
            label = f"{package}.{name}".removeprefix("trionet.")
            yield Entry(label, thing)
            owner = thing if isinstance(thing, type) else None
            for attribute, member in vars(owner).items() if owner else ():
                is_public = not attribute.startswith("_") or attribute == "__call__"
                if is_public and (isinstance(member, MEMBER) or inspect.isfunction(member)):
                    yield Entry(f"{label}.{attribute}", member, owner)


ENTRIES = list(_entries())


def _each(missing: Callable[[Entry], str | list[str]]) -> None:
    """Fail with all entries of which `missing` says that something is missing."""
    faults = [f"{entry.label}: {fault}" for entry in ENTRIES if (fault := missing(entry))]
    assert not faults, "\n" + "\n".join(faults)


def test_there_are_public_names_to_look_at() -> None:
    labels = {entry.label for entry in ENTRIES}
    assert {"serve", "Connection.send", "chat.Client.say", "calc.parse"} <= labels
    assert len(labels) > 300


def test_everything_public_has_a_docstring() -> None:
    _each(lambda entry: "" if entry.text.strip() else "no docstring")


def test_each_argument_is_named() -> None:
    def missing(entry: Entry) -> list[str]:
        if not entry.is_class and REFERS.search(entry.text):
            return []
        # One or two arguments may stand in a sentence; more are a list.
        parameters = entry.parameters
        is_short = len(parameters) <= 2
        word = r"\b{}\b" if is_short else r"(^ *|`|\*){}(:|`)"
        names = {one.name: one.name.replace("_", "[ _]" if is_short else "_") for one in parameters}
        return [
            name
            for name, shown in names.items()
            if not re.search(word.format(shown), entry.text, re.MULTILINE)
        ]

    _each(missing)


def test_each_default_is_told() -> None:
    def missing(entry: Entry) -> list[str]:
        # What the toolkit hands out has attributes, and nobody else makes one.
        if entry.is_class and "Args:" not in entry.text:
            return []
        if not entry.is_class and REFERS.search(entry.text.partition("Args:")[0]):
            return []
        return [
            one.name
            for one in entry.parameters
            if one.default is not one.empty and not DEFAULT.search(entry.told(one.name))
        ]

    _each(missing)


def test_a_default_that_is_told_is_the_real_one() -> None:
    def lies(entry: Entry) -> list[str]:
        found = []
        for one in entry.parameters:
            text, default = " ".join(entry.told(one.name).split()), one.default
            if text == " ".join(entry.text.split()):
                continue
            constant, number = TOLD_CONSTANT.search(text), TOLD_NUMBER.search(text)
            if constant and str(default) != constant[1].capitalize():
                found.append(f"{one.name} is {default}, not {constant[1]}")
            # A number told for ``None`` is what the OS or another object chooses then.
            if number and isinstance(default, int | float) and not isinstance(default, bool):
                told = float(number[1].replace(",", "")) * FACTORS[number[2]]
                if told != default:
                    found.append(f"{one.name} is {default}, not {told:g}")
        return found

    _each(lies)


def test_each_number_has_a_unit() -> None:
    def missing(entry: Entry) -> list[str]:
        if entry.is_class and "Args:" not in entry.text and "Make it with" in entry.text:
            return []
        return [
            one.name
            for one in entry.parameters
            if re.search(r"\b(int|float)\b", re.sub(r"\[.*\]", "", str(one.annotation)))
            and not UNIT.search(f"{one.name} {entry.told(one.name)}")
        ]

    _each(missing)


def _raised(tree: ast.AST) -> set[str]:
    """The names of the errors that a body raises, without those of functions inside it."""
    found = set()
    waiting = list(ast.iter_child_nodes(tree))
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef):
            continue
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            name = ast.unparse(node.exc.func).rpartition(".")[2]
            if name[:1].isupper():
                found.add(name)
        if isinstance(node, ast.Try):
            # What the body raises is caught here; its handlers and its end count.
            caught = " ".join(ast.unparse(one.type) for one in node.handlers if one.type)
            inner = ast.Module(node.body, [])
            found |= {name for name in _raised(inner) if name not in caught}
            waiting += [*node.handlers, *node.orelse, *node.finalbody]
            continue
        waiting += ast.iter_child_nodes(node)
    return found - NOT_DECLARED


def test_each_error_that_a_body_raises_is_named() -> None:
    def missing(entry: Entry) -> list[str]:
        tree = entry.tree
        if tree is None or REFERS.search(entry.text.partition("Args:")[0]):
            return []
        if entry.is_class and MADE_ELSEWHERE.search(entry.text):
            return []
        text = entry.text + (entry.owner.__doc__ or "" if entry.owner else "")
        return [name for name in sorted(_raised(tree)) if name not in text]

    _each(missing)


def test_what_returns_something_says_so() -> None:
    def missing(entry: Entry) -> str:
        tree = entry.tree
        if entry.is_property or entry.is_class or tree is None or tree.returns is None:
            return ""
        returns = ast.unparse(tree.returns)
        is_block = hasattr(entry.thing, "__wrapped__")
        if is_block or returns in ("None", "NoReturn", "Never", "Self"):
            return ""
        return "" if RETURNS.search(entry.text) else f"-> {returns}"

    _each(missing)


def test_what_is_async_says_whether_it_is_a_checkpoint() -> None:
    def missing(entry: Entry) -> str:
        function = entry.function
        if not (inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)):
            return ""
        text = entry.text + (entry.owner.__doc__ or "" if entry.owner else "")
        return "" if CHECKPOINT.search(text) else "not said"

    _each(missing)


def test_what_opens_or_holds_something_says_who_closes_it() -> None:
    def missing(entry: Entry) -> str:
        thing = entry.thing
        if entry.is_class:
            holds = issubclass(thing, trio.abc.AsyncResource) or hasattr(thing, "__aenter__")
            holds = holds or hasattr(thing, "aclose")
        else:
            holds = inspect.isgeneratorfunction(entry.function) and hasattr(thing, "__wrapped__")
            holds = holds or inspect.isasyncgenfunction(entry.function)
            holds = holds or entry.label.rpartition(".")[2] in ("listen", "connect", "serve")
        return "" if not holds or CLOSES.search(entry.text) else "not said"

    _each(missing)
