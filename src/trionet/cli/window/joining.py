"""`chat join` on a terminal: ask for a name, enter the chat, show the window."""

from __future__ import annotations

import errno
import signal
from collections.abc import Sequence

from trionet.abc import Network
from trionet.chat import NameRefused, RequestRefused
from trionet.chat.formats.local_time import utc_offset
from trionet.chat.person import calls
from trionet.chat.person.typed_commands import typed_again
from trionet.chat.person.wording import safe_lines
from trionet.chat.window.model import Window
from trionet.cli.client_link import ClientLink
from trionet.cli.naming import ask_name
from trionet.cli.password import ask_password
from trionet.cli.running import ClientEnding, Runtime
from trionet.cli.window.running import run_window
from trionet.cli.window.terminal import OFF, Terminal
from trionet.encoding import encode_line
from trionet.errors import TrionetError, UnsendableLine, system_reason

# The errors of a terminal that has hung up.
_HUNG_UP = (errno.EIO, errno.ENXIO)

# How many unsent texts are printed at the end. Nobody types more while the connection is down.
_MAX_TOLD = 20


class NoTerminal(TrionetError):
    """The terminal cannot be opened."""


async def join_window(
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
        runtime: its outputs and signals. The window passes on signals that are keys, like Ctrl-C.
        name: the member's name; default: the person is asked. If a name is refused, the person is
            asked for another one.
        network: the network.
        password: the server's password; default: the person is asked if the server wants one.
        highlights: words that mention the person as their name does.

    Raises:
        TrionetError: the server cannot be reached or refuses the member, or the terminal cannot be
            opened.

    Cancellation: the terminal is restored and the server told.
    """
    try:
        number = await _join(address, runtime, name, network, password, highlights)
    except OSError as error:
        if error.errno not in _HUNG_UP:
            reason = system_reason(error)
            raise NoTerminal(f"cannot open the terminal: {reason} (try --plain)") from None
        number = signal.SIGHUP
    if number:
        runtime.signals.take(number)


async def _join(
    address: str,
    runtime: Runtime,
    name: str | None,
    network: Network,
    password: str | None,
    highlights: Sequence[str],
) -> int:
    """Return the number of the signal that should end the program, or 0."""
    terminal = Terminal()
    ending = runtime.signals.ending
    if isinstance(ending, ClientEnding):
        ending.modes.end = OFF.encode()
    refusal: str | None = None
    while True:
        if name is None and (name := await ask_name(runtime, refusal)) is None:
            return 0
        try:
            # Half of a surrogate pair, for example, fits into no line.
            encode_line(name)
            link = ClientLink(address, name=name, network=network, password=password)
            # What is typed meanwhile waits for the window, and must not appear on the screen.
            with terminal.silent():
                await link.open()
        except RequestRefused as error:
            if error.code != "bad-password":
                raise
            asked = await ask_password(runtime.err, str(error) if password is not None else None)
            if asked is None:
                raise
            password = asked
        except (NameRefused, UnsendableLine) as error:
            name, refusal = None, str(error)
        else:
            window = Window(link.name, offset=utc_offset, highlights=highlights)
            try:
                return await run_window(window, link, terminal)
            finally:
                # These texts were on the window's screen, which is gone.
                for line in unsent_lines(link.unanswered):
                    runtime.err.write(f"{line}\n")


def unsent_lines(unanswered: Sequence[calls.ServerCall]) -> list[str]:
    """Return what to print about texts that have no receipt when the window ends."""
    texts = [*filter(None, map(typed_again, unanswered))]
    shown = [
        f"error: perhaps not sent: {safe_lines(text)}".replace("\n", "\n  ")
        for text in texts[:_MAX_TOLD]
    ]
    more = len(texts) - len(shown)
    return [*shown, f"error: and {more} more"] if more else shown
