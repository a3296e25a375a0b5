"""Run the chat as lines on a terminal: what is typed and printed, and the link to the server."""

from __future__ import annotations

import time
from collections.abc import Sequence

import trio

from trionet.abc import Network
from trionet.chat.names import NameRefused
from trionet.chat.person import calls
from trionet.cli.linear.model import Linear
from trionet.cli.naming import ask_name_on
from trionet.cli.pasting import PastedLine
from trionet.cli.running import Runtime
from trionet.cli.user_interface import UserInterface, open_user_interface
from trionet.cli.window.client_link import ClientLink
from trionet.encoding import encode_line
from trionet.errors import BadLine, ConnectionLost, UnsendableLine
from trionet.lines import Line

# How long to wait at the end until what was typed is sent: several round trips around the world.
_SEND_SECONDS = 2.0


async def run_linear(address: str, runtime: Runtime, *, name: str | None, network: Network) -> None:
    """Be in a chat until the person leaves.

    Args:
        address: where the server is.
        runtime: where to print.
        name: what the member is called; default: the person is asked. After a name that cannot be
            had, they are asked for another.
        network: what to connect over.

    Raises:
        TrionetError: the server cannot be reached, or does not let this member in or come back.

    Cancellation: the server is told that the member leaves, which takes a second at most, and the
    terminal is restored.
    """
    # The terminal first, so that what is typed while the connection is made is neither echoed nor
    # lost.
    async with open_user_interface(runtime, plain=False, indent=True) as ui:
        link = await _enter(address, ui, name, network)
        if link is None:
            return
        try:
            await _Conversation(ui, link).run()
        finally:
            await link.quit()


async def _enter(
    address: str, ui: UserInterface, name: str | None, network: Network
) -> ClientLink | None:
    """Enter the chat; ``None``: the person leaves instead of giving a name."""
    while True:
        if name is None and (name := await ask_name_on(ui)) is None:
            return None
        try:
            # JSON could not hold all that a terminal sends.
            encode_line(name)
            link = ClientLink(address, name=name, network=network)
            await link.open()
            return link
        except (NameRefused, UnsendableLine) as error:
            ui.warn(str(error))
            name = None


class _Conversation:
    """One membership, from the welcome to the end."""

    def __init__(self, ui: UserInterface, link: ClientLink) -> None:
        self._ui = ui
        self._link = link
        self._linear = Linear(link.name, offset=_offset)
        self._linear.pass_time(int(time.time()))
        self._has_quit = False
        self._changed = trio.Event()
        self._is_welcome = trio.Event()

    async def run(self) -> None:
        """Talk and listen.

        Raises:
            ConnectionLost: the server does not let this member come back.
        """
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._talk, nursery.cancel_scope)
            await self._link.run(self._linear, self._note_change)
            nursery.cancel_scope.cancel()
        if not self._has_quit:
            raise ConnectionLost(self._linear.why_ended)

    async def _talk(self, conversation: trio.CancelScope) -> None:
        # What was typed ahead is for the room that this member is going to be in.
        await self._is_welcome.wait()
        paste: Sequence[Line] | None = None
        async for line in self._ui.lines:
            if isinstance(line, BadLine):
                self._ui.refuse("", str(line), None)
                continue
            if not isinstance(line, PastedLine):
                returned = self._linear.enter(line)
            elif line.paste is not paste:
                paste = line.paste
                # The first one may have been the name.
                texts = [one for one in paste[line.at :] if isinstance(one, str)]
                returned = self._linear.paste(texts)
            else:
                continue
            self._note_change()
            if returned:
                self._ui.give_back(returned)
            if self._has_quit:
                break
        self._has_quit = True
        await self._wait_sent()
        conversation.cancel()

    async def _wait_sent(self) -> None:
        """Wait until what was typed is sent, unless the connection is down."""
        with trio.move_on_after(_SEND_SECONDS):
            while self._link.unanswered and self._linear.is_up:
                self._changed = trio.Event()
                await self._changed.wait()
        if unsent := self._link.unanswered:
            self._linear.tell_unsent(unsent)
            self._note_change()

    def _note_change(self) -> None:
        """Print what is told, and do what is asked for."""
        self._linear.pass_time(int(time.time()))
        for call in self._linear.take_calls():
            if isinstance(call, calls.Quit):
                self._has_quit = True
            elif not isinstance(call, calls.TerminalCall):
                self._link.ask(call)
        for line in self._linear.take_lines():
            self._ui.show(line)
        if self._linear.is_welcome:
            self._is_welcome.set()
        self._changed.set()


def _offset(seconds: int) -> int:
    return time.localtime(seconds).tm_gmtoff
