"""Find the line of 4 KiB that takes `safe_text` longest, compared with ordinary text.

    python tools/slow_lines.py [--seconds 20] [--seed 1]

The script times known lines, and then searches: a line has a head, a piece that is repeated, and a
tail, all of them random characters of every kind; it then varies the slowest. It prints the ten
slowest, with their time in µs and as a multiple of the reference: Vietnamese, which has no joiners
and no selectors. An attacker can send any ordinary text without breaking a rule, so the server must
afford that anyway; what matters is how much more a hostile line costs. No line should cost more
than three times as much. Times are minima, because other work on the machine only adds to them.
"""

from __future__ import annotations

import argparse
import random
import time
import timeit
from typing import TypeAlias

from trionet.text.safe import safe_text

LINE_BYTES = 4096

# What people write, one piece for each kind of script that takes a way of its own through
# `safe_text`.
ORDINARY = {
    "Vietnamese": "Tiếng Việt rất đẹp và dễ nghe. ",
    "German": "Zwölf Boxkämpfer jagen Viktor über den großen Sylter Deich. ",
    "Cyrillic": "ж",
    "Hindi": "नमस्ते दुनिया, आप कैसे हैं? ",
    "Hebrew with points": "בְּרֵאשִׁית בָּרָא אֱלֹהִים ",
    "Brahmi": "𑀓",
    "Han": "世界和平",
    "emoji": "😀👍🎉",
}

REFERENCE = "Vietnamese"

PARTS = [
    *"ab 1#\0\x85\xad\u02b0Жस世葛☺👩🏽🏴ᠨᠠ𐌰𑀓𝓐\u0647\u094d\u1e9e",
    *"\u200c\u200d\ufe0f\ufe00\U000e0100\u180b\u180e\U000e0067\U000e0031\U000e007f",
    *"\u0301\U0001d167\U00010a01\u034f\u202e\u200b\ue000\ufdd0\U0001fffe\U000f0000",
    # Decomposed Hangul, a half of a flag, characters that Python does not know.
    *"\u1112\u1161\u11ab🇩\u0378\U000e0fff\U0001fbff",
    "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f", "👩🏽\u200d👩", "1\ufe0f",
    "\u0647\u200c\u0647", "\u1820\u180b\u180e\u1821", "葛\U000e0100", "e" + "\u0301" * 9,
    "a" * 12, "é" * 6,
]  # fmt: skip

# From earlier searches. A random search seldom comes upon them in seconds.
KNOWN = [
    "\u0647\u200c", "\u0647\u200ca", "a\u200c", "a\u200d", "a\u200d👩", "x🏽\u200d👩",
    "👩\u200d", "👩\u200da", "😀\ufe0f\u200d", "\u180e\u180e\u200d", "\U0001fffe\u180b",
    "x\ufe0f", "\u1820\ufe0f", "\0a", "\x85\x1b", "a\u200b", "e" + "\u0301" * 9,
    "e" + "\u0301" * 8 + "\U00010a01", "𑀓" + "\u200c" * 8, "𝓐𐌰𐌰" + "\u200c" * 7,
    "\U0001d167" * 8 + "b", "\U0001d167𑀓", "𑀓\u200c", "\u180e#\u180e\0#", "1\ufe0f\ufe0f",
    "1\ufe0f" + "1\u180e" * 9,
    "\u200d𑀓", "\u200c\0" + "\u0301" * 4 + "\U0001d167\u200d\u094d\u200c",
    "\u200b\U00010a01\u200d\u1820\u180b\u180b\U000e0100",
    ("\ufe0f\U000e00311\ufe0f\u200d\u200c\u200c\u0301\u0301\U00010a01\u200d\U00010a01\u0301\u0301\0"
    "\x001"),
    ("\ufe0f\U000e00311\ufe0f\u0301\u200c\u0301\u0301\u0301\U00010a01\u200d\U0001d167\u0301"
    "\ue0001"),
    ("1\ufe0f\u180b\u180e\u180b\u180e\0\ufe00\U0001fffe\u180e\u202e\u180e\u180e\u180b\u180e\ue000"
    "\u180b\u180e\u200b\u180b\u180e\ufe0f\ufe0f\ufe00\u180e\u180b\u180e1"),
]  # fmt: skip


# A head, a piece that is repeated between the two as often as there is room, and a tail.
Parts: TypeAlias = tuple[str, str, str]

# Letters, and at one end or both a character for each rule: what is done once for a line, is done
# in vain for most of it.
_ALL_KINDS = "\u200dक\u094d\u200cक1\ufe0f世\U000e0100\u180b\u180e🏴\U000e0067\U000e007f\u0301\u200b"
KNOWN_LINES: list[Parts] = [
    *[("é", piece, "") for piece in KNOWN],
    ("é", "a", _ALL_KINDS), (f"é{_ALL_KINDS}", "a", ""), (f"é{_ALL_KINDS}", "a", _ALL_KINDS),
    ("é", "a", "e" + "\u0301" * 9), ("é" + "\u0301" * 9, "a", _ALL_KINDS),
]  # fmt: skip


def longest(parts: Parts) -> str:
    """Return a line of at most 4,096 bytes."""
    head, piece, tail = parts
    room = LINE_BYTES - len(tail.encode())
    line = head + piece * (LINE_BYTES // len(piece.encode()) + 1)
    return line.encode()[: max(room, 0)].decode(errors="ignore") + tail


def microseconds(line: str, repeat: int) -> float:
    """Return the shortest time that `safe_text` takes for a line."""
    return min(timeit.repeat(lambda: safe_text(line), number=1, repeat=repeat)) / 1e-6


def random_piece(chance: random.Random) -> str:
    count = chance.randrange(1, 5)
    return "".join(chance.choice(PARTS) * chance.choice((1, 1, 2, 7)) for _ in range(count))


def varied(chance: random.Random, text: str) -> str:
    """Return a text with a part inserted, removed or replaced."""
    letters = list(text)
    at = chance.randrange(len(letters) + 1)
    letters[at : at + chance.randrange(2)] = chance.choice(PARTS) * chance.choice((0, 1, 1, 7))
    return "".join(letters)


def random_parts(chance: random.Random, slowest: list[Parts]) -> Parts:
    """Return new parts, or slow ones with a change."""
    if slowest and chance.random() < 0.6:
        head, piece, tail = chance.choice(slowest)
        if chance.random() < 0.2:
            # The same kinds of characters, further apart.
            piece += chance.choice("a1Жж世") * chance.choice((1, 3, 10))
        changed = [head, piece, tail]
        which = chance.choice((0, 1, 1, 1, 2))
        changed[which] = varied(chance, changed[which])
        return changed[0], changed[1] or piece, changed[2]
    ends = [random_piece(chance) if chance.random() < 0.3 else "" for _ in range(2)]
    return "é" + ends[0], random_piece(chance), ends[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    chance = random.Random(options.seed)
    cost = {parts: microseconds(longest(parts), 15) for parts in KNOWN_LINES}
    end = time.monotonic() + options.seconds
    while time.monotonic() < end:
        slowest = sorted(cost, key=cost.__getitem__)[-10:]
        parts = random_parts(chance, slowest)
        cost[parts] = microseconds(longest(parts), 15)
    print(f"{len(cost)} lines tried")
    # Each in turn and many times, so that a busy moment of the machine slows none more than others.
    slowest = sorted(cost, key=cost.__getitem__)[-20:]
    ordinary_parts = [("", piece, "") for piece in ORDINARY.values()]
    lines = [longest(parts) for parts in (*ordinary_parts, *slowest)]
    rounds = [[microseconds(line, 15) for line in lines] for _ in range(20)]
    times = list(map(min, zip(*rounds, strict=True)))
    ordinary = dict(zip(ORDINARY, times, strict=False))
    for kind, own in ordinary.items():
        print(f"{own:6.0f} µs         {kind}")
    reference = ordinary[REFERENCE]
    for own, parts in sorted(zip(times[len(ORDINARY) :], slowest, strict=True))[-10:]:
        print(f"{own:6.0f} µs  {own / reference:4.2f} ×  {len(longest(parts))} characters")
        print(f"    {parts!a}"[:2000])


if __name__ == "__main__":
    main()
