"""A client of the calculator: asks for several results at once, and prints them in order.

Run it:  trionet calc serve                                       (in another terminal)
         python examples/calc_client.py '12 + 42' '2 * (3 + 4)' '1 / 0'
"""

import sys

import trio

from trionet import SYSTEM, Network, TrionetError
from trionet.calc import CalculationError, Client

SERVER = "localhost:22333"


async def answer(calc: Client, expression: str, answers: dict[str, str]) -> None:
    """Calculate one expression, and keep its result or the error."""
    try:
        answers[expression] = f"{await calc(expression):,}"
    except CalculationError as error:
        answers[expression] = f"error: {error}"


async def main(expressions: list[str], network: Network = SYSTEM) -> None:
    """Calculate all expressions at the same time, and print each with its result."""
    answers: dict[str, str] = {}
    async with (
        Client(SERVER, name="example", network=network) as calc,
        trio.open_nursery() as nursery,
    ):
        for expression in expressions:
            nursery.start_soon(answer, calc, expression, answers)
    for expression in expressions:
        print(f"{expression} = {answers[expression]}")


if __name__ == "__main__":
    try:
        trio.run(main, sys.argv[1:])
    except* TrionetError as errors:
        sys.exit(f"error: {errors.exceptions[0]}")
    except* KeyboardInterrupt:
        sys.exit(130)
