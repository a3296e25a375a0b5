"""What a member can be called.

A name is enforced by RFC 8265's UsernameCasePreserved profile, which says what is shown, and
compared by its UsernameCaseMapped form, which says who has it: `Ann` and `ann` are one name. The
room's own rules are judged on the enforced form, because the profile turns look-alikes such as the
full-width ``：`` into their ASCII twins.
"""

from __future__ import annotations

from dataclasses import dataclass

from precis_i18n import get_profile

from trionet.errors import TrionetError

MAX_NAME = 32

# What would let a member forge a notice (`*`), a command (`/`), another wire format (`{`) or
# another member's line (`:` behind the name).
_NOT_FIRST = "*/{"
_NOWHERE = ":"
# `error: …` is the server's word, and `q` is how to leave.
_RESERVED = ("error", "q")

_SHOWN = get_profile("UsernameCasePreserved")
_COMPARED = get_profile("UsernameCaseMapped")


class NameRefused(TrionetError):
    """A name that cannot be had in this room; the message says why. Another may be tried."""


class NameTaken(NameRefused):
    """A name that a member has."""


@dataclass(frozen=True, slots=True)
class Name:
    """A fit name.

    Attributes:
        shown: as everyone sees it.
        key: what it is compared by; two members never have the same.
    """

    shown: str
    key: str

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
    try:
        return Name(shown, _COMPARED.enforce(shown))
    except UnicodeEncodeError as error:
        raise _refused(error) from None


def _enforce(text: str) -> str:
    try:
        return str(_SHOWN.enforce(text))
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
