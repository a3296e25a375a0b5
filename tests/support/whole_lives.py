"""Members who do all that a program can do and are cut off again and again, over many lives.

A member's *life* begins with a `welcome` that was not resumed: its token is new, and its private
sequence begins anew. It ends with a grace, with a login that does not hold, or with the server,
which ends and begins again a few times.

As in `coming_back.py` all is on virtual time, what happens follows from a seed, and all is small:
the state keeps few private messages and receipts. Two witnesses are always there and are never cut
off; what they hear is the truth. A third one, at a terminal, ignores members at times.

For each kind of state that this covers there is a planted fault: see `tests/tools/test_plant.py`.
"""

from __future__ import annotations

import itertools
import json
import random
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import trio

from coming_back import History, Patch, cut_off
from coming_back import make_small as make_past_small
from follower import LOST, Event, Follower
from program import Program, Served, served
from trionet.chat.limits import OPEN_ROOM
from trionet.chat.state import private_messages, receipts
from trionet.connection.input_end import InputEnd
from trionet.connection.linestream import LineStream
from trionet.errors import ConnectError
from trionet.testing import Link, MemoryStream

ROOMS = ("lobby", "builds", "games")
NAMES = ("Ann", "Bob", "Cid", "Dee")
# What they call themselves at times. Two may want the same name.
NICKS = (*NAMES, "Eve", "Fay")
_WITNESSES = ("Gil", "Hal")
_PERSON = "Pat"

_SECONDS = 40
_GRACE = 4

# How many receipts are kept of a member. They must do for those that are not answered, and for
# those that are asked for again.
_RECEIPTS = 12
_UNANSWERED = 8
_ASKED_AGAIN = 4

# How many private messages are kept of a member.
_PRIVATE = 5

# How many bytes wait for somebody who does not read.
_WAITING = 1_500

# What has no receipt is carried out again when it is repeated, and how that is refused.
_REFUSALS = {
    "say": {"not-in-room"},
    "act": {"not-in-room"},
    "topic": {"not-in-room"},
    "leave": {"not-in-room"},
    "tell": {"no-such-member"},
    "nick": {"name-taken"},
    "remove": {"not-in-room", "no-such-message"},
}

# What they ask for, and how often.
_ASKED = Counter(say=15, act=15, tell=25, quit=1, history=5, repeat=5, join=5)
_ASKED.update(dict.fromkeys(("topic", "leave", "nick", "remove"), 5))

# What stands around names in the lines that a person is shown.
_NO_MARKS = str.maketrans("", "", ":[]")

Place = tuple[str, str, int]


def _is_slow(seed: int) -> bool:
    """Tell whether whoever is stalled for long in this run has its lines dropped."""
    return seed % 2 == 1


def make_small(patch: Patch, seed: int) -> None:
    """Do what `coming_back.make_small` does, and keep little of a member; see there."""
    make_past_small(patch, seed)
    patch(private_messages, "MOST_A_MEMBER", _PRIVATE)
    in_all = 12 * (private_messages.OVERHEAD + 40) if _is_slow(seed) else 1 << 20
    patch(private_messages, "BYTES_IN_ALL", in_all)
    patch(receipts, "MOST", _RECEIPTS)


class Life:
    """What a member was told in one life of what is its own alone.

    Attributes:
        told: its private sequence, by number.
        missed: the gaps in it that it was told of.
        kept: for each such gap that a login began with, how many messages came behind it.
        is_over: whether another life has followed.
        always_held: whether each of its logins had `hold`, those included that got no answer.
    """

    def __init__(self) -> None:
        self.told: dict[int, Event] = {}
        self.missed: list[dict[str, Any]] = []
        self.kept: list[tuple[Event, int]] = []
        self.last = 0
        self.is_over = False
        self.always_held = True

    @property
    def newest(self) -> int:
        """The last number that it knows of."""
        return max([self.last, *(int(gap["before"]) - 1 for gap in self.missed)])

    def knows(self, number: int) -> bool:
        """Tell whether it was told a message, or that it has missed it."""
        return number in self.told or any(
            gap["after"] < number < gap["before"] for gap in self.missed
        )


class Member(Follower):
    """A follower that does everything, and notes what it was told.

    Args:
        who: stands in all its texts, whatever it is called.
        connect: opens another connection.
        dice: draws whether it holds, and another name where the name is taken.
        pause: see `Follower`.

    Attributes:
        told: every event of rooms, by epoch, room and number.
        came: in which order it came, without receipts: with the time of the login.
        spans: the stretches of each room of which it must know everything, by epoch and room.
        entries: each `entered`, with its epoch.
        lives: its lives so far.
        outcomes: what its requests were answered by, by id.
        said_in: in which life it has said what.
        unsure: the ids of requests of which it cannot know whether they were carried out.
        dead: the tokens of its lives that are over.
        may_be_gone: whether it has quit, or somebody has taken it over, since its last login.
        ends: for each life that ended although it was held: since when it was away, and until when.
        faults: what it was told that cannot be.
        dropped: how often it was told of dropped lines.
        kept: how many of its private messages the server had, whenever it asked.
    """

    def __init__(
        self,
        who: str,
        connect: Callable[[], Awaitable[trio.abc.Stream]],
        dice: random.Random,
        pause: Callable[[], float],
    ) -> None:
        super().__init__(who, connect, rooms=ROOMS, pause=pause)
        self.who = who
        self.told: dict[Place, Event] = {}
        self.came: list[tuple[float, Place]] = []
        self.spans: dict[tuple[str, str], list[list[int]]] = defaultdict(list)
        self.entries: list[tuple[str, Event]] = []
        self.lives: list[Life] = []
        self.outcomes: dict[int, Event] = {}
        self.requests: dict[int, Event] = {}
        self.unsure: set[int] = set()
        self.dead: list[str] = []
        self.may_be_gone = False
        self.ends: list[tuple[float, float]] = []
        self.said_in: dict[Place, int] = {}
        self.faults: list[str] = []
        self.dropped = 0
        self.kept = 0
        self.names = {who}
        self._dice = dice
        self._wanted = list(ROOMS)
        # The last number of each room that it is in, in the epoch of now.
        self._spans: dict[str, list[int]] = {}
        self._holds = True
        self._login_ids = itertools.count(1)
        self._in_id = ""
        self._logged_in_at = 0.0
        self._lost_at = 0.0
        # Whether it has quit over this connection.
        self._quits = False
        self._is_welcome = False
        # How many gaps its life had when this connection began.
        self._gaps_before = 0
        # In which life each request was sent first, and the id of each text.
        self._sent: dict[int, int] = {}
        self._id_of: dict[str, int] = {}
        self._doubtful: set[int] = set()
        # Those that may have been carried out in a gap of what it was told.
        self._gapped: set[int] = set()

    @property
    def token(self) -> str | None:
        """Its token."""
        return self._token

    @property
    def unanswered(self) -> int:
        """How many of its requests are not answered."""
        return len(self._unanswered)

    def login_fields(self) -> Event:
        """Return the fields of a login that comes back."""
        fields: Event = {"name": self.name, "rooms": self._wanted, "hold": True}
        if self._token is not None:
            seen = {room: span[1] for room, span in self._spans.items()}
            seen["@"] = self.lives[-1].last
            fields |= {"token": self._token, "epoch": self.epochs[-1], "seen": seen}
        return fields

    async def repeat(self, id_: int) -> None:
        """Send a request again that was answered."""
        self._unanswered[id_] = self.requests[id_]
        await self._send(self.requests[id_])

    def can_repeat(self) -> list[int]:
        """Return the requests of which the server must have the receipts."""
        if not self.lives or not self.lives[-1].always_held or self._unanswered:
            return []
        life = len(self.lives) - 1
        kept = [
            id_ for id_, begun in self._sent.items()
            if begun == life and self.outcomes.get(id_, {}).get("type") in ("said", "acted", "told")
        ]  # fmt: skip
        return kept[-_ASKED_AGAIN:]

    async def quit(self) -> None:
        """Leave. It comes back with the token that it had."""
        if self.is_in:
            self._quits = self.may_be_gone = True
            await super()._send({"type": "quit"})

    async def _converse(self, lines: LineStream) -> None:
        self._quits = False
        try:
            await super()._converse(lines)
        finally:
            if self._quits and self._token is not None and lines.end is InputEnd.EOF:
                self.dead.append(self._token)
            if self._is_welcome:
                self._lost_at = trio.current_time()

    async def _send(self, request: Event) -> None:
        if self.is_in:
            self.requests[request["id"]] = request
            self._sent.setdefault(request["id"], len(self.lives) - 1)
            self._id_of[request.get("text", "")] = request["id"]
        await super()._send(request)

    def _login(self) -> list[Event]:
        self._holds = not self.lives or self._dice.random() < 0.9
        self._is_welcome = False
        if self.lives:
            self.lives[-1].always_held &= self._holds
        self._in_id = f"in {next(self._login_ids)}"
        self._logged_in_at = trio.current_time()
        fields = self.login_fields() | {"hold": self._holds}
        return [{"type": "login", **fields}, {"type": "ping", "id": self._in_id}]

    def _has_come_in(self, event: Event) -> bool:
        if event["type"] == "pong" and event.get("re") == self._in_id:
            self.is_in = True
            life = self.lives[-1]
            for gap in life.missed[self._gaps_before :] if life.always_held else ():
                life.kept.append((gap, sum(number >= gap["before"] for number in life.told)))
            return True
        return False

    def _take(self, event: Event) -> None:
        re = event.get("re")
        match event["type"]:
            case "welcome":
                self._welcome(event)
            case "entered":
                self._enter(event, re)
            case "missed":
                self._miss(event)
            case "error":
                self._take_error(event, re)
            case "told":
                self._take_private(event, re)
            case "closing":
                if event["reason"] == "taken over":
                    raise trio.EndOfChannel
            case "history":
                self._take_kept(event["events"])
                self._answer(re, event)
            case "done":
                self._answer(re, event)
            case "pong":
                pass
            case _:
                self._take_of_room(event, re)

    def _welcome(self, event: Event) -> None:
        is_new = not self.epochs or self.epochs[-1] != event["epoch"]
        if is_new:
            self.epochs.append(event["epoch"])
            self._spans.clear()
        if event["resumed"] and self._token in self.dead:
            self.faults.append(f"resumed, but this life is over: {event}")
        if not event["resumed"] and self._token is not None:
            self.dead.append(self._token)
            if self.lives[-1].always_held and not self.may_be_gone:
                self.ends.append((self._lost_at, trio.current_time()))
        self.may_be_gone = False
        self._is_welcome = True
        self._token, self.name = event["token"], event["name"]
        self.names.add(self.name)
        self.resumed += event["resumed"]
        if not event["resumed"]:
            if self.lives:
                self.lives[-1].is_over = True
            self.lives.append(Life())
        self.lives[-1].always_held &= self._holds
        self._gaps_before = len(self.lives[-1].missed)
        for id_, request in list(self._unanswered.items()):
            sent = self._sent.get(id_)
            if sent is None:
                continue
            is_kept = self.lives[-1].always_held and sent == len(self.lives) - 1
            if is_kept and id_ not in self._doubtful:
                continue
            # There is no receipt. The replay tells, if it has everything.
            self._doubtful.add(id_)
            is_told = (
                request.get("room") in self._spans
                and id_ not in self._gapped
                and sent >= len(self.lives) - 2
            )
            if id_ in self.outcomes:
                del self._unanswered[id_]
            elif request["type"] in ("say", "act", "tell") and not is_told:
                self._give_up(id_)

    def _give_up(self, id_: int) -> None:
        del self._unanswered[id_]
        self.unsure.add(id_)

    def _enter(self, event: Event, re: int | None) -> None:
        room, epoch = event["room"], self.epochs[-1]
        if self.name not in event["members"]:
            self.faults.append(f"{self.name} is not in {event}")
        if room not in self._wanted:
            self._wanted.append(room)
        self.entries.append((epoch, event))
        if room not in self._spans:
            # It is not told what it has said there before.
            self._gapped.update(
                id_ for id_, one in self._unanswered.items()
                if one.get("room") == room and id_ in self._sent
            )  # fmt: skip
            self._spans[room] = [event["last"], event["last"]]
            self.spans[epoch, room].append(self._spans[room])
        elif self._spans[room][1] > event["last"]:
            self.faults.append(f"entered before what it knows: {event}")
        self._spans[room][1] = event["last"]
        self._answer(re, event)

    def _leave(self, room: str) -> None:
        self._spans.pop(room, None)
        if room in self._wanted:
            self._wanted.remove(room)

    def _miss(self, event: Event) -> None:
        self.dropped += self.is_in
        if "room" not in event:
            # Answers were dropped, or what told where it is. When it comes back, it is told again.
            raise trio.EndOfChannel
        if event["room"] == "@":
            self.lives[-1].missed.append(event)
            return
        self.missed.append({**event, "epoch": self.epochs[-1]})
        for id_, request in [*self._unanswered.items()]:
            if request.get("room") == event["room"]:
                self._gapped.add(id_)
                # If it is in, it has asked again, and is answered.
                if id_ in self._doubtful and not self.is_in:
                    self._give_up(id_)

    def _take_error(self, event: Event, re: int | None) -> None:
        if event["code"] in ("name-taken", "closing") and re is None:
            self.name = self._dice.choice(NICKS)
            raise trio.EndOfChannel
        request = self._unanswered.get(re, {"type": ""}) if re else Event(type="")
        is_too_old = (
            event["code"] == "forbidden"
            and self.said_in.get((self.epochs[-1], request["room"], request["number"]), -2)
            < len(self.lives) - 2
        )
        if event["code"] not in _REFUSALS.get(request["type"], ()) and not is_too_old:
            self.faults.append(f"{event} for {request}")
        if request["type"] == "leave":
            self._leave(request["room"])
        self._answer(re, event)

    def _take_private(self, event: Event, re: int | None) -> None:
        if re is not None:
            self._answer(re, event)
            if event["from"] != event["to"]:
                return
        event = {key: value for key, value in event.items() if key != "re"}
        life, number = self.lives[-1], event["number"]
        if number <= life.last and re is None:
            self.faults.append(f"told again: {event}")
        if life.told.setdefault(number, event) != event:
            self.faults.append(f"{event} was {life.told[number]}")
        life.last = max(life.last, number)

    def _take_kept(self, kept: list[Event]) -> None:
        """Compare what the server keeps of its private sequence with what it was told."""
        self.kept += len(kept)
        life = self.lives[-1]
        numbers = [event["number"] for event in kept]
        if kept and not self._holds:
            self.faults.append(f"it does not hold, and {kept} is kept")
        if kept and numbers != [*range(numbers[0], life.newest + 1)]:
            self.faults.append(f"it knows {life.newest}, and {numbers} are kept")
        for event in kept:
            if life.told.get(event["number"], event) != event:
                self.faults.append(f"told something else: {event}")

    def _take_of_room(self, event: Event, re: int | None) -> None:
        event = {key: value for key, value in event.items() if key != "re"}
        room, number = event["room"], event["number"]
        place = self.epochs[-1], room, number
        if self.told.setdefault(place, event) != event:
            self.faults.append(f"{event} was {self.told[place]}")
        span = self._spans.get(room)
        if re is None and (span is None or number <= span[1]):
            self.faults.append(f"it came again, or from where one is not: {event}")
        if span is not None:
            span[1] = max(span[1], number)
        if re is None:
            self.came.append((self._logged_in_at, place))
            id_ = self._id_of.get(event["text"]) if event["type"] in ("said", "acted") else None
            if id_ is not None and self._sent[id_] >= len(self.lives) - 2:
                self.faults.append(f"its own, without `re`: {event}")
            return
        if event["type"] == "left":
            self._leave(room)
        if event["type"] == "renamed":
            self.name = event["to"]
            self.names.add(self.name)
        if event["type"] == "removed":
            removed = self.told.get((self.epochs[-1], room, event["of"]))
            if removed is not None and not removed["text"].startswith(f"{self.who} "):
                self.faults.append(f"removed what another has said: {removed}")
        self._answer(re, event)

    def _answer(self, re: int | None, event: Event) -> None:
        if re is None:
            return
        event = {key: value for key, value in event.items() if key != "re"}
        self._unanswered.pop(re, None)
        self._doubtful.discard(re)
        first = self.outcomes.setdefault(re, event)
        if event["type"] in ("said", "acted"):
            place = self.epochs[-1], event["room"], event["number"]
            self.said_in.setdefault(place, self._sent[re])
        if event["type"] in ("said", "acted", "told") and first != event:
            self.faults.append(f"{event} was first answered by {first}")


class WholeLives:
    """One run.

    Args:
        seed: what happens.
        history: where the past is kept.
        folder: for the file.

    Attributes:
        truth: each event of the rooms, by epoch, room and number, and when it was heard.
        members: those who come and go.
        happened: how often what happened.
    """

    def __init__(self, seed: int, history: History, folder: Path) -> None:
        self.truth: dict[tuple[str, str], dict[int, Event]] = defaultdict(dict)
        self.members: list[Member] = []
        self.happened: Counter[str] = Counter()
        self._heard_at: dict[Place, float] = {}
        # Numbers of the lobby at which a server began, with nobody in it.
        self._beginnings: list[Place] = []
        self._history = history
        self._options: dict[str, Any] = {"grace": _GRACE}
        # Mostly it is not the lobby that has the highest number.
        self._loud_room = ROOMS[seed % len(ROOMS)]
        self._drops = _is_slow(seed)
        if self._drops:
            self._options["limits"] = replace(OPEN_ROOM, max_waiting=_WAITING)
        if history != "memory":
            self._options["history"] = folder / f"{seed}.db"
        if history == "file that forgets":
            self._options["history_days"] = 1
        self._dice = random.Random(seed)
        self._faults: list[str] = []
        self._room: Served | None = None
        self._is_open = trio.Event()
        self._goes_on = True
        self._epoch = ""
        # When a server began.
        self._begins: list[float] = []
        # Of those who came with a token that nobody had any more.
        self._strangers: list[Life] = []

    async def run(self) -> None:
        """Let them live; then wait until all is well again."""
        async with trio.open_nursery() as nursery:
            for who in NAMES:
                member = Member(who, self._connect, self._dice, self._pause)
                self.members.append(member)
                nursery.start_soon(member.run)
                nursery.start_soon(self._act, member)
                nursery.start_soon(
                    cut_off, member, self._dice, self.happened, lambda: self._goes_on
                )
                nursery.start_soon(self._rival, member)
            ends = sorted(self._dice.uniform(0, _SECONDS) for _ in range(self._dice.randrange(3)))
            for begin, end in itertools.pairwise([0, *ends, _SECONDS]):
                async with self._serving():
                    await trio.sleep(end - begin)
                    if end == _SECONDS:
                        self._goes_on = False
                        await trio.sleep(30)
                        await self._look_at_the_end()
            nursery.cancel_scope.cancel()

    def faults(self) -> Iterator[str]:
        """Yield what is wrong in the end."""
        yield from self._faults
        removed = Counter(
            (*place, event["of"])
            for place, events in self.truth.items()
            for event in events.values()
            if event["type"] == "removed"
        )
        yield from (f"removed twice: {place}" for place, count in removed.items() if count > 1)
        for place, events in self.truth.items():
            for event in events.values():
                if event["type"] == "renamed" and event["name"] == event["to"]:
                    yield f"renamed to the same: {place} {event}"
        said = Counter(
            event["text"]
            for events in self.truth.values()
            for event in events.values()
            if event["type"] in ("said", "acted")
        )
        told = Counter(
            event["text"]
            for member in self.members
            for life in member.lives
            for event in life.told.values()
        )
        for member in self.members:
            of_one = itertools.chain(
                member.faults,
                self._untold(member, removed),
                self._untrue(member),
                self._unlike(member),
                self._undone(member, said, told),
                self._private(member),
                self._let_go(member),
            )
            yield from (f"{member.who}: {fault}" for fault in of_one)

    def counts(self) -> Counter[str]:
        """Return how often what happened, so that one sees what a run is worth."""
        counts = Counter(self.happened)
        counts["events"] = sum(map(len, self.truth.values()))
        for member in self.members:
            counts["lives"] += len(member.lives)
            counts["resumed"] += member.resumed
            counts["gaps told"] += len(member.missed)
            counts["dropped lines told"] += member.dropped
            counts["private messages"] += sum(len(life.told) for life in member.lives)
            counts["private messages kept"] += member.kept
            counts["gaps in them told"] += sum(len(life.missed) for life in member.lives)
            counts["answers that nobody knows"] += len(member.unsure)
        return counts

    # -- the rules

    def _untold(self, member: Member, removed: Counter[Any]) -> Iterator[str]:
        """It knows each event of where it is, or knows that it has missed it."""
        for (epoch, room), spans in member.spans.items():
            events = self.truth[epoch, room]
            for first, last in spans:
                for number in range(first + 1, last + 1):
                    event = events.get(number)
                    is_own = event is None or (
                        event["type"] == "joined" and event["name"] in member.names
                    )
                    is_told = (epoch, room, number) in member.told or any(
                        gap["epoch"] == epoch
                        and gap["room"] == room
                        and gap["after"] < number < gap["before"]
                        for gap in member.missed
                    )
                    if not (is_told or is_own or removed[epoch, room, number]):
                        yield f"not told of {event}"
        for room, span in member._spans.items():
            if (last := max(self.truth[member.epochs[-1], room])) > span[1]:
                yield f"knows {room} up to {span[1]} of {last}"
        for gap in member.missed:
            place = gap["epoch"], gap["room"]
            between = {*range(gap["after"] + 1, gap["before"])} & self.truth[place].keys()
            lost = [number for number in between if not removed[*place, number]]
            if lost and self._history == "file" and not self._drops:
                yield f"missed {lost}: {gap}"

    def _untrue(self, member: Member) -> Iterator[str]:
        """What it was told is true; and nobody who comes is told a text that was removed."""
        removed_at = {
            (epoch, room, event["of"]): self._heard_at[epoch, room, number]
            for (epoch, room), events in self.truth.items()
            for number, event in events.items()
            if event["type"] == "removed"
        }
        for (epoch, room, number), event in member.told.items():
            if self.truth[epoch, room].get(number) != event:
                yield f"told something else: {event}"
        for logged_in_at, place in member.came:
            if logged_in_at > removed_at.get(place, logged_in_at):
                yield f"told a text that was removed: {place}"

    def _unlike(self, member: Member) -> Iterator[str]:
        """What `entered` says is what the events up to its number make of a room."""
        for epoch, entered in member.entries:
            room, last = entered["room"], entered["last"]
            topic = ""
            members: dict[str, None] = {}
            for number, event in sorted(self.truth[epoch, room].items()):
                if number > last:
                    break
                if (epoch, room, number) in self._beginnings:
                    members.clear()
                name = event["name"]
                match event["type"]:
                    case "topic":
                        topic = event["text"]
                    case "joined":
                        members[name] = None
                    case "left":
                        members.pop(name, None)
                    case "renamed":
                        members = dict.fromkeys(
                            event["to"] if one == name else one for one in members
                        )
            if (topic, [*members], len(members)) != (
                entered["topic"], entered["members"], entered["count"],
            ):  # fmt: skip
                yield f"{entered}, but {topic!r}, {[*members]}"

    def _undone(self, member: Member, said: Counter[str], told: Counter[str]) -> Iterator[str]:
        """What was answered was done once; what was refused was not; nothing was done twice."""
        for id_, request in member.requests.items():
            if request["type"] not in ("say", "act", "tell"):
                continue
            count = (told if request["type"] == "tell" else said)[request["text"]]
            outcome = member.outcomes.get(id_)
            if count > 1:
                yield f"done {count} times: {request}"
            elif outcome is None:
                if id_ not in member.unsure:
                    yield f"never answered: {request}"
            elif outcome["type"] == "error":
                if count:
                    yield f"refused, but done: {request}"
            elif request["type"] != "tell":
                if not count:
                    yield f"not done: {request}"
            elif not count and outcome["to"] != _PERSON and not self._is_known(outcome["number"]):
                yield f"nobody was told: {outcome}"

    def _is_known(self, number: int) -> bool:
        """Tell whether somebody may have a private message with this number, or has missed it."""
        return any(
            life.knows(number) or (life.is_over and number > life.newest)
            for life in itertools.chain(self._strangers, *(one.lives for one in self.members))
        )

    def _private(self, member: Member) -> Iterator[str]:
        """It knows each message of its private sequence, or knows that it has missed it."""
        sent = {
            request["text"]: (one.outcomes.get(id_), id_ in one.unsure)
            for one in self.members
            for id_, request in one.requests.items()
            if request["type"] == "tell"
        }
        for life in member.lives:
            unknown = [number for number in range(1, life.newest + 1) if not life.knows(number)]
            if unknown:
                yield f"not told {unknown} of its private messages"
            for gap, kept in life.kept:
                if kept < _PRIVATE and not self._drops:
                    yield f"told {gap}, and {kept} messages behind it"
            for event in life.told.values():
                receipt, is_unsure = sent[event["text"]]
                if receipt != event and not (receipt is None and is_unsure):
                    yield f"told {event}, but the sender {receipt}"

    def _let_go(self, member: Member) -> Iterator[str]:
        """Whoever comes back before its grace ends is resumed, unless there is another server."""
        for lost, back in member.ends:
            if back - lost < _GRACE and not any(lost < begin < back for begin in self._begins):
                yield f"lost at {lost} and not held until {back}"

    # -- the server, and who hears all

    @asynccontextmanager
    async def _serving(self) -> AsyncIterator[None]:
        """Serve for as long as the block runs, and end cleanly."""
        async with served(forever=True, **self._options) as room, trio.open_nursery() as nursery:
            seen = {place: max(self.truth[self._epoch, place], default=0) for place in ROOMS}
            fields: Event = {"epoch": self._epoch, "seen": seen} if self._epoch else {}
            for name in _WITNESSES:
                program, welcome = await room.log_in(name, rooms=ROOMS, **fields)
                await nursery.start(self._hear, program, welcome["epoch"], name)
                self._epoch = welcome["epoch"]
            nursery.start_soon(self._talk_on, program)
            nursery.start_soon(self._ignore, room)
            self._room = room
            self._begins.append(trio.current_time())
            self._is_open.set()
            yield
            self.happened["servers"] += 1
            self._is_open = trio.Event()
            await room.server.drain(5)
            await room.ended.wait()
            await trio.sleep(1)
            nursery.cancel_scope.cancel()

    async def _hear(
        self, program: Program, epoch: str, name: str, *, task_status: trio.TaskStatus[None]
    ) -> None:
        entered = 0
        lines = program.client
        with suppress(AssertionError):
            while True:
                event: Event = json.loads(await lines.receive())
                if event["type"] == "entered":
                    self._note_entered(epoch, name, event)
                    entered += 1
                    if entered == len(ROOMS):
                        task_status.started()
                elif "number" in event:
                    place = epoch, event["room"], event["number"]
                    self.truth[epoch, event["room"]][event["number"]] = event
                    self._heard_at.setdefault(place, trio.current_time())

    async def _talk_on(self, program: Program) -> None:
        with suppress(*LOST):
            while self._goes_on:
                text = "x" * self._dice.choice([1, 30, 300])
                await program.request("say", room=self._loud_room, text=text)
                await trio.sleep(self._dice.uniform(0, 0.2))

    async def _ignore(self, room: Served) -> None:
        """Be a person in the lobby who ignores members for a while, and hears nothing of them."""
        client = await room.plain(_PERSON)
        ignored: set[str] = set()

        async def ask() -> None:
            with suppress(*LOST):
                while True:
                    await trio.sleep(self._dice.uniform(0, 2))
                    command = self._dice.choice(["/ignore", "/unignore"])
                    await client.send(f"{command} {self._dice.choice(NICKS)}")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            while (line := await client.receive()) != "*** server is closing":
                match line.translate(_NO_MARKS).split(" "):
                    case ["***", "you", "ignore", name]:
                        ignored.add(name)
                    case ["***", "you", "hear", name, "again"]:
                        ignored.discard(name)
                    case ["***", name, "is", "now", to] if name in ignored:
                        ignored.remove(name)
                        ignored.add(to)
                    case ["***", name, "left", *_]:
                        ignored.discard(name)
                    case ["***" | "error", *_]:
                        pass
                    case ["*", name, *_] | [name, *_]:
                        self.happened["heard by one who ignores others"] += 1
                        if name in ignored:
                            self._faults.append(f"{_PERSON} ignores {ignored}, and heard {line}")
            nursery.cancel_scope.cancel()

    def _note_entered(self, epoch: str, name: str, event: Event) -> None:
        """Note the witness's own joining, of which only the other one is told, and it of none."""
        room, last = event["room"], event["last"]
        self.truth[epoch, room].setdefault(last, {"type": "joined", "name": name})
        if name == _WITNESSES[0]:
            self._beginnings.append((epoch, room, last))

    async def _look_at_the_end(self) -> None:
        """See that all is answered, and all that is kept is known."""
        for member in self.members:
            with trio.fail_after(60):
                await member.entered()
                await member.settled()
                await member.ask("history", room="@", limit=500)
                await member.settled()

    # -- what they do

    async def _act(self, member: Member) -> None:
        dice = self._dice
        number = itertools.count()
        await member.entered()
        while self._goes_on:
            await member.wait_until(lambda: member.unanswered < _UNANSWERED)
            what = dice.choice([*_ASKED.elements()])
            text = f"{member.who} {next(number)} " + "x" * dice.choice([1, 30, 300])
            room = dice.choice(ROOMS)
            match what:
                case "say" | "act":
                    await member.ask(what, room=room, text=text[: dice.choice([200, 390])])
                case "topic":
                    await member.ask(
                        "topic", room=room, text=text[: dice.choice([0, 390, 390, 390])]
                    )
                case "tell":
                    await member.ask("tell", to=dice.choice([*NICKS, _PERSON]), text=text)
                case "join" | "leave":
                    await member.ask(what, room=dice.choice(ROOMS[1:]))
                case "nick":
                    await member.ask("nick", name=dice.choice(NICKS))
                case "remove":
                    own = [place for place in member.said_in if place[0] == member.epochs[-1]]
                    # At times it is what another has said, or no message.
                    if places := [*own[-5:], *[*member.told][-2:]]:
                        _, room, of = dice.choice(places)
                        await member.ask("remove", room=room, number=of)
                case "history":
                    await member.ask("history", room="@", limit=500)
                case "quit":
                    await member.quit()
                case "repeat":
                    if kept := member.can_repeat():
                        self.happened["repeated"] += 1
                        await member.repeat(dice.choice(kept))
            self.happened[what] += 1
            await trio.sleep(dice.uniform(0, 0.3))

    async def _rival(self, member: Member) -> None:
        """Take the member over now and then, as whoever has its token can, under any name."""
        await member.entered()
        while self._goes_on:
            await trio.sleep(self._dice.uniform(0, 8))
            fields = member.login_fields() | {"name": self._dice.choice(NICKS)}
            if member.dead and self._dice.random() < 0.3:
                fields["token"] = self._dice.choice(member.dead)
            is_dead = fields["token"] in member.dead
            with suppress(*LOST, ConnectError):
                async with await self._connect() as stream:
                    # From now on the grace may begin again, and its first end is not known.
                    member.may_be_gone = True
                    rival = LineStream(stream)
                    await rival.send(json.dumps({"type": "login", **fields}))
                    if not await self._resumes(rival, member, fields, is_dead=is_dead):
                        continue
                    member.may_be_gone = True
                    with trio.move_on_after(self._dice.uniform(0, 1)):
                        while True:
                            await rival.receive()
                    if self._dice.random() < 0.5 and isinstance(stream, MemoryStream):
                        stream.reset()
            self.happened["taken over"] += 1

    async def _resumes(
        self, rival: LineStream, member: Member, fields: Event, *, is_dead: bool
    ) -> bool:
        """Tell whether a rival has become the member. If it is new, it quits."""
        line = await rival.receive()
        if line == "error: server is closing":
            return False
        event: Event = json.loads(line)
        if event["type"] == "error":
            assert event["code"] in ("name-taken", "closing"), event
        elif event["resumed"]:
            if event["token"] != fields["token"] or is_dead:
                self._faults.append(f"{event} for the token of {member.who}")
            return True
        else:
            self.happened["came with a token of nobody"] += 1
            if event["token"] == fields["token"] or event["name"] != fields["name"]:
                self._faults.append(f"{event} for a token that nobody has, and {fields}")
            self._strangers.append(Life())
            self._strangers[-1].is_over = True
            await rival.send(json.dumps({"type": "quit"}))
            while True:
                await rival.receive()
        return False

    async def _connect(self) -> trio.abc.Stream:
        while True:
            await self._is_open.wait()
            assert self._room is not None
            dice = self._dice
            most = 1_000 if self._drops else 1 << 16
            link = Link(capacity=dice.choice([500, most]), latency=dice.uniform(0, 0.1))
            return await self._room.network.connect(self._room.server.addresses[0], link=link)

    def _pause(self) -> float:
        if not self._goes_on:
            return 0.01
        return self._dice.uniform(0, 3) if self._dice.random() < 0.8 else _GRACE + 1
