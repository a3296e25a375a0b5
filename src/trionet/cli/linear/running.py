"""Run the chat as lines on a terminal: what is typed and printed, and the link to the server."""

from __future__ import annotations

import time
from collections.abc import Sequence

import trio

from trionet.abc import Network
from trionet.chat import NameRefused, RequestRefused
from trionet.chat.formats.local_time import utc_offset
from trionet.chat.person import calls
from trionet.cli.client_link import ClientLink
from trionet.cli.linear.model import Linear
from trionet.cli.naming import ask_name_on
from trionet.cli.password import ask_password
from trionet.cli.pasting import PastedLine
from trionet.cli.running import Runtime
from trionet.cli.user_interface import UserInterface, open_user_interface
from trionet.encoding import encode_line
from trionet.errors import BadLine, ConnectionLost, UnsendableLine
from trionet.lines import Line

# How long to wait at the end until what was typed is sent: several round trips around the world.
_SEND_SECONDS = 2.0


async def run_linear(
    address: str,
    runtime: Runtime,
    *,
    name: str | None,
    network: Network,
    password: str | None = None,
    highlights: Sequence[str] = (),
) -> None:
    """Be in a chat until the person leaves.

    Args:
        address: where the server is.
        runtime: where to print.
        name: the member's name; default: the person is asked. If a name is refused, the person is
            asked for another one.
        network: the network.
        password: the server's password; default: the person is asked if the server wants one.
        highlights: words that mention the person as their name does.

    Raises:
        TrionetError: the server cannot be reached, or does not let this member in or come back.

    Cancellation: the server is told that the member leaves, which takes a second at most, and the
    terminal is restored.
    """
    entrance = _Entrance(address, network, name, password)
    # The line editor shows what is typed, so a password is asked for without one.
    while not await _be_in_chat(entrance, runtime, highlights):
        refusal = None if entrance.password is None else str(entrance.refused)
        entrance.password = await ask_password(runtime.err, refusal)
        if entrance.password is None:
            assert entrance.refused is not None
            raise entrance.refused


async def _be_in_chat(entrance: _Entrance, runtime: Runtime, highlights: Sequence[str]) -> bool:
    """Be in the chat until the person leaves; ``False``: a password is wanted first."""
    # The terminal first, so that what is typed while the connection is made is neither echoed nor
    # lost.
    async with open_user_interface(runtime, plain=False, indent=True) as ui:
        link = await entrance.enter(ui)
        if link is None:
            return entrance.refused is None
        try:
            await _Conversation(ui, link, highlights).run()
        finally:
            await link.quit()
    return True


class _Entrance:
    """What is known about a member that is not in the chat yet.

    Attributes:
        password: the server's, as far as it is known.
        refused: why it was refused the last time, or that one is wanted.
    """

    def __init__(
        self, address: str, network: Network, name: str | None, password: str | None
    ) -> None:
        self._address = address
        self._network = network
        self._name = name
        self.password = password
        self.refused: RequestRefused | None = None

    async def enter(self, ui: UserInterface) -> ClientLink | None:
        """Enter the chat; ``None``: the person gives no name, or a password is wanted."""
        self.refused = None
        while True:
            if self._name is None and (name := await ask_name_on(ui)) is not None:
                self._name = name
            if self._name is None:
                return None
            try:
                # Half of a surrogate pair, for example, fits into no line.
                encode_line(self._name)
                link = ClientLink(
                    self._address, name=self._name, network=self._network, password=self.password
                )
                await link.open()
                return link
            except RequestRefused as error:
                if error.code != "bad-password":
                    raise
                self.refused = error
                return None
            except (NameRefused, UnsendableLine) as error:
                ui.warn(str(error))
                self._name = None


class _Conversation:
    """One membership, from the welcome to the end."""

    def __init__(self, ui: UserInterface, link: ClientLink, highlights: Sequence[str]) -> None:
        self._ui = ui
        self._link = link
        self._linear = Linear(link.name, offset=utc_offset, highlights=highlights)
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
            # Ctrl-C takes back what was pasted, as it does with what was typed.
            self._ui.expect_answer("n" if self._linear.is_asking else "")
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
            self._linear.tell_unsent(len(unsent))
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
