"""The calculator's help names every function, with an example that works."""

from trionet.calc.grammar import parse
from trionet.calc.help import HELP
from trionet.calc.operations import FUNCTIONS


def test_the_help_shows_for_every_function_an_example_that_can_be_calculated() -> None:
    for function in FUNCTIONS.values():
        (line,) = [line for line in HELP if line.startswith(f"{function.name}(")]
        usage, _, meaning = line.partition("  ")
        assert parse(usage.strip())
        assert meaning.strip()


def test_no_line_of_the_help_is_too_long_for_a_terminal() -> None:
    assert max(map(len, HELP)) < 80
