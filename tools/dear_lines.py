"""Which line of 4 KiB takes `safe_text` longest, compared with ordinary text.

    python tools/dear_lines.py [--seconds 20] [--seed 1]

The script times the lines that the tests name, and then searches: it repeats random pieces of
characters that have a rule of their own, and varies the dearest ones. It prints the ten dearest
pieces, with their time in µs and as a multiple of the reference: the dearest of the ordinary texts
below, which have no joiners and no selectors. An attacker can send any of them without breaking a
rule, so the server must afford that one anyway; what matters is how much more a hostile line costs.
No line should cost more than three times as much. Times are minima: whatever else the machine does
only adds to them.
"""

from __future__ import annotations

import argparse
import random
import time
import timeit

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

PARTS = [
    *"ab 1#\0\x85\xadЖस世葛☺👩🏽🏴ᠨᠠ𐌰𑀓𝓐\u0647\u094d",
    *"\u200c\u200d\ufe0f\ufe00\U000e0100\u180b\u180e\U000e0067\U000e0031\U000e007f",
    *"\u0301\U0001d167\U00010a01\u034f\u202e\u200b\ue000\ufdd0\U0001fffe\U000f0000",
]

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


def longest(piece: str) -> str:
    """Return a line of at most 4,096 bytes that is not all ASCII."""
    line = f"é{piece * (LINE_BYTES // len(piece.encode()) + 1)}"
    return line.encode()[:LINE_BYTES].decode(errors="ignore")


def microseconds(line: str, repeat: int) -> float:
    """Return the shortest time that `safe_text` takes for a line."""
    return min(timeit.repeat(lambda: safe_text(line), number=1, repeat=repeat)) / 1e-6


def random_piece(chance: random.Random, dearest: list[str]) -> str:
    """Return a new piece, or a dear one with a part inserted or removed."""
    if dearest and chance.random() < 0.5:
        piece = list(chance.choice(dearest))
        at = chance.randrange(len(piece))
        piece[at : at + chance.randrange(2)] = chance.choice(PARTS) * chance.choice((0, 1, 1, 7))
        if piece:
            return "".join(piece)
    count = chance.randrange(1, 5)
    return "".join(chance.choice(PARTS) * chance.choice((1, 1, 2, 7)) for _ in range(count))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    chance = random.Random(options.seed)
    cost = {piece: microseconds(longest(piece), 15) for piece in KNOWN}
    end = time.monotonic() + options.seconds
    while time.monotonic() < end:
        dearest = sorted(cost, key=cost.__getitem__)[-10:]
        piece = random_piece(chance, dearest)
        cost[piece] = microseconds(longest(piece), 15)
    print(f"{len(cost)} pieces tried")
    # Each in turn and many times, so that a busy moment of the machine slows none more than others.
    dearest = sorted(cost, key=cost.__getitem__)[-20:]
    lines = [longest(piece) for piece in (*ORDINARY.values(), *dearest)]
    rounds = [[microseconds(line, 15) for line in lines] for _ in range(20)]
    times = list(map(min, zip(*rounds, strict=True)))
    ordinary = dict(zip(ORDINARY, times, strict=False))
    for kind, own in ordinary.items():
        print(f"{own:6.0f} µs         {kind}")
    reference = max(ordinary.values())
    for own, piece in sorted(zip(times[len(ORDINARY) :], dearest, strict=True))[-10:]:
        print(f"{own:6.0f} µs  {own / reference:4.2f} ×  {piece!a}")


if __name__ == "__main__":
    main()
