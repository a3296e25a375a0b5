"""What hostile clients do to a server, one attack at a time. Pure.

Each attack is something that anybody who can reach the port may send. The server runs as a user
runs it, with its default limits, except for the limit that an attack is about.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

# The default rate of a chat room lets a burst of 1,000 lines through.
BURST = 1000

# Just under the 64 KiB that a server reads at once.
PIECE = 65_400

# The longest line by default, without its line end.
LINE = 4096

CHAT = ("chat", "serve", "--quiet", "--forever")
CALC = ("calc", "serve", "--quiet", "--max-clients", "0")


@dataclass(frozen=True, kw_only=True)
class Attack:
    """One attack.

    Args:
        name: its name in keys.
        title: its description in reports.
        serve: the server's command, without addresses.
        attackers: how many connections attack.
        payload: what each attacker sends.
        per_second: how often each attacker repeats it; 0: it is sent once.
        logs_in: whether the attackers log in before the attack begins.
        reads: whether they read what they are sent.
        is_tls: whether they connect to a ``tls:`` address.
    """

    name: str
    title: str
    serve: Sequence[str]
    attackers: int
    payload: bytes
    per_second: float = 0.0
    logs_in: bool = True
    reads: bool = False
    is_tls: bool = False

    @property
    def is_calculator(self) -> bool:
        """Whether the attack is on a calculator."""
        return self.serve[0] == "calc"


def _line(pair: str) -> bytes:
    """Return the longest line of pairs of characters."""
    return pair.encode() * (LINE // len(pair.encode())) + b"\n"


ATTACKS: Mapping[str, Attack] = {
    attack.name: attack
    for attack in (
        Attack(name="none", title="nobody", serve=CHAT, attackers=0, payload=b""),
        Attack(
            name="strangers",
            title=r"50 strangers, each 64 KiB of `\xff\n`",
            serve=CHAT,
            attackers=50,
            payload=b"\xff\n" * (PIECE // 2),
            logs_in=False,
        ),
        Attack(
            name="blanks",
            title="40 members, each 64 KiB of blank lines",
            serve=CHAT,
            attackers=40,
            payload=b"\n" * PIECE,
        ),
        Attack(
            name="who",
            title="200 members, each 950 `/who` at once",
            serve=CHAT,
            attackers=200,
            payload=b"/who\n" * 950,
        ),
        Attack(
            name="slow",
            title="100 members, each 1,000 lines of 64 bytes at once, and none reads",
            serve=CHAT,
            attackers=100,
            payload=(b"x" * 63 + b"\n") * BURST,
        ),
        Attack(
            name="bound",
            title="200 members, each 64 KiB of such lines, none reads, with `--max-waiting 65536`",
            serve=(*CHAT, "--max-waiting", "65536"),
            attackers=200,
            payload=(b"x" * 63 + b"\n") * (PIECE // 64),
        ),
        Attack(
            name="actions",
            title="300 members, each 1,000 actions (`/me`) of 64 bytes at once, and none reads",
            serve=CHAT,
            attackers=300,
            payload=(b"/me " + b"x" * 59 + b"\n") * BURST,
        ),
        Attack(
            name="tls",
            title="3,000 silent connections to a `tls:` address, with `--max-per-address 2`",
            serve=(*CHAT, "--max-per-address", "2"),
            attackers=3000,
            payload=b"",
            logs_in=False,
            is_tls=True,
        ),
        Attack(
            name="letters",
            title="10 members, each 50 lines a second of 4 KiB of Arabic letters",
            serve=CHAT,
            attackers=10,
            payload=_line("\u0647\u0648"),
            per_second=50,
            reads=True,
        ),
        Attack(
            name="joiners",
            title="10 members, each 50 such lines of letters and joiners (`U+0647 U+200C`)",
            serve=CHAT,
            attackers=10,
            payload=_line("\u0647\u200c"),
            per_second=50,
            reads=True,
        ),
        Attack(
            name="calc-none",
            title="nobody, at the calculator",
            serve=CALC,
            attackers=0,
            payload=b"",
        ),
        Attack(
            name="calc-good",
            title="60 clients of the calculator, each 1 MiB of `1+1`, and none reads",
            serve=CALC,
            attackers=60,
            payload=b"1+1\n" * (1 << 18),
        ),
        Attack(
            name="calc-bad",
            title=r"60 clients of the calculator, each 1 MiB of `\xff\n`, and none reads",
            serve=CALC,
            attackers=60,
            payload=b"\xff\n" * (1 << 19),
        ),
    )
}
