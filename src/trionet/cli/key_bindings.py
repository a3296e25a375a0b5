"""What keys do in the line being typed, beyond what prompt_toolkit has them do.

For example, after a mistake the line comes back as if selected, and the next key replaces it.
`trionet.cli.prompt_thread` opens its prompt session here.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from prompt_toolkit import PromptSession
from prompt_toolkit.application import Application
from prompt_toolkit.filters import Condition, has_focus
from prompt_toolkit.history import History
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.keys import Keys
from prompt_toolkit.layout import BufferControl, Layout
from prompt_toolkit.layout.processors import Processor, Transformation, TransformationInput
from prompt_toolkit.output import Output

from trionet.cli.input_rows import EmojiInParts, count_rows_as_drawn
from trionet.cli.keyboard import ENTER_WITHIN_PASTE, Keyboard
from trionet.cli.suspending import send_to_job

TAB = "    "

# The keys for which a terminal that is not in raw mode sends a signal: Ctrl-C, Ctrl-\ and Ctrl-Z.
SIGNAL_KEYS = {
    Keys.ControlC: signal.SIGINT,
    Keys.ControlBackslash: signal.SIGQUIT,
    Keys.ControlZ: signal.SIGTSTP,
}


@dataclass(slots=True)
class LineState:
    """What keys change, besides the text of the line being typed.

    Attributes:
        is_selected: whether the next key that types replaces the line.
        goes_on: whether the line belongs to a paste that continues after it.
        asked_column: is resolved with the cursor's column, from 0, when the terminal tells it;
            ``None`` while nobody asks.
        drawn_columns: how wide the terminal was when the prompt was drawn last; ``None`` while
            nothing of it is on the screen.
        answer_of_ctrl_c: what Ctrl-C on an empty line enters; empty: it interrupts.
    """

    is_selected: bool = False
    goes_on: bool = False
    asked_column: asyncio.Future[int] | None = None
    drawn_columns: int | None = None
    answer_of_ctrl_c: str = ""


def open_session(
    keyboard: Keyboard,
    output: Output,
    state: LineState,
    history: History | None,
    is_resizing: Callable[[], bool],
) -> PromptSession[str]:
    """Return a prompt session with these key bindings.

    Args:
        keyboard: where the keys come from.
        output: where the prompt is drawn.
        state: is changed by the keys.
        history: keeps what is typed; ``None``: nothing outlives this session.
        is_resizing: tells whether nobody knows where the prompt is. Nothing is drawn then.
    """
    session: PromptSession[str] = PromptSession(
        history=history,
        input=keyboard,
        output=output,
        input_processors=[EmojiInParts(), _ReverseVideo(lambda: state.is_selected)],
    )
    # `PromptThread.resize` is called for each change of the size, so there is no need to poll it.
    session.app.terminal_size_polling_interval = None
    session.key_bindings = _bindings(session, state)
    line = session.layout.current_control
    assert isinstance(line, BufferControl)
    count_rows_as_drawn(line)

    def deselect(_: object) -> None:
        if state.is_selected:
            state.is_selected = False
            if session.app.is_running and not session.app.is_done:
                session.app.invalidate()

    session.app.key_processor.after_key_press += deselect
    renderer = session.app.renderer
    render = renderer.render

    def render_in_place(app: Application[Any], layout: Layout, is_done: bool = False) -> None:
        if is_done or not is_resizing():
            state.drawn_columns = output.get_size().columns
            render(app, layout, is_done)

    renderer.render = render_in_place  # type: ignore[method-assign]
    return session


def _bindings(session: PromptSession[str], state: LineState) -> KeyBindings:
    bindings = KeyBindings()
    in_line = has_focus(session.default_buffer)
    is_selected = Condition(lambda: state.is_selected)
    is_empty = Condition(lambda: not session.default_buffer.text)
    is_answer = Condition(lambda: bool(state.answer_of_ctrl_c))

    def insert(event: KeyPressEvent, text: str) -> None:
        if state.is_selected:
            event.current_buffer.text = ""
        event.current_buffer.insert_text(text)

    @bindings.add(Keys.Any, filter=in_line & is_selected)
    def _(event: KeyPressEvent) -> None:
        insert(event, event.data)

    @bindings.add(Keys.BracketedPaste)
    def _(event: KeyPressEvent) -> None:
        lines = event.data.replace("\r\n", "\n").replace("\r", "\n")
        insert(event, lines.replace("\t", TAB))

    @bindings.add(Keys.ControlI, filter=in_line)
    def _(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text(TAB)

    @bindings.add(ENTER_WITHIN_PASTE, filter=in_line)
    def _(event: KeyPressEvent) -> None:
        state.goes_on = True
        event.current_buffer.validate_and_handle()

    @bindings.add(Keys.ControlC, filter=in_line & ~is_empty)
    def _(event: KeyPressEvent) -> None:
        event.current_buffer.reset()

    @bindings.add(Keys.ControlC, filter=in_line & is_empty & is_answer)
    def _(event: KeyPressEvent) -> None:
        event.current_buffer.text = state.answer_of_ctrl_c
        event.current_buffer.validate_and_handle()

    @bindings.add(Keys.ControlS, filter=in_line)
    @bindings.add(Keys.ControlR, filter=in_line)
    def _(_: KeyPressEvent) -> None:
        # Not prompt_toolkit's search, which takes the prompt away. People press Ctrl-S to stop the
        # output.
        pass

    for key in SIGNAL_KEYS:
        is_free = in_line & is_empty & ~is_answer
        condition = is_free if key == Keys.ControlC else Condition(lambda: True)

        @bindings.add(key, filter=condition)
        def _(event: KeyPressEvent) -> None:
            send_signal_of(cast(Keys, event.key_sequence[0].key))

    @bindings.add(Keys.CPRResponse, save_before=lambda _: False)
    def _(event: KeyPressEvent) -> None:
        if state.asked_column is not None and not state.asked_column.done():
            _, column = event.data[2:-1].split(";")
            state.asked_column.set_result(int(column) - 1)

    return bindings


class _ReverseVideo(Processor):
    """Shows the line in reverse video while the next key would replace it."""

    def __init__(self, is_wanted: Callable[[], bool]) -> None:
        self._is_wanted = is_wanted

    def apply_transformation(self, transformation_input: TransformationInput) -> Transformation:
        fragments = transformation_input.fragments
        if self._is_wanted():
            fragments = [(f"{style} reverse", text) for style, text, *_ in fragments]
        return Transformation(fragments)


def send_signal_of(key: Keys) -> None:
    """Send the signal of a key as the terminal would."""
    send_to_job(SIGNAL_KEYS[key])
