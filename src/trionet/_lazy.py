"""Load a package's public names when they are first used.

The stub beside a package, ``__init__.pyi``, lists its public names. Type checkers and editors read
it as it is; `attach` reads it when the first name is looked up. So each name and its module are
written down once, and ``import trionet`` loads nothing.

The imports are in the functions that need them: a program that only prints its version, or is
interrupted in its first milliseconds, pays for none of them.
"""

TYPE_CHECKING = False  # Type checkers take it for true. Importing it from `typing` takes 5 ms.

if TYPE_CHECKING:
    from collections.abc import Callable


def attach(package: str) -> "tuple[Callable[[str], object], Callable[[], list[str]]]":
    """Return the ``__getattr__`` and ``__dir__`` of a package that loads its names lazily.

    ``__all__`` is lazy too: it lists the names in the stub.

    Args:
        package: the package's ``__name__``.
    """
    homes: dict[str, str] = {}

    def load(name: str) -> object:
        import sys
        from importlib import import_module

        # Python itself looks up names such as `__path__` or `__wrapped__`. The stub has none.
        if not name.startswith("__") or name == "__all__":
            if not homes:
                homes.update(read_stub(package))
            module = sys.modules[package]
            if name == "__all__":
                return sorted(homes)
            if name in homes:
                home = homes[name]
                found = import_module(home)
                # A module is not an attribute of its package until something has imported it.
                value = getattr(found, name, None) or import_module(f"{home}.{name}")
                setattr(module, name, value)
                return value
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    def names() -> list[str]:
        import sys

        return sorted({*vars(sys.modules[package]), *read_stub(package)})

    return load, names


def read_stub(package: str) -> dict[str, str]:
    """Return the module of each public name of a package, from its stub.

    Each line ``from MODULE import NAME as NAME`` in the stub makes a name public. NAME can be a
    module itself; then MODULE is its package.
    """
    import ast
    import sys
    from pathlib import Path

    source = sys.modules[package].__file__
    assert source is not None
    stub = Path(source).with_suffix(".pyi").read_text(encoding="utf-8")
    return {
        alias.name: node.module
        for node in ast.parse(stub).body
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
        if alias.asname == alias.name
    }
