"""What a member can be called.

A name is enforced by RFC 8265's UsernameCasePreserved profile, which says what is shown, and
compared by its UsernameCaseMapped form, which says who has it: `Ann` and `ann` are one name. The
room's own rules are judged on the enforced form, because the profile turns look-alikes such as the
full-width ``：`` into their ASCII twins. Look-alikes that it lets in, such as `аnn` with a Cyrillic
`а`, have a skeleton in common.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from precis_i18n import get_profile

from trionet.chat.skeleton import looks
from trionet.errors import TrionetError
from trionet.text import safe_text

MAX_NAME = 32

# What would let a member forge a notice (`*`), a command (`/`), another wire format (`{`) or
# another member's line (`:` behind the name).
_NOT_FIRST = "*/{"
_NOWHERE = ":"
# `error: …` is the server's word, and `q` is how to leave.
_RESERVED = ("error", "q")

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
    if shown[0] in _NOT_FIRST:
        raise NameRefused(f"a name cannot begin with {shown[0]}")
    if _NOWHERE in shown:
        raise NameRefused(f"a name cannot have a {_NOWHERE}")
    if shown in _RESERVED:
        raise NameRefused(f"nobody can be called {shown}")
    if unicodedata.category(shown[0])[0] == "M":
        # It would be drawn on what stands before the name, and the name without it looks the same.
        raise NameRefused("a name cannot begin with a combining mark")
    _check_safe(shown)
    key = _map_case(shown)
    # Most names are their own key: of thousands, one text each is kept and not two.
    return Name(shown, shown if shown == key else key)


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
