"""Which request an answer belongs to. No I/O.

There are two kinds of protocols. In one, answers have no numbers: each belongs to the oldest
request that has none yet (`ByOrder`). In the other, requests and answers carry an id, and answers
may come in any order (`ById`).

A request that nobody waits for any more is *abandoned*. Its answer may still come, and must not be
taken for another's. By order, the request keeps its turn until then. By id, its place is free at
once, and an answer with an id that nobody waits for is dropped. A bounded number of abandoned ids
is remembered, so that none is used again too early.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable
from typing import Any, TypeAlias

# Called with the answer to a request.
Take: TypeAlias = Callable[[Any], object]


def _drop(_answer: object) -> None:
    """Take an answer that came too late."""


class ByOrder:
    """Answers in the order of the requests. ``len()`` is how many requests have no answer yet."""

    __slots__ = ("_asked",)

    def __init__(self) -> None:
        self._asked: deque[Take] = deque()

    def __len__(self) -> int:
        return len(self._asked)

    def add(self, take: Take, key: Hashable = None) -> None:
        """Note that a request is sent now.

        Args:
            take: what takes its answer.
            key: must be ``None``, the default: by order, requests have no ids.

        Raises:
            ValueError: a key was given.
        """
        if key is not None:
            raise ValueError("these answers come in order: requests have no id without id_of")
        self._asked.append(take)

    def match(self, answer: Any) -> Take | None:  # noqa: ARG002  its order says all
        """Return what takes an answer that has come; ``None``: nobody asked for it."""
        return self._asked.popleft() if self._asked else None

    def abandon(self, key: Hashable) -> bool:  # noqa: ARG002
        """Note that nobody waits for an answer any more, and return whether its place is free."""
        return False

    def clear(self) -> None:
        """Forget all requests: no more answers come."""
        self._asked.clear()


class ById:
    """Answers with ids. ``len()`` is how many requests have no answer yet and are not abandoned.

    Args:
        id_of: returns the id of an answer; ``None``: it is not an answer to any request.
        remembered: how many abandoned ids are remembered; beyond that the oldest are forgotten.
    """

    __slots__ = ("_abandoned", "_asked", "_id_of", "_remembered")

    def __init__(self, id_of: Callable[[Any], Hashable], *, remembered: int) -> None:
        self._id_of = id_of
        self._remembered = remembered
        self._asked: dict[Hashable, Take] = {}
        # In the order in which they were abandoned.
        self._abandoned: dict[Hashable, None] = {}

    def __len__(self) -> int:
        return len(self._asked)

    def add(self, take: Take, key: Hashable = None) -> None:
        """Note that a request is sent now.

        Args:
            take: what takes its answer.
            key: its id.

        Raises:
            ValueError: it has no id, or the answer to another request with it may still come.
        """
        if key is None:
            raise ValueError("these answers have ids: write ask(line, id=...)")
        if key in self._asked or key in self._abandoned:
            raise ValueError(f"a request with the id {key!r} has no answer yet")
        self._asked[key] = take

    def match(self, answer: Any) -> Take | None:
        """Return what takes an answer that has come; ``None``: it is not an answer."""
        key = self._id_of(answer)
        if key is None:
            return None
        self._abandoned.pop(key, None)
        return self._asked.pop(key, _drop)

    def abandon(self, key: Hashable) -> bool:
        """Note that nobody waits for an answer any more, and return whether its place is free."""
        if self._asked.pop(key, None) is None:
            return False
        self._abandoned[key] = None
        if len(self._abandoned) > self._remembered:
            del self._abandoned[next(iter(self._abandoned))]
        return True

    def clear(self) -> None:
        """Forget all requests: no more answers come."""
        self._asked.clear()
        self._abandoned.clear()


Matching: TypeAlias = ByOrder | ById
