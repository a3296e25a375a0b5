"""The `trionet demo` command. `demo.py` has what it shows."""

from __future__ import annotations


def demo() -> None:
    """Show both services at work, on this machine alone, in a few seconds."""
    from trionet.cli.demo import show
    from trionet.cli.running import run

    run(show)
