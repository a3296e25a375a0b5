"""What the `chat join` command does: the window, the lines, or a client for a pipe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Self

import trio

from trionet import chat
from trionet.abc import Network
from trionet.chat.client.plain_client import as_text, why_closed_before_login
from trionet.chat.formats.plain import is_quit
from trionet.cli.address_options import ClientSettings
from trionet.cli.password import ask_password, given_password
from trionet.cli.pasting import PastedLine
from trionet.cli.running import Leaving, Runtime, until_interrupted
from trionet.cli.user_interface import (
    UserInterface,
    has_person,
    is_dumb,
    is_input_terminal,
    open_user_interface,
)
from trionet.connection.linestream import LineStream
from trionet.errors import BadLine, ConnectionLost, LineTooLong, UnsendableLine
from trionet.lines import MAX_LINE, Line
from trionet.nurseries import single_error
from trionet.text.farewells import LEAVE, may_mean_to_leave
from trionet.transport.network import SystemNetwork


async def join(
    address: str,
    runtime: Runtime,
    *,
    name: str | None,
    network: ClientSettings,
    plain: bool,
    linear: bool = False,
    highlights: Sequence[str] = (),
    password_file: Path | None = None,
) -> None:
    """Run the client until its input ends, the server goes away, or a signal ends it.

    Args:
        address: where the server is.
        runtime: the outputs and signals.
        name: what the member is called; default: a person is asked.
        network: whom to trust with certificates, and which one to show.
        plain: speak the plain format and print its lines, as on a pipe.
        linear: print a line for each message on a terminal, instead of showing a window. On a dumb
            terminal that is done anyway.
        highlights: words that a person wants to be mentioned by, besides their name.
        password_file: a file with the server's password; default: the environment has it, or a
            person is asked if the server wants one.
    """
    password = given_password(password_file, address)
    system = SystemNetwork(**network)
    if has_person() and not plain:
        # Heavy, and needed only here.
        if linear or is_dumb():
            from trionet.cli.linear.running import run_linear as run
        else:
            from trionet.cli.window.joining import join_window as run
        show = partial(
            run,
            address,
            runtime,
            name=name,
            network=system,
            password=password,
            highlights=highlights,
        )
        await until_interrupted(show, runtime)
        return
    leaving = Leaving(runtime)
    client = _LineClient(
        address=address, runtime=runtime, network=system, plain=plain, leaving=leaving
    )
    await until_interrupted(
        partial(client.run, name=name, password=password), runtime, leaving=leaving
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _LineClient:
    """A client without a window, for a pipe or with ``--plain``.

    Args:
        address: where the server is.
        runtime: the outputs and signals.
        network: connects to it.
        plain: whether a person's terminal is used as if it were a pipe.
        leaving: ends its lines when it should leave.
    """

    address: str
    runtime: Runtime
    network: Network
    plain: bool
    leaving: Leaving

    async def run(self, *, name: str | None, password: str | None) -> None:
        """Join, and stay until the input ends. A person may try several passwords."""
        refusal: str | None = None
        while True:
            try:
                await self._join(name, password)
            except chat.PasswordWanted as wanted:
                # The line editor shows what is typed, so it is asked for without one.
                if wanted.was_given and not is_input_terminal():
                    raise
                name, refusal = wanted.name, str(wanted) if wanted.was_given else None
            else:
                return
            password = await ask_password(self.runtime.err, refusal)
            if password is None:
                raise chat.PasswordWanted(name, was_given=False)

    async def _join(self, name: str | None, password: str | None) -> None:
        # Open the terminal first, so that what is typed while the connection is made is neither
        # echoed nor lost.
        async with (
            open_user_interface(self.runtime, plain=self.plain, indent=True) as ui,
            await self.network.connect(self.address) as stream,
        ):
            lines = LineStream(stream)
            welcome = await _log_in(lines, name, ui, password)
            if welcome is not None:
                ui.show(welcome)
                typed = _Messages(ui) if ui.is_interactive else ui.lines
                await chat.converse(lines, self.leaving.over(typed), show=ui.show, warn=ui.warn)


class _Messages:
    """The lines for the room: what a person at a terminal types, except what they cannot mean.

    A line that looks as if it should end the program is not said to everyone; the person is asked
    about it. A line of a paste is said, whatever it is. A line that cannot be sent is given back.
    """

    def __init__(self, ui: UserInterface) -> None:
        self._ui = ui
        self._lines = aiter(ui.lines)
        self._noted_paste: object = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Line:
        while True:
            line = await anext(self._lines)
            if isinstance(line, BadLine):
                self._ui.refuse("", str(line), None)
            elif isinstance(line, PastedLine):
                if (text := self._pasted(line)) is not None:
                    return text
            elif may_mean_to_leave(line):
                self._ui.note(LEAVE)
            else:
                return line

    def _pasted(self, line: PastedLine) -> str | None:
        text = as_text(line)
        if text == line:
            return text
        if len(text.encode(errors="replace")) > MAX_LINE:
            self._ui.refuse(line, str(LineTooLong(MAX_LINE, b"")), None)
            return None
        if self._noted_paste is not line.paste:
            self._noted_paste = line.paste
            self._ui.note("nothing in a paste is a command: all of it was said as text")
        return text


async def _log_in(
    lines: LineStream, name: str | None, ui: UserInterface, password: str | None
) -> str | None:
    """Log in, and return the welcome; ``None``: the input ended. A person may try several names."""
    while True:
        try:
            given = await _ask_name(lines, ui) if name is None else name
            if given is None or (name is None and is_quit(given)):
                return None
            if name is None and ui.is_interactive and may_mean_to_leave(given):
                ui.note(LEAVE)
                continue
            return await chat.log_in(lines, given, password=password)
        except (chat.NameRefused, BadLine, UnsendableLine) as error:
            if not ui.is_interactive:
                raise
            ui.warn(str(error))
            name = None


async def _ask_name(lines: LineStream, ui: UserInterface) -> str | None:
    """Ask for a name; ``None``: the input ended.

    Raises:
        ConnectionLost: the server closed the connection meanwhile.
        BadLine: what was typed cannot be read.
    """

    async def watch_server() -> None:
        raise ConnectionLost(await why_closed_before_login(lines))

    with single_error(ConnectionLost, BadLine, KeyboardInterrupt):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(watch_server)
            given = await ui.ask("name: ")
            nursery.cancel_scope.cancel()
    return given
