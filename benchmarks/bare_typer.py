"""The smallest possible typer program, for comparison with `trionet --version`."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer()


@app.command()
def main(version: Annotated[bool, typer.Option("--version")] = False) -> None:
    """Print a version."""
    if version:
        print("bare 1.0")


if __name__ == "__main__":
    app()
