"""The wire format that all peers speak, so that each peer's file shows only what is special to it.

The chat: the first line is the name, each line after it a message, and ``q`` leaves. The
calculator: the first line is the name, and each line after it gets one reply.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection
from decimal import Decimal, DecimalException, DivisionByZero, InvalidOperation
from itertools import islice
from operator import add, mul, sub, truediv

WELCOME_NAMES = 20

# A thousand clients connect at once, so all servers get the same long queue.
BACKLOG = 4096

OPERATORS: dict[str, Callable[[Decimal, Decimal], Decimal]] = {
    "+": add,
    "-": sub,
    "*": mul,
    "/": truediv,
}


def host_and_port() -> tuple[str, int]:
    """Return the host and port of the command line: ``HOST:PORT``."""
    host, _, port = sys.argv[1].rpartition(":")
    return host, int(port)


def say_listening(address: tuple[str, int]) -> None:
    """Print the address. Call this once connections are accepted."""
    print(f"listening on {address[0]}:{address[1]}", flush=True)


def welcome(name: str, names: Collection[str]) -> bytes:
    """Tell a newcomer who is here, including the newcomer."""
    text = ", ".join(islice(names, WELCOME_NAMES))
    if len(names) > WELCOME_NAMES:
        text += f" … and {len(names) - WELCOME_NAMES} more"
    return f"*** welcome, {name} ({len(names)} here: {text})\n".encode()


def joined(name: str, here: int) -> bytes:
    """Tell everyone else who joined."""
    return f"*** {name} joined ({here} here)\n".encode()


def left(name: str, here: int) -> bytes:
    """Tell everyone else who left."""
    return f"*** {name} left ({here} here)\n".encode()


def message(name: str, line: bytes) -> bytes:
    """Pass a message on; ``line`` has no line end."""
    return b"%s: %s\n" % (name.encode(), line)


def calculate(line: bytes) -> bytes:
    """Return the reply to one operation, with its line end."""
    try:
        left, operator, right = line.decode().split()
        result = OPERATORS[operator](Decimal(left), Decimal(right))
    except DivisionByZero:
        return b"error: division by zero\n"
    except (ValueError, KeyError, InvalidOperation, DecimalException):
        return b"error: not an operation\n"
    return f"{result.normalize() + 0:f}\n".encode()


def answer(line: str) -> str:
    """Return the reply to one operation, for a toolkit that decodes and encodes lines itself.

    It does the same as `calculate`. Neither calls the other, because that call would count as
    the server's.
    """
    try:
        left, operator, right = line.split()
        result = OPERATORS[operator](Decimal(left), Decimal(right))
    except DivisionByZero:
        return "error: division by zero"
    except (ValueError, KeyError, InvalidOperation, DecimalException):
        return "error: not an operation"
    return f"{result.normalize() + 0:f}"
