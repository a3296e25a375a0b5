"""Find what ``module:name`` names: the handler that `trionet run` serves."""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from typing import Any

from trionet.errors import TrionetError
from trionet.text.safe import safe_text


class BadTarget(TrionetError):
    """There is nothing to serve under this name; the message is one line."""


def load_target(target: str) -> Any:
    """Import a module, the current folder's first, and return what a name in it stands for.

    Args:
        target: the module and the name, such as ``shout:shout``, ``services.shout:Shouter.serve``.

    Raises:
        BadTarget: there is no such module, it fails while it is loaded, or nothing in it has this
            name.
    """
    module_name, colon, name = target.partition(":")
    if not (colon and module_name and name):
        raise BadTarget(
            f"{safe_text(target)!r} is not a target: write MODULE:NAME, as in shout:shout"
        )
    if module_name.endswith(".py") or os.sep in module_name:
        dotted = module_name.removesuffix(".py").replace(os.sep, ".").strip(".")
        raise BadTarget(f"{safe_text(module_name)} is a file: write its module, {dotted}:{name}")
    if not all(part.isidentifier() for part in module_name.split(".")):
        raise BadTarget(f"{safe_text(module_name)!r} is not the name of a module")
    # The console script's own folder is first there, and the current one is nowhere.
    sys.path.insert(0, os.getcwd())  # noqa: PTH109
    try:
        found: Any = importlib.import_module(module_name)
    except Exception as error:
        raise BadTarget(_why_not_loaded(module_name, error)) from None
    for part in name.split("."):
        if not hasattr(found, part):
            raise BadTarget(f"there is no {safe_text(name)} in the module {module_name}")
        found = getattr(found, part)
    return found


def _why_not_loaded(module_name: str, error: Exception) -> str:
    shown = safe_text(module_name)
    missing = error.name if isinstance(error, ModuleNotFoundError) else None
    if missing is not None and f"{module_name}.".startswith(f"{missing}."):
        return f"there is no module {safe_text(missing)} in this folder or installed"
    what = safe_text(f"{type(error).__name__}: {error}")
    if isinstance(error, SyntaxError):
        # It names its own file and line.
        return f"{shown} cannot be loaded: {what}"
    at = traceback.extract_tb(error.__traceback__)[-1]
    return f"{shown} cannot be loaded: {what} ({safe_text(at.filename)}, line {at.lineno})"
