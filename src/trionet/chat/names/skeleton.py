"""What a name looks like, by Unicode Technical Standard #39, section 4 ("Confusable Detection").

Two texts look alike if their skeletons are the same, as those of `ann` and of `аnn` with a Cyrillic
`а` are. A skeleton is only for comparing and is never shown: the skeleton of `modern` is `rnodern`.

This catches what is in Unicode's data. The data does not have letters that differ only in a mark
(`Ann` and `Änn`), pairs that most fonts draw differently (`vv` and `w`, `5` and `S`), or texts that
differ only in the direction of writing.
"""

from __future__ import annotations

import re
from functools import cache
from unicodedata import normalize

from trionet.chat.names.confusables import DATA
from trionet.text.characters import IGNORABLE

_IGNORED = re.compile(f"[{IGNORABLE}]+")

# A dot above a letter that already has one cannot be seen. The data does not cover this, because it
# lists characters and not sequences; but the lower case of a Turkish `İ` is `i̇`, with two dots.
# Marks below the letter may stand in between.
_HIDDEN_DOT = re.compile("(?<=[ij])([\u0316-\u0333]*)\u0307+")

# The data says that `ӏ` looks like an `i`. But it is drawn as a bar without a dot, so that `ӏobby`
# looks like `lobby`; no other letter does that.
_SMALL_PALOCHKA = 0x4CF

# Small capitals that the data does not have, because each looks like a capital only in its shape.
# People see `ᴇʀʀᴏʀ` as a word in capitals. This is not part of `skeleton`, where the data makes the
# Cyrillic `н` a small capital `ʜ`: then `нan` would look like `han`.
#
# The small letters of Cherokee, and Greek's small capital rho, are drawn as the same shapes.
_SMALL_CAPITALS = str.maketrans(
    "ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘꞯʀꜱᴛᴜᴠᴡʏᴢ" + "ꭺꭰꭼꮐꮋꭻꮶꮮꮇꮲᴩꭱꮢꭲ", "abcdefghijklmnopqrstuvwyz" + "adeghjklmpprrt"
)


def skeleton(text: str) -> str:
    """Return the skeleton of a text.

    Args:
        text: any text. Case matters: `l` looks like `I`, but not like `i`.

    >>> skeleton("аnn") == skeleton("ann")
    True
    """
    if text.isascii():
        # ASCII is decomposed already, as its prototypes are, and has no ignorable character.
        return text.translate(_prototypes())
    decomposed = _IGNORED.sub("", normalize("NFD", text))
    return _HIDDEN_DOT.sub(r"\1", normalize("NFD", decomposed.translate(_prototypes())))


def skeletons_of(shown: str, key: str) -> tuple[str, ...]:
    """Return the skeletons of a name, sorted. Names that have one in common look alike.

    Args:
        shown: the name as everyone sees it.
        key: its case-mapped form.

    There are two skeletons or three, because names that differ only in case are the same name, but
    letters that look alike in one case need not do so in the other. The skeleton of the key catches
    `ѕсоре` (Cyrillic) beside `SCOPE`. The skeleton of the shown form, put into lower case
    afterwards, catches `Воb` beside `bob`: a Cyrillic `В` looks like a `B`, but a small `в` does
    not look like a `b`. It also catches `Ian` beside `lan`. A name with small capitals has a third
    skeleton, with ordinary letters in their place: it catches `ᴀɴɴ` beside `Ann`.
    """
    of_shown = skeleton(shown)
    of_key = of_shown if shown == key else skeleton(key)
    lower = of_shown.lower()
    # Most names are their own skeleton, and thousands of members keep both: share one string.
    if of_key == key:
        of_key = key
    is_ascii = shown.isascii()
    if is_ascii and lower == of_key:
        # The skeleton of ASCII is its own skeleton, so `lower` has no other one.
        return (of_key,)
    found = {of_key, skeleton(lower)}
    if not is_ascii:
        plain = shown.translate(_SMALL_CAPITALS)
        if plain != shown:
            found.add(skeleton(skeleton(plain).lower()))
    return tuple(sorted(found))


@cache
def _prototypes() -> dict[int, str]:
    """Parse the data. It takes 3 ms, so it waits until there is a name to judge."""
    prototypes = {}
    for group in DATA.split(";"):
        prototype, _, sources = group.partition("=")
        prototype_text = "".join(chr(int(number, 16)) for number in prototype.split("+"))
        for source in sources.split():
            prototypes[int(source, 16)] = prototype_text
    prototypes[_SMALL_PALOCHKA] = "l"
    # `str.translate` raises and catches a `LookupError` for each character that is not here.
    for number in range(128):
        prototypes.setdefault(number, chr(number))
    return prototypes
