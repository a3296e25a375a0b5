"""What a name looks like, after Unicode Technical Standard #39, section 4 ("Confusable Detection").

Two texts look alike when their skeletons are the same: `аnn` with a Cyrillic `а` beside `ann`.
A skeleton is for comparing alone and never shown: that of `modern` is `rnodern`.

What the data knows is what is caught. What it does not: letters that only differ in a mark (`Ann`,
`Änn`), in what most fonts draw differently (`vv` and `w`, `5` and `S`), or in an order of writing.
"""

from __future__ import annotations

import re
from functools import cache
from unicodedata import normalize

from trionet.characters import IGNORABLE
from trionet.chat.confusables import DATA

_IGNORED = re.compile(f"[{IGNORABLE}]+")

# A dot over a letter that has one is drawn as one. Not in the data, because it is no character:
# but `i̇` is what a Turkish `İ` becomes in lower case. Marks below may stand between the two.
_HIDDEN_DOT = re.compile("(?<=[ij])([\u0316-\u0333]*)\u0307+")

# To the data it looks like an `i`. It is drawn as a bar without a dot, and `ӏ` alone of all letters
# made `ӏobby` beside `lobby`.
_SMALL_PALOCHKA = 0x4CF


def skeleton(text: str) -> str:
    """Return the skeleton of a text.

    Args:
        text: any text; case matters, because `l` looks like `I` and not like `i`.

    >>> skeleton("аnn") == skeleton("ann")
    True
    """
    if text.isascii():
        # Decomposed already, as its prototypes are, and with nothing to ignore.
        return text.translate(_prototypes())
    decomposed = _IGNORED.sub("", normalize("NFD", text))
    return _HIDDEN_DOT.sub(r"\1", normalize("NFD", decomposed.translate(_prototypes())))


def looks(shown: str, key: str) -> frozenset[str]:
    """Return the skeletons that a name has; names that share one look alike.

    Args:
        shown: the name as everyone sees it.
        key: its case-mapped form.

    There are two, because names that differ in case are one name, and look-alikes in one case need
    not be look-alikes in the other. That of the key finds `ѕсоре` (Cyrillic) beside `SCOPE`. That
    of the shown form, put into lower case afterwards, finds `Воb` beside `bob`, because a Cyrillic
    `В` looks like a `B` while its small `в` looks like no `b`; and `Ian` beside `lan`.
    """
    look = skeleton(shown)
    return frozenset((look if shown == key else skeleton(key), skeleton(look.lower())))


@cache
def _prototypes() -> dict[int, str]:
    """Read the data: 3 ms, so not before there is a name to judge."""
    prototypes = {}
    for group in DATA.split(";"):
        prototype, _, sources = group.partition("=")
        looks_like = "".join(chr(int(number, 16)) for number in prototype.split("+"))
        for source in sources.split():
            prototypes[int(source, 16)] = looks_like
    prototypes[_SMALL_PALOCHKA] = "l"
    return prototypes
