"""Which events and answers of the chat a wire format has to tell."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, get_args

from trionet.chat.formats import answers
from trionet.chat.state import events


def told() -> set[Any]:
    """Return the classes of all that a peer may be told.

    What happens in a room or to a member has a time. The state's other events tell the switchboard
    alone how an operation went.
    """
    inward = {kind for kind in get_args(events.StateEvent) if "time" not in kind.__struct_fields__}
    return {*get_args(answers.Event)} - inward


def names_of(kinds: Collection[Any]) -> str:
    """Return the names of classes, for the message of a test."""
    return ", ".join(sorted(kind.__name__ for kind in kinds))
