"""Where a password comes from: a file, the environment, or a person who types it unseen."""

from __future__ import annotations

import os
from pathlib import Path

import trio

from trionet.chat.session.admission import NOT_HERE
from trionet.chat.session.passwords import check_password
from trionet.cli.private_file import NotPrivate, Unreadable, read_private
from trionet.errors import TrionetError
from trionet.lines import MAX_LINE
from trionet.program.console import Console
from trionet.transport.hosts import is_private_address

# Where clients find a password if no file is given. (Everybody could see an argument, in `ps`.)
VARIABLE = "TRIONET_PASSWORD"

_READ_SIZE = 4096


class NoPassword(TrionetError):
    """There is a password, but it cannot be used."""


def read_password(file: Path) -> str:
    """Return the password in a file: its only line.

    Raises:
        NoPassword: it cannot be read, others may read it, or it is not one line.
    """
    try:
        content = read_private(file, MAX_LINE)
    except Unreadable as error:
        raise NoPassword(f"password file {file}: {error}") from None
    except NotPrivate:
        raise NoPassword(
            f"password file {file}: others may read it: run chmod 600 {file}"
        ) from None
    try:
        text = content.removesuffix(b"\n").removesuffix(b"\r").decode()
        check_password(text)
        if len(content) > MAX_LINE:
            raise ValueError
    except ValueError:
        reason = f"a password is one line of UTF-8, at most {MAX_LINE} bytes, and not q or /quit"
        raise NoPassword(f"password file {file}: {reason}") from None
    return text


def given_password(file: Path | None, address: str) -> str | None:
    """Return the password that a client was given; ``None``: it was given none.

    Args:
        file: the file that it is in; ``None``: the environment may have it.
        address: where it would be sent.

    Raises:
        NoPassword: it cannot be used, or could be read on its way there.
    """
    text = os.environ.get(VARIABLE, "") if file is None else read_password(file)
    if not text:
        return None
    if not is_private_address(address):
        raise NoPassword(f"{address}: {NOT_HERE}")
    try:
        check_password(text)
        text.encode()
    except ValueError:
        raise NoPassword(f"{VARIABLE}: a password is one line of UTF-8") from None
    return text


async def ask_password(console: Console, refusal: str | None = None) -> str | None:
    """Ask a person at the terminal for a password, without showing it.

    Args:
        console: where to ask.
        refusal: why the last one was refused.

    Returns:
        What was typed; ``None``: nothing, or there is no terminal that can hide it.

    Cancellation: the terminal shows what is typed again.
    """
    try:
        import termios

        shown = termios.tcgetattr(0)
    except (ImportError, OSError, ValueError):
        return None
    except termios.error:
        return None
    hidden = [*shown]
    hidden[3] &= ~termios.ECHO
    console.write(f"{refusal}\npassword: " if refusal else "password: ")
    typed = b""
    try:
        termios.tcsetattr(0, termios.TCSAFLUSH, hidden)
        while b"\n" not in typed:
            await trio.lowlevel.wait_readable(0)
            data = os.read(0, _READ_SIZE)
            typed += data
            if not data:
                break
    finally:
        termios.tcsetattr(0, termios.TCSANOW, shown)
        console.write("\n")
    return typed.partition(b"\n")[0].decode(errors="replace") or None
