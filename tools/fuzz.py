"""Feed random cases to the code that reads a peer's input, and check that nothing breaks.

    python tools/fuzz.py [decoder|calc|names|plain|text|json|client|all] [--cases 1000] [--seed N]

Each case depends only on the seed and the number of the case. The first case that fails ends the
script with status 1. Its seed and number are printed: `--seed NUMBER --first CASE --cases 1` runs
it again.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
import time
import traceback
from collections.abc import Callable, Collection, Hashable, Iterable
from decimal import Decimal
from pathlib import Path

from trionet import BadLine, Line, LineDecoder, safe_text
from trionet.abc import Box
from trionet.calc import (
    Arithmetic,
    CalculationError,
    MalformedExpression,
    Reply,
    UnfitName,
    Work,
    check_name,
    finish,
    format_number,
    parse,
)
from trionet.calc import Session as CalcSession
from trionet.chat import Event, Misunderstood, NameRefused, Session, Switchboard, parse_name
from trionet.chat.formats import plain
from trionet.chat.formats.answers import Mistaken
from trionet.chat.formats.requests import Act, Say
from trionet.chat.state.events import Acted, Said
from trionet.lines import MAX_LINE, MAX_LINE_TO_CLIENT
from trionet.text.safe import REPLACEMENT, WHITE_SPACE

sys.path.append(str(Path(__file__).parent.parent))

from tools.fuzz_chat import fuzz_client, fuzz_json

# Texts that have a meaning somewhere, so that random texts come close to what they must not be.
PIECES = [
    *"aAnNqQ01lI9.eE+-*/×÷−_ \t\r\n:{}#|＊：／｛ａｑéßİıς�",
    *[
        "/me ",
        "/say ",
        "/who",
        "/help",
        "/quit",
        "/nick ",
        "/msg ",
        "/topic ",
        "/join ",
        "//",
        "*** ",
        "* ",
        "error: ",
        "Bob: ",
        "\x1b[2J",
    ],
    *"\0\x7f\x85\x9b\x1c\xa0\xad\u2028\u2029\u3000\ue000\uffff\u0378",
    *"\u200b\u200c\u200d\u200e\u202e\u2066\u2060\ufeff\u3164",
    *"\u0301\u0307\u0323\u20e3\u034f\u0345\u064e\u094d\u0f90",
    *"\ufe00\ufe0e\ufe0f\U000e0100\u180b\u180e",
    *"аВΑոبאकরශ世葛ᠨｱ۱👩💻🏽🏴🇩😀",
    *["می", "ѕсоре", "\U000e0067\U000e0062", "\U000e0073", "\U000e007f"],
]
# Words of the calculator, so that some texts are expressions and most others nearly are.
WORDS = [
    *["1", "2.5", ".5", "5.", "1e3", "007", "1e-999999", "9e999999", "ans", "pi", "e", "1e1000000"],
    *["+", "-", "*", "/", "//", "%", "^", "**", "×", "÷", "−", "(", ")", "(", ")", ",", "="],
    *["sqrt(", "abs(", "round(", "min(", "max(", "sqrt", "x", "..", "1,111", "2(", "nan"],
    *[" ", "\t", "\x1b", "٤"],
]
NUMBERS = ["0", "12", "42", "3.24", ".5", "5.", "1e5", "1E-999999", "9e999999", "0.1", "1_0", "nan"]


def any_character(chance: random.Random) -> str:
    """Return any character of Unicode that a line can have; the first few thousand are frequent."""
    number = chance.randrange(chance.choice((0x80, 0x800, 0x3000, 0x10000, 0x20000, 0x110000)))
    return "�" if 0xD800 <= number < 0xE000 else chr(number)


def any_text(chance: random.Random) -> str:
    """Return a text of meaningful pieces, of any characters, or of both."""
    kind, length = chance.random(), int(chance.expovariate(1 / 8))
    if kind < 0.6:
        return "".join(chance.choices(PIECES, k=length))
    if kind < 0.8:
        return "".join([any_character(chance) for _ in range(length)])
    parts = chance.choices(PIECES, k=length) + [any_character(chance) for _ in range(length)]
    chance.shuffle(parts)
    return "".join(parts) * chance.choice((1, 1, 1, 12))


def any_name(chance: random.Random) -> str:
    """Return letters, digits and marks, mostly of one script; many of these are valid names."""
    start = chance.choice((0x61, 0xC0, 0x370, 0x410, 0x531, 0x5D0, 0x620, 0x904, 0x3041, 0x4E00))
    letters = [chr(start + chance.randrange(60)) for _ in range(chance.randrange(1, 12))]
    if chance.random() < 0.5:
        letters.insert(chance.randrange(len(letters) + 1), chance.choice(PIECES))
    return "".join(letters)


def any_line(chance: random.Random) -> str:
    """Return a text without LF, such as a decoder hands out."""
    return any_text(chance).replace("\n", "")


def fuzz_decoder(chance: random.Random) -> None:
    """However bytes are cut, the same lines come out, and none exceeds its limit."""
    data = b"".join(
        chance.choice(
            (
                b"\n",
                b"\r\n",
                b"\r",
                b"\xff",
                b"\xc3",
                b"x" * 9,
                b"x" * 70,
                any_text(chance).encode(),
            )
        )
        for _ in range(chance.randrange(8))
    )
    max_line, max_unending = chance.choice((0, 1, 8, 64)), chance.choice((0, 40, 1000))
    whole = LineDecoder(max_line=max_line, max_unending=max_unending)
    lines = whole.feed(data)
    cut = LineDecoder(max_line=max_line, max_unending=max_unending)
    pieces: list[Line] = []
    at = 0
    while at < len(data):
        size = 1 + int(chance.expovariate(1 / 6))
        pieces += cut.feed(memoryview(data)[at : at + size])
        at += size
    assert [*map(comparable, lines)] == [*map(comparable, pieces)]
    assert (whole.rest, whole.gave_up) == (cut.rest, cut.gave_up)
    assert len(whole.rest) <= max_line + 1
    for line in lines:
        assert isinstance(line, BadLine) or len(line.encode()) <= max_line
        assert isinstance(line, BadLine) or "\n" not in line


def comparable(line: Line) -> object:
    """Return a value that compares equal for equal lines; two `BadLine` objects never do."""
    return (type(line), str(line), line.start) if isinstance(line, BadLine) else line


def any_operation(chance: random.Random) -> str:
    """Return a line for the calculator: anything, two numbers, or words that may form one."""
    kind = chance.random()
    if kind < 0.3:
        return any_line(chance)
    if kind < 0.5:
        parts = [
            *chance.choices(NUMBERS, k=2),
            *chance.choices("+-*/×÷−–⋅·• \t\xa0\u2009\u202fe", k=3),
        ]
        chance.shuffle(parts)
        return "".join(parts) if chance.random() < 0.5 else f"{parts[0]} {parts[2]} {parts[1]}"
    if kind < 0.8:
        line = any_expression(chance, 4)
        if chance.random() < 0.5:
            place = chance.randrange(len(line))
            line = line[:place] + chance.choice(WORDS) + line[place + chance.randrange(3) :]
        return line
    times = chance.choice((1, 1, 1, 1, 300))
    return "".join(chance.choices(WORDS, k=int(chance.expovariate(1 / 6)))) * times


def any_expression(chance: random.Random, depth: int) -> str:
    """Return a valid expression; it need not have a result."""
    kind = chance.randrange(5)
    if depth == 0 or kind == 0:
        return chance.choice(("1", "2.5", ".5", "1e3", "ans", "pi", "e", "1e-999999", "9e999999"))
    inner = any_expression(chance, depth - 1)
    if kind == 1:
        return f"{chance.choice(('-', '+', '−'))}{inner}"
    if kind == 2:
        return f"({inner})"
    if kind == 3:
        name = chance.choice(("sqrt", "abs", "round", "min", "max"))
        rest = f", {any_expression(chance, depth - 1)}" if name in ("min", "max", "round") else ""
        return f"{name}({inner}{rest})"
    operator = chance.choice(("+", "-", "*", "/", "//", "%", "^", "**", "×", "÷", "−"))
    return f"{inner} {operator} {any_expression(chance, depth - 1)}"


def fuzz_calc(chance: random.Random) -> None:
    """Every line has one answer, in one safe line: a number that can be read back, or an error."""
    line = any_operation(chance).encode()[:MAX_LINE].decode(errors="ignore")
    arithmetic = Arithmetic(chance.choice((1, 3, 28, 100)))
    ans = chance.choice((None, Decimal(0), Decimal(-2), Decimal("1e-999999")))
    try:
        result = arithmetic.evaluate(parse(line), ans)
    except CalculationError as error:
        answer = f"error: {error}"
        assert_placed(error, line)
    else:
        answer = format_number(result)
        assert Decimal(answer) == result
        assert len(result.as_tuple().digits) <= arithmetic.precision
        assert answer.isascii()
        # Used as `ans`, the result stays the same.
        assert arithmetic.evaluate(parse(f"(ans)={' ' * chance.randrange(2)}"), result) == result
    assert len(answer) < 200
    session = CalcSession(arithmetic)
    try:
        name = check_name(line)
    except UnfitName:
        name = "ann"
    session.receive(name)
    assert session.name == name
    if ans is not None:
        session.receive(str(ans))
    costs = session.receiving(line)
    # However long the line, the calculator never works for long without yielding a cost.
    reply = finish(checked(costs))
    if not session.ended:
        assert reply.answer == answer
        assert reply.printed is not None
        assert_safe(reply.printed)
        assert_safe(answer)


def assert_placed(error: CalculationError, line: str) -> None:
    """The column of a mistake is in the line or just after it."""
    column = error.column if isinstance(error, MalformedExpression) else None
    assert column is None or 1 <= column <= len(line) + 1


def checked(work: Work[Reply]) -> Work[Reply]:
    """Pass work on, and check that no step of it costs too much."""
    while True:
        try:
            cost = next(work)
        except StopIteration as done:
            reply: Reply = done.value
            return reply
        assert 0 <= cost <= 5000
        yield cost


def fuzz_names(chance: random.Random) -> None:
    """A name is refused for a reason in one safe line, or nobody can take it for anything else."""
    text = any_name(chance) if chance.random() < 0.5 else any_text(chance)
    try:
        name = parse_name(text)
    except NameRefused as refusal:
        assert_safe(str(refusal))
        return
    assert 1 <= len(name.shown) <= 32
    assert name.shown[0] not in "*/{"
    assert name.key not in ("error", "q", "server", "you", "lobby")
    assert not set(name.key) & {*"!@,*?#&+%~$.:", *WHITE_SPACE}
    assert not any(skeleton.startswith("*") for skeleton in name.skeletons)
    assert_safe(name.shown)
    assert parse_name(name.shown) == name
    assert 1 <= len(name.skeletons) <= 2


class Inbox:
    """A box that keeps all lines."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def put(self, lines: bytes) -> None:
        assert lines.endswith(b"\n")
        self.lines += lines.decode()[:-1].split("\n")


class Hub:
    """Stands in for the hub, and delivers at once."""

    def __init__(self) -> None:
        self.boxes: dict[Box, Callable[[Event], bytes]] = {}
        self.topics: dict[Box, set[Hashable]] = {}

    def add(
        self, box: Box, encode: Callable[[Event], bytes], *, topics: Iterable[Hashable] | None
    ) -> None:
        self.boxes[box] = encode
        self.topics[box] = set(topics or ())

    def subscribe(self, box: Box, topic: Hashable) -> None:
        self.topics[box].add(topic)

    def unsubscribe(self, box: Box, topic: Hashable) -> None:
        self.topics[box].remove(topic)

    def discard(self, box: Box) -> None:
        self.boxes.pop(box, None)

    def publish(
        self,
        event: Event,
        *,
        topic: Hashable = None,
        exclude: Box | None = None,
        without: Collection[Box] = (),
        entries: int = 1,  # noqa: ARG002  it delivers at once
    ) -> None:
        for box, encode in self.boxes.items():
            is_for_it = topic is None or topic in self.topics[box]
            if is_for_it and box is not exclude and box not in without:
                self.tell_lines(box, encode(event))

    def tell(self, box: Box, event: Event) -> int:
        return self.tell_lines(box, self.boxes[box](event))

    def tell_lines(self, box: Box, lines: bytes) -> int:
        if lines:
            box.put(lines)
        return len(lines)

    is_full = False


def fuzz_plain(chance: random.Random) -> None:
    """Whatever a peer sends, others receive only safe lines, each of a known kind."""
    fuzz_line(any_line(chance))
    board, boxes = Switchboard(Hub()), (Inbox(), Inbox())
    sessions = [Session(board, box, plain) for box in boxes]
    sessions[0].receive("Watcher")
    for _ in range(chance.randrange(4)):
        if not sessions[1].ended:
            sessions[1].receive(any_line(chance))
    sessions[1].end()
    assert [member.name.shown for member in board.state.members.values()] == ["Watcher"]
    names = {line.split(" ")[1] for line in boxes[0].lines[1:] if line.endswith(" joined (2 here)")}
    renamed = re.compile(r"\*\*\* \S+ is now (\S+)")
    names |= {match[1] for line in boxes[0].lines if (match := renamed.fullmatch(line))}
    begins = [begin for name in names for begin in (f"{name}: ", f"[{name} to you] ")]
    for line in boxes[0].lines + boxes[1].lines:
        assert_safe(line)
        assert line.startswith(("*** ", "error: ", "* ", "[you to ", *begins))


def fuzz_line(line: str) -> None:
    """A line from a member is a request or is misunderstood, and its outcome is one line."""
    try:
        request = plain.decode(line)
    except Misunderstood as mistake:
        told = plain.encode(Mistaken(str(mistake)))
    else:
        match request:
            case Say(text):
                told = plain.encode(Said("lobby", 1, 0, 1, "Ann", [text]))
            case Act(text):
                told = plain.encode(Acted("lobby", 1, 0, 1, "Ann", text))
            case _:
                return
    assert told.count(b"\n") == 1
    assert told.endswith(b"\n")
    assert len(told) <= MAX_LINE_TO_CLIENT or len(line) > 4096
    assert told.startswith((b"Ann: ", b"* Ann ", b"error: "))
    assert_safe(told.decode()[:-1])


def fuzz_text(chance: random.Random) -> None:
    """Safe text is one line, as long as before, safe already, and only replaces characters."""
    text = any_text(chance)
    shown = safe_text(text)
    assert len(shown) == len(text)
    assert all(now in (had, REPLACEMENT) for had, now in zip(text, shown, strict=True))
    assert_safe(shown)
    assert_safe(f"Ann: {shown}")


def assert_safe(line: str) -> None:
    """Check that nothing in a line moves a cursor, begins another line, or is unsafe."""
    assert len(line.splitlines()) <= 1
    assert not any(character < " " or "\x7f" <= character < "\xa0" for character in line)
    assert safe_text(line) == line


TARGETS: dict[str, Callable[[random.Random], None]] = {
    "decoder": fuzz_decoder,
    "calc": fuzz_calc,
    "names": fuzz_names,
    "plain": fuzz_plain,
    "text": fuzz_text,
    "json": fuzz_json,
    "client": fuzz_client,
}


def run(target: str, *, cases: int, seed: int, first: int = 0) -> bool:
    """Run the cases of one target, print the outcome, and return whether all passed."""
    started = time.perf_counter()
    for case in range(first, first + cases):
        try:
            TARGETS[target](random.Random(f"{target} {seed} {case}"))
        except Exception:
            traceback.print_exc()
            print(f"{target}: case {case} of seed {seed} failed")
            return False
    seconds = time.perf_counter() - started
    print(f"{target}: {cases:,} cases of seed {seed}, no crash, {seconds:.0f} s")
    return True


def main(arguments: list[str]) -> int:
    """Run what the command line asks for, and return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("target", nargs="?", default="all", choices=[*TARGETS, "all"])
    parser.add_argument("--cases", type=int, default=1_000_000, help="for each target")
    parser.add_argument("--seed", type=int, default=None, help="default: another each time")
    parser.add_argument("--first", type=int, default=0, help="the number of the first case")
    given = parser.parse_args(arguments)
    seed = random.SystemRandom().randrange(1 << 32) if given.seed is None else given.seed
    targets = TARGETS if given.target == "all" else [given.target]
    for target in targets:
        if not run(target, cases=given.cases, seed=seed, first=given.first):
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
