"""`ServingOptions`: what `trionet.serve` is told about all connections of a server, checked once.

Where a server listens, and what it runs inside of, are not among them; see `trionet.server`.
"""

from __future__ import annotations

import enum
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field

from trionet.argument_checks import check_choice, check_flag, check_limits, check_numbers
from trionet.connection.first_line import Opening
from trionet.connection.when_slow import WhenSlow
from trionet.events import ServerEvent
from trionet.function_checks import check_callback
from trionet.limits import Limits
from trionet.notices import EncodeNotice, encode_notice
from trionet.type_checks import check_kind


class WhenFull(enum.Enum):
    """What happens to a peer that comes when `Limits.max_clients` are being served."""

    WAIT = "wait for a free place, unanswered, in the listen backlog"
    REFUSE = "answer `error: server is full` and close"


@dataclass(frozen=True, kw_only=True, slots=True)
class ServingOptions:
    """Options of a server. `trionet.serve` says what each means; the defaults are the same.

    Raises:
        TypeError: one is of the wrong kind; the message says what to write.
    """

    limits: Limits = field(default_factory=Limits)
    when_full: WhenFull = WhenFull.REFUSE
    when_slow: WhenSlow = WhenSlow.DISCONNECT
    encode_notice: EncodeNotice = encode_notice
    refuse_http: bool = True
    identifies: bool = False
    on_drain: Callable[[], object] | None = None
    on_event: Callable[[ServerEvent], object] | None = None
    opening: Opening | None = None
    decode: bool = True
    encode_web_notice: EncodeNotice | None = None
    log_connections: bool = True
    numbers: itertools.count[int] | None = None

    def __post_init__(self) -> None:
        check_limits(self.limits)
        check_choice("when_full", self.when_full, WhenFull)
        check_choice("when_slow", self.when_slow, WhenSlow)
        check_callback("encode_notice", self.encode_notice, optional=False)
        check_callback("encode_web_notice", self.encode_web_notice)
        check_flag("refuse_http", self.refuse_http)
        check_flag("identifies", self.identifies)
        check_flag("decode", self.decode)
        check_flag("log_connections", self.log_connections)
        if self.numbers is not None:
            check_numbers(self.numbers)
        check_callback("on_drain", self.on_drain, arguments=0)
        check_callback("on_event", self.on_event)
        if self.opening is not None:
            check_kind("opening", self.opening, Opening, hint="trionet.Opening(...)")
