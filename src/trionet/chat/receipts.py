"""What came of a member's last requests, so that none is carried out twice. Pure.

When a connection ends between a message and its receipt, the peer cannot know whether the message
was said. It sends the message again, with the same id. An id names one request of a member, however
often it comes, and whatever it comes with.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from trionet.chat.events import Acted, Repeated, Said, Told
from trionet.chat.operations import RequestId

# How many receipts a member has. A client that relies on them leaves at most as many requests
# unanswered. 64 receipts take 14 KiB, or 34 KiB where ids are as long as they may be.
MOST = 64


class Receipt(Struct, frozen=True, gc=False, array_like=True):
    """What came of a message, an action or a private message, without its text.

    Attributes:
        kind: which event it was.
        number, time: as in that event.
        name: what the member was called then.
        room: where it was; empty for a private message.
        to: what the receiver of a private message was called.
        receiver: the number of that receiver.
    """

    kind: Literal["said", "acted", "told"]
    number: int
    time: int
    name: str
    room: str = ""
    to: str = ""
    receiver: int = 0

    @classmethod
    def of(cls, event: Acted | Told) -> Receipt:
        """Return the receipt for what came of a request."""
        if isinstance(event, Acted):
            return cls("acted", event.number, event.time, event.name, event.room)
        return cls("told", event.number, event.time, event.name, "", event.to, event.receiver)

    def repeated(self, member: int, author: bytes, text: str, id_: RequestId) -> Repeated:
        """Return what to tell of a request that came again: the event, with the new text.

        Args:
            member: the member that the receipt belongs to.
            author: the SHA-256 of its token.
            text: the text of the request.
            id_: its id.
        """
        return Repeated(member, self._event(member, author, text, id_))

    def _event(self, member: int, author: bytes, text: str, id_: RequestId) -> Said | Acted | Told:
        number, time, name = self.number, self.time, self.name
        match self.kind:
            case "said":
                return Said(self.room, number, time, member, name, [text], [id_], author)
            case "acted":
                return Acted(self.room, number, time, member, name, text, id_, author)
            case "told":
                return Told(number, time, member, self.receiver, name, self.to, text, id_)


class Receipts(Struct, gc=False, array_like=True):
    """The receipts of one member, by the ids of its requests, the oldest first."""

    by_id: dict[int | str, Receipt] = {}

    def find(self, id_: RequestId) -> Receipt | None:
        """Return what came of a request; ``None``: it is new, or has no id."""
        return None if id_ is None else self.by_id.get(id_)

    def keep(self, id_: RequestId, receipt: Receipt) -> None:
        """Keep what came of a new request, if it has an id, and forget the oldest beyond `MOST`."""
        if id_ is not None:
            self.by_id[id_] = receipt
            if len(self.by_id) > MOST:
                del self.by_id[next(iter(self.by_id))]

    def sort_out(self, run: Said, room: str) -> tuple[list[Said | Repeated], int]:
        """Take what was said before out of a run, and keep receipts for the rest.

        Args:
            run: the run, with ids, as if all of it were new.
            room: its room, the one text for all receipts.

        Returns:
            What to tell, in the order of the requests, and how many messages are new. New messages
            are numbered from the number of the run on.
        """
        parts: list[Said | Repeated] = []
        number, member, name, author = run.number, run.member, run.name, run.author
        texts: list[str] = []
        ids: list[RequestId] = []
        for text, id_ in zip(run.texts, run.ids or (), strict=True):
            if (receipt := self.find(id_)) is not None:
                parts.append(receipt.repeated(member, author, text, id_))
                texts, ids = [], []
                continue
            if not texts:
                parts.append(Said(room, number, run.time, member, name, texts, ids, author))
            texts.append(text)
            ids.append(id_)
            self.keep(id_, Receipt("said", number, run.time, name, room))
            number += 1
        return parts, number - run.number
