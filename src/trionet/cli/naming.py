"""Ask a person at a terminal for the name to have in a chat."""

from __future__ import annotations

from trionet.chat.formats.plain import is_quit
from trionet.cli.running import Runtime
from trionet.cli.user_interface import UserInterface, open_user_interface
from trionet.errors import BadLine
from trionet.text.farewells import LEAVE, may_mean_to_leave


async def ask_name(runtime: Runtime, refusal: str | None = None) -> str | None:
    """Ask for a name; ``None``: the person leaves.

    Args:
        runtime: where to ask.
        refusal: why the last name was refused.

    Raises:
        KeyboardInterrupt: Ctrl-C as a key.

    Cancellation: the terminal is restored.
    """
    async with open_user_interface(runtime, plain=False) as ui:
        if refusal is not None:
            ui.warn(refusal)
        return await ask_name_on(ui)


async def ask_name_on(ui: UserInterface) -> str | None:
    """Ask for a name on an interface that is open. Otherwise like `ask_name`."""
    while True:
        try:
            given = await ui.ask("name: ")
            if given is None or is_quit(given):
                return None
        except BadLine as error:
            ui.warn(str(error))
            continue
        if not may_mean_to_leave(given):
            return given
        ui.note(LEAVE)
