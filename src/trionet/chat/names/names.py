"""What a member may be called.

A name has two forms. Everyone sees the form that RFC 8265's profile UsernameCasePreserved makes of
it. Names are compared by the form that UsernameCaseMapped makes of it: `Ann` and `ann` are one
name. The room's own rules are applied to these forms, because the profile turns look-alikes such as
the full-width ``：`` into their ASCII twins.

The profile lets other look-alikes in, such as `аnn` with a Cyrillic `а`. These have a skeleton in
common with the name they imitate. So whatever would let a member speak with another's voice (a
reserved word, a first `*`, a `:`) is looked for in the skeletons too.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator
from functools import cache

from msgspec import Struct
from precis_i18n import get_profile

from trionet.chat.names.skeleton import skeletons_of
from trionet.chat.names.unique_name import UniqueName
from trionet.errors import TrionetError
from trionet.text.safe import safe_text
from trionet.type_checks import check_kinds

MAX_NAME = 32

# What a server says when it closes a connection after its last refused name. A client tells by it
# that no other name can be tried.
TOO_MANY_REFUSED = "too many names were refused"

# Not allowed anywhere in a name: the characters of the room's own lines (`*`, `:`, `,`), and those
# that mean something in the names, addresses and rooms of other chat systems, where a gateway could
# not tell them apart.
_FORBIDDEN = "!@,*?#&+%~$.:"
# Not allowed at the beginning: a notice or an action, a command, and another wire format.
_FORBIDDEN_FIRST = "*/{"
# `error: …` and `server` stand for the server, `q` leaves, `lobby` is a room, and `you` is how a
# member is addressed.
_RESERVED = ("error", "q", "server", "you", "lobby")

# The profiles allow these, but nobody could tell them from a space or an asterisk. Fonts draw the
# blank letters of the Egyptian and Khitan scripts as nothing, so that `Ann`, blank, `waves` would
# look like an action of Ann's. The combining asterisks are drawn on a letter.
_BLANK_LETTERS = "\U00013441\U00013442\U00016fe4"
_COMBINING_ASTERISKS = "\u0359\u20f0"

# Letters that are drawn as a star but are missing from Unicode's data: two runes, a rune's symbol,
# and the cuneiform sign for heaven.
_STARS = "\u16bc\u16e1\u16ef\U0001202d"

# A `:` in a skeleton, or two characters that look like one: a low or middle dot with a dot above or
# below it.
_COLON = re.compile("[.·ˑ][\u0316-\u0333]*\u0307|[·ˑ]\u0307*\u0323|:")

# Signs drawn as two dots after a letter, as the visarga is in most scripts of India. The data maps
# only two of them to a `:`. After a letter of their own script they are ordinary spelling. (The
# Vedic signs of this name are accents drawn on a visarga, not dots.)
_VISARGA = re.compile("(?!VEDIC).*(?:VISARGA|BISAH|WIGNYAN|REAHMUK|RNAM BCAD)")

_SHOWN = get_profile("UsernameCasePreserved")
_COMPARED = get_profile("UsernameCaseMapped")

# The profiles allow every visible ASCII character, and change nothing but its case (RFC 8265, 3.3
# and 3.4; RFC 8264, 9.11). Skipping them for ASCII saves two thirds of the time that a name takes.
_ASCII_NAME = re.compile("[!-~]+")

# Names that only the rule about reserved words can refuse. So nearly all names are judged by this
# pattern and one look at their skeletons.
_PLAIN = re.escape("".join(sorted({*map(chr, range(0x21, 0x7F))} - {*_FORBIDDEN})))
_PLAIN_NAME = re.compile(f"(?![{_FORBIDDEN_FIRST}])[{_PLAIN}]{{1,{MAX_NAME}}}")


class NameRefused(TrionetError):
    """This name is not possible in this room; the message says why. Another may be tried."""


class NameTaken(NameRefused):
    """A member has this name, or one that looks like it."""


class Name(Struct, frozen=True, gc=False):
    """A name that has passed all rules.

    Attributes:
        shown: the form that everyone sees.
        key: the form that names are compared by; no two members have the same.
        skeletons: what the name looks like; no two members have a skeleton in common. Computed
            once, where the name is asked for, because it needs tables that may differ between
            machines.
    """

    shown: str
    key: str
    skeletons: frozenset[str]

    def __str__(self) -> str:
        return self.shown


def parse_name(text: str) -> Name:
    """Read a name, and return it without the spaces and tabs around it.

    Args:
        text: a line from a peer that has not logged in.

    Raises:
        TypeError: `text` is not a string.
        NameRefused: nobody can have this name.
    """
    name = member_name(text)
    return Name(name.shown, name.key, frozenset(name.skeletons))


def member_name(text: str) -> UniqueName:
    """Read a name as `parse_name` does, and return it as operations carry it.

    Raises:
        TypeError: `text` is not a string.
        NameRefused: nobody can have this name.
    """
    name = any_name(text)
    looks: Iterable[str] = name.skeletons
    if not name.shown.isascii():
        looks = map(_without_marks, looks)
    # The reserved words look like themselves.
    if not _reserved_skeletons().isdisjoint(looks):
        why = "" if name.key in _RESERVED else ", which looks like a reserved word"
        raise NameRefused(f"nobody can be called {name.shown}{why}")
    return name


def any_name(text: str) -> UniqueName:
    """Read a name for which no word is reserved, such as that of a room.

    Raises:
        TypeError: `text` is not a string.
        NameRefused: neither a member nor a room can have this name.
    """
    if type(text) is not str:
        check_kinds(text=(text, str))
    text = text.strip(" \t")
    if _PLAIN_NAME.fullmatch(text):
        key = _map_case(text)
        return UniqueName(text, key, skeletons_of(text, key))
    return _judge(text)


def _judge(text: str) -> UniqueName:
    """Apply all rules."""
    if not text:
        raise NameRefused("the name is empty")
    if len(text) > 4 * MAX_NAME:
        # Checked before the profile is applied, because its cost grows with the length. It rarely
        # shortens a text.
        raise _too_long()
    shown = _enforce(text)
    if len(shown) > MAX_NAME:
        raise _too_long()
    key = _map_case(shown)
    _check_form(shown, key)
    _check_safe(shown)
    skeletons = skeletons_of(shown, key)
    _check_look(shown, key, skeletons)
    return UniqueName(shown, key, skeletons)


def _check_form(shown: str, key: str) -> None:
    """Refuse characters that a name cannot have, or cannot begin with."""
    if shown[0] in _FORBIDDEN_FIRST:
        raise NameRefused(f"a name cannot begin with {shown[0]}")
    for character in _FORBIDDEN:
        if character in key:
            raise NameRefused(f"a name cannot have a {character}")
    if unicodedata.category(shown[0])[0] == "M":
        # It would be drawn on whatever stands before the name, and so hide from the name itself.
        raise NameRefused("a name cannot begin with a combining mark")


def _check_look(shown: str, key: str, skeletons: Collection[str]) -> None:
    """Refuse a name that looks like the beginning of something that only the room writes."""
    if shown.isascii():
        # No ASCII character looks like another one that means something here.
        return
    for character in shown:
        if character in _BLANK_LETTERS or character in _COMBINING_ASTERISKS:
            raise NameRefused(f"a name cannot have the character U+{ord(character):04X}")
    if (drawn := _visargas_as_colons(shown)) != shown:
        skeletons = skeletons_of(drawn, _visargas_as_colons(key))
    if shown[0] in _STARS or any(skeleton.startswith("*") for skeleton in skeletons):
        raise NameRefused(f"a name cannot begin with {shown[0]}, which looks like a *")
    if any(_COLON.search(skeleton) for skeleton in skeletons):
        raise NameRefused("a name cannot have what looks like a :")


def _without_marks(skeleton: str) -> str:
    """Return a skeleton without its marks: nobody should have to look for the dot below `ẹrror`."""
    if skeleton.isascii():
        return skeleton
    return "".join(one for one in skeleton if unicodedata.category(one)[0] != "M")


@cache
def _reserved_skeletons() -> frozenset[str]:
    """Return the skeletons of the reserved words. Lazy, because they need Unicode's data."""
    return frozenset().union(*(skeletons_of(word, word) for word in _RESERVED))


def _visargas_as_colons(text: str) -> str:
    """Return a text with a `:` for each visarga that does not follow a letter of its script."""
    return "".join(_each_visarga_as_colon(text))


def _each_visarga_as_colon(text: str) -> Iterator[str]:
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
    """Refuse characters that nobody could see as they are, such as the ninth mark on a letter."""
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
        key = shown.lower()
    else:
        try:
            key = str(_COMPARED.enforce(shown))
        except UnicodeEncodeError as error:
            raise _refused(error) from None
    # Most names are their own key. Sharing the text halves what thousands of names take.
    return shown if key == shown else key


def _refused(error: UnicodeEncodeError) -> NameRefused:
    """Say in plain words why the profile refuses a name."""
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
