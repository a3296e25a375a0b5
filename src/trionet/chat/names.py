"""What a member can be called.

A name is enforced by RFC 8265's UsernameCasePreserved profile, which says what is shown, and
compared by its UsernameCaseMapped form, which says who has it: `Ann` and `ann` are one name. The
room's own rules are judged on these forms, because the profile turns look-alikes such as the
full-width ``：`` into their ASCII twins. Look-alikes that it lets in, such as `аnn` with a Cyrillic
`а`, have a skeleton in common. What would let a member speak with another's voice (a reserved word,
a first `*`, a `:`) is therefore looked for in the skeletons too.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from precis_i18n import get_profile

from trionet.chat.skeleton import looks
from trionet.errors import TrionetError
from trionet.text.safe import safe_text

MAX_NAME = 32

# What stands in the room's own lines (`*`, `:`, `,`), and what other chat systems give a meaning in
# names, addresses and rooms: a gateway could not tell them apart.
_NOWHERE = "!@,*?#&+%~$.:"
# A notice or an action, a command, and another wire format.
_NOT_FIRST = "*/{"
# `error: …` and `server` are the server's, `q` is how to leave, `lobby` is a room, and `you` is how
# a member is spoken of to themselves.
_RESERVED = ("error", "q", "server", "you", "lobby")

# What the profiles let in and a name must not have, because nobody could tell it from a space or an
# asterisk. Fonts draw the blanks of the Egyptian and Khitan scripts as nothing, which makes
# `Ann`, blank, `waves` look like an action of Ann's. The combining asterisks are drawn on a letter.
_UNSEEN = "\U00013441\U00013442\U00016fe4"
_ASTERISKS_ABOVE_OR_BELOW = "\u0359\u20f0"

# Letters that are drawn as a star and that Unicode's data does not have: two runes and a rune's
# symbol, and the cuneiform sign for heaven.
_STARS = "\u16bc\u16e1\u16ef\U0001202d"

# Two that make a `:` together, in a skeleton: a low or middle dot, with a dot above or below it.
_COLON = re.compile("[.·][\u0316-\u0333]*\u0307|·\u0307*\u0323|:")

# Signs that are drawn as two dots behind a letter, as the visarga is in most scripts of India. The
# data has two of them as a `:`. Behind a letter of their own script they are how a word is spelt.
# (The Vedic ones are accents that are drawn on a visarga, and no dots.)
_VISARGA = re.compile("(?!VEDIC).*(?:VISARGA|BISAH|WIGNYAN|REAHMUK|RNAM BCAD)")

_SHOWN = get_profile("UsernameCasePreserved")
_COMPARED = get_profile("UsernameCaseMapped")

# The profiles leave ASCII as it is but for its case, and allow all of it that is seen (RFC 8265,
# 3.3 and 3.4; RFC 8264, 9.11). To know that saves two thirds of the time that a name takes.
_ASCII_NAME = re.compile("[!-~]+")


class NameRefused(TrionetError):
    """A name that cannot be had in this room; the message says why. Another may be tried."""


class NameTaken(NameRefused):
    """A name that a member has, or one that looks like it."""


@dataclass(frozen=True, slots=True)
class Name:
    """A fit name.

    Attributes:
        shown: as everyone sees it.
        key: what it is compared by; two members never have the same.
    """

    shown: str
    key: str

    @property
    def looks(self) -> frozenset[str]:
        """What it looks like, as skeletons; two members never share one.

        Made anew each time, in 10 µs: thousands of names kept with theirs take more than it is
        worth.
        """
        return looks(self.shown, self.key)

    def __str__(self) -> str:
        return self.shown


def parse_name(text: str) -> Name:
    """Read a name, the spaces and tabs around it aside.

    Args:
        text: a line from somebody who is no member yet.

    Raises:
        NameRefused: nobody can have it.
    """
    text = text.strip(" \t")
    if not text:
        raise NameRefused("the name is empty")
    if len(text) > 4 * MAX_NAME:
        # Before it is enforced, which costs time with its length; enforcing rarely shortens.
        raise _too_long()
    shown = _enforce(text)
    if len(shown) > MAX_NAME:
        raise _too_long()
    key = _map_case(shown)
    _check_form(shown, key)
    _check_safe(shown)
    _check_looks(shown, key)
    # Most names are their own key: of thousands, one text each is kept and not two.
    return Name(shown, shown if shown == key else key)


def _check_form(shown: str, key: str) -> None:
    """Refuse what the name itself must not have or be."""
    if shown[0] in _NOT_FIRST:
        raise NameRefused(f"a name cannot begin with {shown[0]}")
    for refused in _NOWHERE:
        if refused in key:
            raise NameRefused(f"a name cannot have a {refused}")
    if key in _RESERVED:
        raise NameRefused(f"nobody can be called {shown}")
    if unicodedata.category(shown[0])[0] == "M":
        # It would be drawn on what stands before the name, and the name without it looks the same.
        raise NameRefused("a name cannot begin with a combining mark")


def _check_looks(shown: str, key: str) -> None:
    """Refuse what looks like something that only the room writes."""
    if not looks(shown, key).isdisjoint(_reserved_looks()):
        raise NameRefused(f"nobody can be called {shown}, which looks like a reserved word")
    if shown.isascii():
        # No ASCII character looks like another that means something here.
        return
    for character in shown:
        if character in _UNSEEN or character in _ASTERISKS_ABOVE_OR_BELOW:
            raise NameRefused(f"a name cannot have the character U+{ord(character):04X}")
    skeletons = looks(_spelt_out(shown), _spelt_out(key))
    if shown[0] in _STARS or any(look.startswith("*") for look in skeletons):
        raise NameRefused(f"a name cannot begin with {shown[0]}, which looks like a *")
    if any(_COLON.search(look) for look in skeletons):
        raise NameRefused("a name cannot have what looks like a :")


@cache
def _reserved_looks() -> frozenset[str]:
    """Return how the reserved words look. They need the data, so not before there is a name."""
    return frozenset().union(*(looks(word, word) for word in _RESERVED))


def _spelt_out(text: str) -> str:
    """Return a name with a `:` for each visarga, less those of their letter's own script."""
    return "".join(_characters_spelt_out(text))


def _characters_spelt_out(text: str) -> Iterator[str]:
    script = ""
    for character in text:
        # The first word of a character's name is its script.
        name = unicodedata.name(character, "")
        own_script = name.partition(" ")[0]
        if _VISARGA.match(name) is None:
            if unicodedata.category(character)[0] in "LN":
                script = own_script
            yield character
        elif own_script != script:
            yield ":"


def _check_safe(shown: str) -> None:
    """Refuse what nobody could see as it is: the profile lets towers of marks in, for one."""
    made_safe = safe_text(shown)
    if made_safe != shown:
        character = next(one for one, safe in zip(shown, made_safe, strict=True) if one != safe)
        raise NameRefused(f"a name cannot have the character U+{ord(character):04X} there")


def _enforce(text: str) -> str:
    if _ASCII_NAME.fullmatch(text):
        return text
    try:
        return str(_SHOWN.enforce(text))
    except UnicodeEncodeError as error:
        raise _refused(error) from None


def _map_case(shown: str) -> str:
    if shown.isascii():
        return shown.lower()
    try:
        return str(_COMPARED.enforce(shown))
    except UnicodeEncodeError as error:
        raise _refused(error) from None


def _refused(error: UnicodeEncodeError) -> NameRefused:
    """Say in a person's words what the profile does not allow."""
    why = error.reason.rpartition("/")[2]
    if why == "empty":
        return NameRefused("the name is empty")
    if why == "spaces":
        return NameRefused("a name cannot have white space")
    if why.startswith("bidi"):
        return NameRefused("a name cannot mix its directions of writing like this")
    character = error.object[error.start : error.end][:1]
    return NameRefused(f"a name cannot have the character U+{ord(character or ' '):04X}")


def _too_long() -> NameRefused:
    return NameRefused(f"the name is longer than {MAX_NAME} characters")
