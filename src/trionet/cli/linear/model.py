"""All that a person with lines on a terminal is told, and what the lines they type mean. Pure.

Events come in by `hear`, typed lines by `enter` and `paste`, the state of the link by `link_up` and
`link_down`. `take_lines` gives what is to be printed, `take_calls` what is to be done.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trionet.chat.formats.requests import Misunderstood
from trionet.chat.formats.texts import safe_texts
from trionet.chat.person import calls
from trionet.chat.person.times import UtcOffset, parse_time
from trionet.chat.person.typed_commands import ERROR, room_key, say, typed_again
from trionet.cli.linear import lines
from trionet.cli.linear.hearing import hear
from trionet.cli.linear.linear_commands import COMMANDS
from trionet.cli.linear.room import Room
from trionet.cli.linear.state import State
from trionet.text.safe import safe_text


class Linear(State):
    """The chat as lines on a terminal, with the arguments and attributes of `State`."""

    def __init__(
        self, name: str, *, offset: UtcOffset = lambda _: 0, highlights: Sequence[str] = ()
    ) -> None:
        super().__init__(name, offset=offset, highlights=highlights)
        # A paste of several lines that the person has been asked about.
        self._pasted = ""

    # What the person types.

    @property
    def is_asking(self) -> bool:
        """Whether the next line answers a question about what was pasted."""
        return bool(self._pasted)

    def enter(self, line: str) -> str:
        """Take a typed line, and return what should go back into the line to be changed."""
        if self._pasted:
            return self._answer(line)
        if not line.strip() or COMMANDS.obey(self, line):
            return ""
        return line

    def paste(self, pasted: Sequence[str]) -> str:
        """Take a paste, and return what should go back into the line to be changed.

        Before several lines are sent, the person is asked. Nothing in them is a command.
        """
        text = "\n".join([*filter(None, [self._pasted]), *pasted])
        self._pasted = ""
        count = sum(1 for line in text.split("\n") if line.strip())
        if count < 2:
            return "" if say(self, text.strip("\n")) else text
        try:
            safe_texts(text)
        except Misunderstood as error:
            self.tell(str(error), kind=ERROR)
            return text
        self._pasted = text
        self.print(f"send {count} lines as one message? y/n")
        return ""

    def _answer(self, line: str) -> str:
        text, self._pasted = self._pasted, ""
        answer = line.strip().lower()
        if answer in ("", "y", "yes"):
            return "" if say(self, text) else text
        if answer in ("q", "/quit"):
            self.call(calls.Quit())
            return ""
        self.tell("not sent")
        # Anything but an answer was typed to go on with the text.
        return text if answer in ("n", "no") else f"{text}\n{line}"

    # What the link tells.

    def link_up(self, how: str) -> None:
        """Note that the connection is up."""
        if not self.is_up and self.link:
            self.tell("connected again")
        self.is_up, self.link = True, how

    def link_down(self, how: str) -> None:
        """Note that the connection is down, and for how much longer; print it once."""
        if self.is_up:
            self.tell(f"the connection is lost, {how}")
        self.is_up, self.link, self.lag = False, how, None

    def link_ended(self, why: str) -> None:
        """Note that the connection is gone for good."""
        self.is_up, self.why_ended = False, why

    def loaded(self, name: str, events: Sequence[Any], *, more: bool) -> None:
        """Tell what was said before."""
        room = self.rooms.get(name, Room())
        if events:
            room.oldest = events[0].number
        shown = [event for event in events if not self.is_hidden(event)]
        told = [
            line
            for event in shown
            for line in self.stamped(lines.event_lines(event, self.me), event)
        ]
        if not told:
            self.tell(f"nothing was said in {safe_text(name)} before")
            return
        self.tell(f"{lines.many(len(shown), 'event')} of {safe_text(name)}, oldest first:")
        self.print(*told)
        self.tell("end of the past, /more shows what was before" if more else "end of the past")

    def not_loaded(self, name: str, reason: str = "") -> None:
        """Tell that the history of a room was refused."""
        self.tell(safe_text(reason or f"no history of {name}"), kind=ERROR)

    def refused(self, call: calls.ServerCall, reason: str) -> None:
        """Say that something was refused, and which text: several may be unanswered."""
        text = typed_again(call)
        self.tell(f"{reason}: {text}" if text else reason, kind=ERROR)
        if isinstance(call, calls.Join) and room_key(call.room) == self.wanted_room:
            self.wanted_room = ""

    def hear(self, event: Any) -> None:
        """Tell what an event says. One whose type is unknown here is not told."""
        if (time := getattr(event, "time", None)) is not None:
            self.pass_time(parse_time(time))
        hear(self, event)
