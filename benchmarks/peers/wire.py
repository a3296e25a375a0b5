"""The wire format that all peers speak, as functions, so that a peer shows only what is its own.

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

# A thousand clients connect at once: all servers are given the same queue for them.
BACKLOG = 4096

OPERATORS: dict[str, Callable[[Decimal, Decimal], Decimal]] = {
    "+": add,
    "-": sub,
    "*": mul,
    "/": truediv,
}


def host_and_port() -> tuple[str, int]:
    """Return what the command line says: ``HOST:PORT``."""
    host, _, port = sys.argv[1].rpartition(":")
    return host, int(port)


def say_listening(address: tuple[str, int]) -> None:
    """Tell, once connections are accepted."""
    print(f"listening on {address[0]}:{address[1]}", flush=True)


def welcome(name: str, names: Collection[str]) -> bytes:
    """Tell the newcomer who is here, themselves among them."""
    text = ", ".join(islice(names, WELCOME_NAMES))
    if len(names) > WELCOME_NAMES:
        text += f" … and {len(names) - WELCOME_NAMES} more"
    return f"*** welcome, {name} ({len(names)} here: {text})\n".encode()


def joined(name: str, here: int) -> bytes:
    """Tell everyone else who came."""
    return f"*** {name} joined ({here} here)\n".encode()


def left(name: str, here: int) -> bytes:
    """Tell everyone else who went."""
    return f"*** {name} left ({here} here)\n".encode()


def message(name: str, line: bytes) -> bytes:
    """Pass on what somebody said; ``line`` without its end."""
    return b"%s: %s\n" % (name.encode(), line)


def calculate(line: bytes) -> bytes:
    """Return the reply to one operation, with its end."""
    try:
        left, operator, right = line.decode().split()
        result = OPERATORS[operator](Decimal(left), Decimal(right))
    except DivisionByZero:
        return b"error: division by zero\n"
    except (ValueError, KeyError, InvalidOperation, DecimalException):
        return b"error: not an operation\n"
    return f"{result.normalize() + 0:f}\n".encode()
